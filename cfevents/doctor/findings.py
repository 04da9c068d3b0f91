"""The findings of an examination, and the report that is made of them."""

import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote

import aiohttp
from attrs import asdict, define, field, frozen

from cfevents._http.connection import Usage
from cfevents._model.api import Connector, EventMetadata, RecordedEvent, event_key
from cfevents._protocol.responses import Response
from cfevents._public import set_module
from cfevents._secrets import clean, quoted_pattern
from cfevents._time import TimeWindow
from cfevents._version import __version__

CursorForm: TypeAlias = Literal["text", "absent", "null", "empty"]
"""The form of a page's cursor: a text, no field at all, ``null`` or ``""``."""

Verdict: TypeAlias = Literal["ok", "warning", "failed", "unknown"]
"""``warning``: it works, and there is something to know or do. ``unknown``: it could not be found out."""

_MIN_ID_CHARS = 6
_PLAIN_NAME = "[A-Za-z][A-Za-z_-]{0,30}"


@frozen
class TimedResponse:
    """A response, and when it came, in seconds since the Unix epoch by this machine's clock."""

    sent_at: float
    received_at: float
    seconds: float  # between the two, by a clock that nobody sets
    response: Response


@frozen
class SeenPage:
    """One page of a listing."""

    items: tuple[EventMetadata, ...]
    cursor: str | None  # the next page's; None on the last page
    cursor_form: CursorForm
    seconds: float = 0.0


@frozen
class ProbedListing:
    """The pages of one listing, from the first one on."""

    window: TimeWindow
    limit: int | None  # events requested per page; None where the API chose
    pages: tuple[SeenPage, ...]
    circular: bool = False  # a cursor came for the second time

    @property
    def items(self) -> tuple[EventMetadata, ...]:
        """The events of all pages, in the API's order."""
        return tuple(event for page in self.pages for event in page.items)

    @property
    def complete(self) -> bool:
        """The last page is among them."""
        return bool(self.pages) and self.pages[-1].cursor is None

    @property
    def largest_page(self) -> int | None:
        """Events on the largest page after which there was more; None without such a page."""
        return max((len(page.items) for page in self.pages if page.items and page.cursor), default=None)


class Answer:
    """The answer to a check's question, with its values."""

    def __init__(self, verdict: Verdict, found: str, advice: str | None = None, /, **values: Any) -> None:
        self.verdict: Verdict = verdict
        self.found, self.advice, self.values = found, advice, values


@define(eq=False)
class Findings:
    """The results of all requests. What is None or empty was not requested, or failed."""

    host: str | None = None
    proxied: bool = False
    settings: str | None = None  # where the client's are from; None for the environment
    identify: Callable[[str, Sequence[Connector]], str] = lambda name, _: name
    responses: list[TimedResponse] = field(factory=list)
    usage: Usage | None = None  # after the last request
    connectors: Sequence[Connector] | None = None
    connector_id: str = ""  # the examined one; "" where there is none
    wide: ProbedListing | None = None  # a long window, from its first page on
    narrow: list[ProbedListing] = field(factory=list)  # short windows within it, as far as possible to their ends
    unlimited: ProbedListing | None = None  # the long window once more, with pages of the API's own size
    latest: Sequence[RecordedEvent] | None = None
    wanted: EventMetadata | None = None  # the event that was requested by its id
    got: RecordedEvent | None = None  # the event that came for it
    refused_limit: int | None = None  # events per page
    failures: dict[str, Answer] = field(factory=dict)
    """The diagnosis of each step that failed; of the first step by the check that it failed at."""
    stopped: str | None = None  # why the examination ended early

    @property
    def listings(self) -> list[ProbedListing]:
        """All listings, in the order in which they were requested."""
        return [listing for listing in (self.wide, *self.narrow, self.unlimited) if listing is not None]

    @property
    def known(self) -> list[EventMetadata]:
        """The events of all listings, each once."""
        return list({event_key(event): event for listing in self.listings for event in listing.items}.values())

    @property
    def why_not(self) -> str:
        """Why something could not be found out, where the events are not to blame."""
        if self.stopped is not None:
            return f"not checked: {self.stopped}"
        if self.failures:
            return "not checked: an earlier request failed"
        if not self.connector_id:
            return "not checked: there is no connector"
        return "not seen: not enough events" if self.known else "not seen: no event of the last 30 days"


@set_module("cfevents.doctor")
@frozen
class Check:
    """One line of the report."""

    name: str
    verdict: Verdict
    found: str
    advice: str | None = None  # what to do next
    values: Mapping[str, Any] = field(factory=dict, hash=False)
    """What was found, as JSON values for programs. None: it could not be found out."""


class CheckSpec(NamedTuple):
    """A row in the table of checks."""

    name: str
    question: Callable[[Findings], Answer | None] | None
    """Returns None where the findings have no answer. Without a question, only a failure makes a line."""

    values: tuple[str, ...] = ()
    """The names of the check's values; one without an answer is None."""

    step: str = ""
    """The step whose failure is the answer; its value is ``trouble``."""

    def check(self, findings: Findings) -> Check | None:
        """Return the line for the report."""
        result = findings.failures.get(self.step)
        if result is None:
            if self.question is None:
                return None
            result = self.question(findings) or Answer("unknown", findings.why_not)
        names = ("trouble",) if self.step else self.values
        values = dict.fromkeys(names) | result.values
        return Check(self.name, result.verdict, clean(result.found), result.advice, values)


@set_module("cfevents.doctor")
@frozen
class DoctorReport:
    """Everything that an examination found."""

    checks: tuple[Check, ...]  # each rests on those before it
    requests: int = 0
    ray_ids: tuple[str, ...] = ()  # of each response that had one: the vendor's support asks for it
    hidden: Mapping[str, str] = field(factory=dict, hash=False, repr=False)
    """The ids that `to_json` leaves out, and what stands in their place."""

    @property
    def failed(self) -> bool:
        """Something does not work."""
        return any(check.verdict == "failed" for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        """Return a line by its name."""
        return next(check for check in self.checks if check.name == name)

    def to_json(self) -> str:
        """Return one JSON object for a support case: without credentials, payloads, and ids of the account."""
        checks = [
            asdict(check, recurse=False)
            | {"found": self._without_ids(check.found), "advice": check.advice and self._without_ids(check.advice)}
            | {"values": {name: self._without_names(value) for name, value in check.values.items()}}
            for check in self.checks
        ]
        rays = [self._without_ids(ray) for ray in self.ray_ids]
        about = {"cfevents": __version__, "python": platform.python_version(), "aiohttp": aiohttp.__version__}
        result = {"requests": self.requests, "ray_ids": rays, "failed": self.failed, "checks": checks}
        return json.dumps(about | result, indent=2)

    def _without_ids(self, text: str) -> str:
        # The longest first: one may be a part of another.
        for known in sorted(self.hidden, key=len, reverse=True):
            if known.lower() in unquote(text).lower():
                pattern = quoted_pattern(known)
                # An id may be as short as a word, and is then hidden as a whole word alone.
                pattern = rf"(?<![\w-]){pattern}(?![\w-])" if len(known) < _MIN_ID_CHARS else pattern
                text = re.sub(pattern, self.hidden[known], text, flags=re.IGNORECASE)
        return text

    def _without_names(self, value: Any) -> Any:
        """Return the value of a check; names of policies that are no plain words are numbered."""
        if not isinstance(value, Mapping):
            return value
        return {
            name if re.fullmatch(_PLAIN_NAME, self._without_ids(name)) else f"<policy {number}>": policy
            for number, (name, policy) in enumerate(value.items(), start=1)
        }
