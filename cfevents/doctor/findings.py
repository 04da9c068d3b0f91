"""The findings of an examination, and the report that is made of them."""

import json
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import aiohttp
from attrs import define, field, frozen

from cfevents._http.connection import Usage
from cfevents._model.api import Connector, EventMetadata, RecordedEvent, event_key
from cfevents._protocol.responses import Response
from cfevents._time import TimeWindow
from cfevents._version import __version__
from cfevents.doctor.diagnosis import Diagnosis, diagnose
from cfevents.errors import CfEventsError

CursorForm: TypeAlias = Literal["text", "absent", "null", "empty"]
"""The form of a page's cursor: a text, no field at all, ``null`` or ``""``."""

Verdict: TypeAlias = Literal["ok", "warning", "failed", "unknown"]
"""``warning``: it works, and there is something to know or do. ``unknown``: it could not be found out."""


@frozen
class TimedResponse:
    """A response, and when it came."""

    sent_at: float
    """When its request was sent, by this machine's clock, in seconds since the Unix epoch."""

    received_at: float
    """When it had arrived, by the same clock."""

    seconds: float
    """Time between the two, by a clock that nobody sets."""

    response: Response


@frozen
class SeenPage:
    """One page of a listing."""

    items: tuple[EventMetadata, ...]
    cursor: str | None
    """The next page's cursor; None on the last page."""

    cursor_form: CursorForm
    seconds: float = 0.0
    """How long the page took."""


@frozen
class ProbedListing:
    """The pages of one listing, from the first one on."""

    window: TimeWindow
    limit: int | None
    """Events requested per page; None where the API chose."""

    pages: tuple[SeenPage, ...]
    circular: bool = False
    """A cursor came for the second time."""

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

    def missing(self, known: Iterable[EventMetadata]) -> list[EventMetadata]:
        """Return the known events that a complete listing does not have; none for an incomplete one."""
        if not self.complete:
            return []
        listed = {event_key(event) for event in self.items}
        return [event for event in known if event_key(event) not in listed]


@define(eq=False)
class Findings:
    """The results of all requests. What is None or empty was not requested, or failed."""

    host: str | None = None
    """The API's host."""

    proxied: bool = False
    """Every request went through a proxy."""

    from_environment: bool = True
    """The client has its settings from the environment."""

    responses: list[TimedResponse] = field(factory=list)
    usage: Usage | None = None
    """The client's counters, after the last request."""

    connectors: Sequence[Connector] | None = None
    connector_id: str | None = None
    """The examined connector."""

    wide: ProbedListing | None = None
    """A long window, from its first page on."""

    narrow: list[ProbedListing] = field(factory=list)
    """Short windows within it, as far as possible to their ends."""

    unlimited: ProbedListing | None = None
    """The long window once more, with pages of the API's own size."""

    latest: Sequence[RecordedEvent] | None = None
    wanted: EventMetadata | None = None
    """The event that was requested by its id."""

    got: RecordedEvent | None = None
    """The event that came for it."""

    refused_limit: int | None = None
    """Events per page that the API refused."""

    failures: dict[str, tuple[CfEventsError, bytes | None]] = field(factory=dict)
    """For each failed step its error, and the last response's body, if any."""

    stopped: str | None = None
    """Why the examination ended early."""

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
        if self.connector_id is None:
            return "not checked: there is no connector"
        return "not seen: not enough events" if self.known else "not seen: no event of the last 30 days"

    def diagnosis(self, step: str) -> Diagnosis | None:
        """Return what is wrong with a step; None where it went well or was not taken."""
        return diagnose(*self.failures[step], proxied=self.proxied) if step in self.failures else None


class Answer(NamedTuple):
    """The answer to a check's question."""

    verdict: Verdict
    found: str
    advice: str | None
    values: Mapping[str, Any]


def ok(found: str, **values: Any) -> Answer:
    """Return the answer for what works, or was measured."""
    return Answer("ok", found, None, values)


def warning(found: str, advice: str, **values: Any) -> Answer:
    """Return the answer for what works, and needs some advice."""
    return Answer("warning", found, advice, values)


def failed(found: str, advice: str, **values: Any) -> Answer:
    """Return the answer for what does not work."""
    return Answer("failed", found, advice, values)


def unknown(reason: str, **values: Any) -> Answer:
    """Return the answer for what could not be found out."""
    return Answer("unknown", reason, None, values)


def diagnosed(diagnosis: Diagnosis) -> Answer:
    """Return the answer for a request that failed."""
    return failed(diagnosis.summary, diagnosis.advice, trouble=diagnosis.category)


@frozen
class Check:
    """One line of the report."""

    __module__ = "cfevents.doctor"

    name: str
    """What was examined, in a word or two."""

    verdict: Verdict
    found: str
    """What was found, in a line."""

    advice: str | None = None
    """What to do next; None where there is nothing to do."""

    values: Mapping[str, Any] = field(factory=dict, hash=False)
    """What was found, as JSON values for programs. None: it could not be found out."""


class CheckSpec(NamedTuple):
    """A row in the table of checks."""

    name: str
    values: tuple[str, ...]
    """The names of the check's values; one without an answer is None."""

    question: Callable[[Findings], Answer | None]
    """Returns None where the findings have no answer."""

    step: str | None = None
    """The step whose failure is the answer."""

    optional: bool = False
    """Without an answer there is no line."""

    def check(self, findings: Findings) -> Check | None:
        """Return the line for the report."""
        diagnosis = None if self.step is None else findings.diagnosis(self.step)
        answer = self.question(findings) if diagnosis is None else diagnosed(diagnosis)
        if answer is None and self.optional:
            return None
        verdict, found, advice, values = answer or unknown(findings.why_not)
        return Check(self.name, verdict, found, advice, dict.fromkeys(self.values) | dict(values))


@frozen
class DoctorReport:
    """Everything that an examination found."""

    __module__ = "cfevents.doctor"

    checks: tuple[Check, ...]
    """The lines; each rests on those before it."""

    requests: int = 0
    """How many requests were sent."""

    ray_ids: tuple[str, ...] = ()
    """The ``CF-Ray`` of each response that had one. The vendor's support asks for it."""

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
            {
                "name": check.name,
                "verdict": check.verdict,
                "found": self._without_ids(check.found),
                "advice": check.advice and self._without_ids(check.advice),
                "values": dict(check.values),
            }
            for check in self.checks
        ]
        about = {"cfevents": __version__, "python": platform.python_version(), "aiohttp": aiohttp.__version__}
        result = {"requests": self.requests, "ray_ids": self.ray_ids, "failed": self.failed, "checks": checks}
        return json.dumps(about | result, indent=2)

    def _without_ids(self, text: str) -> str:
        for known, placeholder in self.hidden.items():
            # Whole words alone: an id may be as short as a word.
            text = re.sub(rf"(?<![\w-]){re.escape(known)}(?![\w-])", placeholder, text)
        return text
