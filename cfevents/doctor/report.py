"""What an examination found: a line for each thing that was looked at."""

import json
import platform
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import aiohttp
from attrs import field, frozen

from cfevents._version import __version__

Verdict: TypeAlias = Literal["ok", "warning", "failed", "unknown"]
"""``warning``: it works, and something is to be known or done. ``unknown``: it could not be found out."""


@frozen
class Check:
    """One thing that was looked at."""

    __module__ = "cfevents.doctor"

    name: str
    """What was looked at, in a word or two."""

    verdict: Verdict
    """How it is."""

    found: str
    """What was found, in a line."""

    advice: str | None = None
    """What to do next; None where there is nothing to do."""

    values: Mapping[str, Any] = field(factory=dict, hash=False)
    """What was found, for programs: JSON values. None stands for what could not be found out."""


@frozen
class Report:
    """All that an examination found."""

    __module__ = "cfevents.doctor"

    checks: tuple[Check, ...]
    """The lines, in the order in which they rest on each other."""

    requests: int = 0
    """How many requests were sent."""

    ray_ids: tuple[str, ...] = ()
    """The ``CF-Ray`` of each answer that had one, which the vendor's support asks for."""

    hidden: Mapping[str, str] = field(factory=dict, hash=False, repr=False)
    """The ids that `to_json` leaves out, and what stands in their place."""

    @property
    def failed(self) -> bool:
        """Whether something does not work."""
        return any(check.verdict == "failed" for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        """Find a line by its name."""
        return next(check for check in self.checks if check.name == name)

    def to_json(self) -> str:
        """Write it as one JSON object for a support case: without credentials, payloads, and ids of the account."""
        about = {"cfevents": __version__, "python": platform.python_version(), "aiohttp": aiohttp.__version__}
        checks = [self._shown(check) for check in self.checks]
        told = {**about, "requests": self.requests, "ray_ids": self.ray_ids, "failed": self.failed, "checks": checks}
        return json.dumps(told, indent=2)

    def _shown(self, check: Check) -> dict[str, Any]:
        texts = {"name": check.name, "verdict": check.verdict, "found": check.found, "advice": check.advice}
        return {name: self._without_ids(text) for name, text in texts.items()} | {"values": dict(check.values)}

    def _without_ids(self, text: str | None) -> str | None:
        for known, shown in self.hidden.items():
            if text is not None:
                # Whole words alone: an id may be as short as a word.
                text = re.sub(rf"(?<![\w-]){re.escape(known)}(?![\w-])", shown, text)
        return text
