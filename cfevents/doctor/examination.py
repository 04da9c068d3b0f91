"""The examination: what is asked, in which order, and when it stops."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import define

from cfevents import _time
from cfevents._http.connection import Usage
from cfevents._model.api import EventMetadata
from cfevents._time import TimeWindow
from cfevents._validation import validate_path_segment
from cfevents.doctor.access_checks import budget_check, call_checks, clock_check, reaching_checks, variables_check
from cfevents.doctor.behaviour_checks import assumptions_check, measured_checks, possible_orders
from cfevents.doctor.findings import Findings
from cfevents.doctor.probe import Asking, OutOfRequestsError, ProbedListing
from cfevents.doctor.report import Report
from cfevents.doctor.windows import telling_window, time_by
from cfevents.errors import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    CfEventsError,
    ConfigurationError,
    RateLimitError,
)

if TYPE_CHECKING:
    from cfevents._client import Client


def report_of(findings: Findings, asking: Asking, usage: Usage, *, from_environment: bool) -> Report:
    """Judge what was found."""
    answers = asking.recorder.answers
    hidden = {asking.api.account_id: "<account>"}
    if findings.connector_id is not None:
        hidden[findings.connector_id] = "<connector>"
    checks = (
        variables_check(used=from_environment),
        *reaching_checks(findings, asking),
        clock_check(answers),
        *call_checks(findings),
        budget_check(findings, answers, usage),
        *measured_checks(findings),
        assumptions_check(findings),
    )
    rays = tuple(each.response.ray_id for each in answers if each.response.ray_id)
    return Report(checks, len(asking.recorder.sent), rays, hidden)


_PERIOD = 30 * 86_400  # seconds
# As many as no page may hold, one hopes, and no burden for anybody: 70 kB.
_LIMIT = 1000
# With so many events an order can be told from chance.
_ENOUGH = 8
# Connectors that are tried, until one has as many.
_TRIED = 3
# Windows that are listed to find the rule by which windows work.
_QUESTIONS = 4
# Seconds on either side of an event: enough for an appliance to do several sorts of things.
_AROUND = 1800
# After these, whatever is sent would fail likewise.
_HOPELESS = (APIConnectionError, AuthenticationError, RateLimitError)


async def examine(client: "Client", connector_id: str | None = None, *, from_environment: bool = True) -> Report:
    """Find out what works, and what the API does, by at most twelve requests; none is repeated, no block waited out.

    Args:
        client: An open client.
        connector_id: The connector to ask about; the one that was heard of last where it is left out.
        from_environment: Whether the client has its settings from the environment, so that it is told what is there.

    Raises:
        ConfigurationError: The client is not open, or its token cannot be had.
        TypeError: The connector's id is not text.
        ValueError: The connector's id is not one segment of a path.
    """
    if connector_id is not None:
        validate_path_segment("connector_id", connector_id)
    asking = Asking(client)
    findings = Findings(connector_id=connector_id, proxied=asking.is_proxied)
    await _Examination(asking, findings).run()
    return report_of(findings, asking, client.usage, from_environment=from_environment)


@define(eq=False)
class _Examination:
    """The steps. Each notes what it found, and does nothing where it lacks what an earlier one should have found."""

    asking: Asking
    findings: Findings

    async def run(self) -> None:
        """Go through the steps, those first on which others rest."""
        findings = self.findings
        for name in ("connectors", "listing", "event", "latest", "windows", "pages", "default"):
            try:
                await getattr(self, f"_{name}")()
            except OutOfRequestsError as stop:
                findings.stopped = str(stop)
            except ConfigurationError:
                raise
            except CfEventsError as error:
                findings.failures[name] = error, self.asking.last_body
                if name == "connectors" or isinstance(error, _HOPELESS):
                    findings.stopped = "an earlier request failed"
            if findings.stopped is not None:
                return

    async def _connectors(self) -> None:
        self.findings.connectors = await self.asking.connectors()

    async def _listing(self) -> None:
        now = int(_time.now())
        window = TimeWindow(now - _PERIOD, now + 1)
        candidates = self._candidates()
        self.findings.connector_id = next(iter(candidates), None)
        for connector_id in candidates:
            listed = await self._first_pages(connector_id, window)
            best = self.findings.wide
            if best is None or len(listed.items) > len(best.items):
                self.findings.wide, self.findings.connector_id = listed, connector_id
            if len(listed.items) >= _ENOUGH:
                return

    async def _first_pages(self, connector_id: str, window: TimeWindow) -> ProbedListing:
        try:
            return await self.asking.listing(connector_id, window, limit=_LIMIT, enough=_ENOUGH)
        except BadRequestError:
            # How large a limit may be is not documented.
            listed = await self.asking.listing(connector_id, window, enough=_ENOUGH)
        self.findings.refused_limit = _LIMIT
        return listed

    def _candidates(self) -> Sequence[str]:
        """Give the connectors that may be asked about, the one that was heard of last first."""
        if self.findings.connector_id is not None:
            return [self.findings.connector_id]
        heard = sorted(self.findings.connectors or (), key=lambda each: each.last_heartbeat or "", reverse=True)
        return [connector.id for connector in heard[:_TRIED]]

    async def _event(self) -> None:
        whole = [event for event in self._known if isinstance(event.recorded_ts, int)]
        if whole:
            self.findings.wanted = whole[-1]
            self.findings.got = await self.asking.event(self._connector_id, whole[-1].id)

    async def _latest(self) -> None:
        if self.findings.connector_id is not None:
            self.findings.latest = await self.asking.latest(self._connector_id)

    async def _windows(self) -> None:
        """Ask for windows in which the rules that are still possible take different events."""
        for _ in range(_QUESTIONS):
            asked = [listed.window for listed in self.findings.listings]
            window = telling_window(self.findings.rules, self._known, asked)
            if window is None:
                return
            self.findings.narrow.append(await self.asking.listing(self._connector_id, window))

    async def _pages(self) -> None:
        """Ask for a window once more, in several pages; before it for an hour, where that or the order needs it."""
        if not self._known:
            return
        orders = possible_orders(listed.items for listed in self.findings.listings)
        if len(orders) > 1 or self._several() is None:
            self.findings.narrow.append(await self.asking.listing(self._connector_id, self._busy_hour()))
        if (several := self._several()) is not None:
            half = len(several.items) // 2
            listed = await self.asking.listing(self._connector_id, several.window, limit=half, most=4)
            self.findings.narrow.append(listed)

    def _several(self) -> ProbedListing | None:
        """Choose a window that has several events, so many that half as many make full pages of all of them."""
        ended = [listed for listed in self.findings.narrow if listed.complete and len(listed.items) > 1]
        return min(ended, key=lambda listed: (not _is_cut_evenly(len(listed.items)), len(listed.items)), default=None)

    def _busy_hour(self) -> TimeWindow:
        clock = self.findings.rules[0].clock if self.findings.rules else "t"
        times = sorted(time_by(clock, event) for event in self._known)
        # Each of so many would take long, and some of them find an hour as busy.
        tried = times[:: len(times) // 50 + 1]
        middle = int(max(tried, key=lambda time: sum(abs(each - time) <= _AROUND for each in times)))
        return TimeWindow(middle - _AROUND, middle + _AROUND)

    async def _default(self) -> None:
        """Ask for the long window again, where it had more than the least that a page may hold by itself."""
        wide = self.findings.wide
        if wide is not None and wide.items and wide.limit is not None:
            self.findings.unlimited = await self.asking.listing(self._connector_id, wide.window, enough=1)

    @property
    def _known(self) -> Sequence[EventMetadata]:
        return self.findings.known

    @property
    def _connector_id(self) -> str:
        assert self.findings.connector_id is not None  # noqa: S101 - events are known of it
        return self.findings.connector_id


def _is_cut_evenly(count: int) -> bool:
    return count % (count // 2) == 0
