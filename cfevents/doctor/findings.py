"""What the requests of an examination brought, before it is judged."""

from collections.abc import Iterator, Sequence

from attrs import define, field

from cfevents._model.api import Connector, EventMetadata, RecordedEvent, event_key
from cfevents.doctor.diagnosis import Diagnosis, diagnose
from cfevents.doctor.probe import ProbedListing
from cfevents.doctor.windows import RULES, Rule, fitting
from cfevents.errors import CfEventsError


@define(eq=False)
class Findings:
    """What was found so far; what is None or empty was not asked, or failed."""

    connectors: Sequence[Connector] | None = None
    connector_id: str | None = None
    """The connector that was asked about."""

    wide: ProbedListing | None = None
    """A long window, from its first page on."""

    narrow: list[ProbedListing] = field(factory=list)
    """Short windows within it, as far as possible to their ends."""

    unlimited: ProbedListing | None = None
    """The long window once more, where it is left to the API how many events a page has."""

    latest: Sequence[RecordedEvent] | None = None
    wanted: EventMetadata | None = None
    """The event that was asked for."""

    got: RecordedEvent | None = None
    """What came for it."""

    proxied: bool = False
    """Whether everything went through a proxy."""

    failures: dict[str, tuple[CfEventsError, bytes | None]] = field(factory=dict)
    """Which step failed, why, and the body of the answer, if one came."""

    refused_limit: int | None = None
    """So many events at once the API would not send."""

    stopped: str | None = None
    """Why not everything was asked."""

    @property
    def listings(self) -> Iterator[ProbedListing]:
        """All listings, in the order in which they were asked for."""
        yield from filter(None, (self.wide, *self.narrow, self.unlimited))

    @property
    def known(self) -> Sequence[EventMetadata]:
        """The events that the listings showed, each once."""
        return list({event_key(event): event for listed in self.listings for event in listed.items}.values())

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that explain all of the listings."""
        rules, known = RULES, self.known
        for listed in self.listings:
            rules = fitting(rules, listed, known)
        return rules

    def trouble(self, step: str) -> Diagnosis | None:
        """Name the trouble with a step; None where it went well or was not taken."""
        return diagnose(*self.failures[step], proxied=self.proxied) if step in self.failures else None

    @property
    def why_not(self) -> str:
        """Why something could not be found out, where it is no fault of the events."""
        if self.stopped is not None:
            return f"not asked: {self.stopped}"
        if self.failures:
            return "not asked: an earlier request failed"
        if self.connector_id is None:
            return "not asked: there is no connector"
        return "not seen: not enough events" if self.known else "not seen: no event of the last 30 days"
