"""An examination of an account: what works, and what the API does where its documentation leaves it open.

It sends at most twelve requests, in one order, and none twice.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cfevents import _time, errors
from cfevents._listing.pages import CursorGuard
from cfevents._model.api import Device
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response
from cfevents._secrets import MASK
from cfevents._time import TimeWindow
from cfevents._validation import validate_path_segment
from cfevents.doctor.access_checks import ACCESS_CHECKS, FIRST_CHECKS, diagnose, misconfigured
from cfevents.doctor.behaviour_checks import BEHAVIOUR_CHECKS
from cfevents.doctor.findings import Check, CursorForm, DoctorReport, Findings, ProbedListing, SeenPage, TimedResponse
from cfevents.doctor.inference import RULES, most_telling_window, possible_orders, window_rules

if TYPE_CHECKING:
    from cfevents._client import Client
    from cfevents._model.api import Connector, Listing

__all__ = ["Check", "DoctorReport", "examine", "misconfigured"]

ResultT = TypeVar("ResultT")

MAX_REQUESTS = 12
"""The most requests of an examination, failed ones included."""

_PROBE_TIMEOUT_S = 60.0  # for one call: usually the client's own timeout for an attempt is shorter
_WIDE_WINDOW_S = 30 * 86_400
_PAGE_LIMIT_EVENTS = 1000  # more than a page may hold, presumably, and a small burden: 70 kB
_ENOUGH_EVENTS = 8  # these are not in order by chance
_MAX_CONNECTORS = 3  # tried until one has as many
_MAX_WINDOWS = 4  # listed to find the rule by which a window takes events
_AROUND_S = 1800  # on either side of an event: enough for an appliance to do several sorts of things
# After one of these, every further request would fail as well.
_FATAL_ERRORS = (errors.APIConnectionError, errors.AuthenticationError, errors.RateLimitError)


async def examine(
    client: "Client",
    connector_id: str | None = None,
    *,
    settings: str | None = None,
    identify: "Callable[[str, Sequence[Connector]], str]" = lambda name, _: name,
) -> DoctorReport:
    """Return what works and what the API does, found by at most twelve requests; none repeated, no block waited out.

    Without a connector's id, the one with the last heartbeat is examined; a name becomes an id by `identify`. The
    report names the variables of the environment if `settings` does not say where else the client's are from. Wrong
    settings and a wrong id raise as in `Client`.
    """
    if connector_id is not None:
        validate_path_segment("connector_id", connector_id)
    probe = Probe(client)
    findings = Findings(
        host=probe.api.base_url.host,
        proxied=probe.is_proxied,
        settings=settings,
        identify=identify,
        responses=probe.responses,
        connector_id=connector_id or "",
    )
    await _run_steps(probe, findings)
    findings.usage = client.usage
    checks = [check for spec in (*ACCESS_CHECKS, *BEHAVIOUR_CHECKS) if (check := spec.check(findings)) is not None]
    rays = [timed.response.ray_id for timed in findings.responses if timed.response.ray_id]
    return DoctorReport(tuple(checks), probe.requests, tuple(rays), _hidden_ids(probe.api.account_id, findings))


def _hidden_ids(account_id: str, findings: Findings) -> dict[str, str]:
    """Return what stands in a report for each id and key of the account that is known."""
    hidden = {account_id: "<account>"}
    for number, connector in enumerate(findings.connectors or (), start=1):
        device = connector.device or Device()
        hidden |= dict.fromkeys((device.id or "", device.serial_number or ""), f"<device {number}>")
        hidden |= {connector.id: f"<connector {number}>", connector.license_key or "": MASK}
    hidden[findings.connector_id] = "<connector>"
    return {known: placeholder for known, placeholder in hidden.items() if known}


async def _run_steps(probe: "Probe", findings: Findings) -> None:
    """Run the steps, those first on which others rest; a step that lacks an earlier one's result does nothing."""
    for name, step in _STEPS:
        try:
            await step(probe, findings)
        except OutOfRequestsError as stop:
            findings.stopped = str(stop)
        except errors.ConfigurationError:
            raise
        except errors.CfEventsError as error:
            body = findings.responses[-1].response.body if findings.responses else None
            failure = diagnose(error, body, proxied=findings.proxied)
            is_first = name == "connectors"
            failed = FIRST_CHECKS.get(failure.values["trouble"], "connection") if is_first else name
            findings.failures[failed] = failure
            if is_first or isinstance(error, _FATAL_ERRORS):
                findings.stopped = "an earlier request failed"
        if findings.stopped is not None:
            return


class OutOfRequestsError(Exception):
    """No further request may be sent; the message has the reason."""


class Probe:
    """Sends single requests through an open client, within its budget, and keeps the responses."""

    def __init__(self, client: "Client") -> None:
        connection = client._get_connection()
        self._client, self._transport = client, connection.transport
        self._connection = connection.with_sender(self.send)
        self.api, self.is_proxied = connection.endpoints, connection.transport.is_proxied
        self.requests = 0
        self.responses: list[TimedResponse] = []

    async def send(self, request: Request[Any]) -> Response:
        """Send a request once; raises `OutOfRequestsError` where that would be one too many."""
        if self.requests >= MAX_REQUESTS:
            raise OutOfRequestsError(f"the {MAX_REQUESTS} requests of an examination were sent")
        self.requests += 1
        loop = asyncio.get_running_loop()
        sent_at, began = _time.now(), loop.time()
        response = await self._transport.send(request)
        self.responses.append(TimedResponse(sent_at, _time.now(), loop.time() - began, response))
        return response

    def present(self) -> float:
        """Return the present: by the API's clock, where this machine's was never set."""
        ours = _time.now()
        of_api = self._connection.clock.at(asyncio.get_running_loop().time())
        return ours if of_api is None or _time.is_clock_set(ours) else of_api

    async def request(self, request: Request[ResultT]) -> ResultT:
        """Return a request's result; raises `CfEventsError` and `OutOfRequestsError`, as `list_pages` does."""
        if self._client.usage.left < 1:
            raise OutOfRequestsError("the request budget has no room for more at this moment")
        return (await self._connection.request(request, _PROBE_TIMEOUT_S)).result

    async def list_pages(
        self,
        connector_id: str,
        window: TimeWindow,
        *,
        limit: int | None = None,
        enough: float = float("inf"),
        max_pages: int = 3,
    ) -> ProbedListing:
        """Return the pages of a window, each of at most `limit` events.

        After `enough` events or `max_pages` pages with events no more are requested, nor where no request is left.
        """
        first = request = self.api.list_events(connector_id, window, limit=limit)
        pages, cursors = [await self._seen_page(first)], CursorGuard()
        try:
            while (cursor := pages[-1].cursor) is not None:
                request = first.at(cursors.check(request, cursor, None))
                filled = [len(page.items) for page in pages if page.items]
                if sum(filled) >= enough or len(filled) >= max_pages:
                    break
                pages.append(await self._seen_page(request))
        except errors.PaginationError:
            return ProbedListing(window, limit, tuple(pages), circular=True)
        except OutOfRequestsError:
            pass  # The pages until then are findings, too.
        return ProbedListing(window, limit, tuple(pages))

    async def _seen_page(self, request: "Request[Listing]") -> SeenPage:
        listing = await self.request(request)
        timed = self.responses[-1]
        return SeenPage(listing.items, listing.cursor or None, _cursor_form(timed.response.body), timed.seconds)


def _cursor_form(body: bytes) -> CursorForm:
    result = json.loads(body)["result"]
    if "cursor" not in result:
        return "absent"
    if result["cursor"] is None:
        return "null"
    return "text" if result["cursor"] else "empty"


async def _find_connectors(probe: Probe, findings: Findings) -> None:
    findings.connectors = await probe.request(probe.api.list_connectors())
    if findings.connector_id:
        findings.connector_id = findings.identify(findings.connector_id, findings.connectors)


async def _list_wide(probe: Probe, findings: Findings) -> None:
    """List the last 30 days of the connector, or of the first of several that has enough events."""
    now = int(probe.present())
    window = TimeWindow(max(0, now - _WIDE_WINDOW_S), now + 1)
    if findings.connector_id:
        candidates = [findings.connector_id]
    else:
        connectors = findings.connectors or ()
        newest = sorted(connectors, key=lambda connector: connector.last_heartbeat or "", reverse=True)
        candidates = [connector.id for connector in newest[:_MAX_CONNECTORS]]
    findings.connector_id = next(iter(candidates), "")
    for connector_id in candidates:
        try:
            listing = await probe.list_pages(connector_id, window, limit=_PAGE_LIMIT_EVENTS, enough=_ENOUGH_EVENTS)
        except errors.BadRequestError:
            # The documentation does not say how large a limit may be.
            listing = await probe.list_pages(connector_id, window, enough=_ENOUGH_EVENTS)
            findings.refused_limit = _PAGE_LIMIT_EVENTS
        if findings.wide is None or len(listing.items) > len(findings.wide.items):
            findings.wide, findings.connector_id = listing, connector_id
        if len(listing.items) >= _ENOUGH_EVENTS:
            return


async def _get_event(probe: Probe, findings: Findings) -> None:
    whole = [event for event in findings.known if isinstance(event.recorded_ts, int)]
    if whole:
        findings.wanted = whole[-1]
        findings.got = await probe.request(probe.api.get_event(findings.connector_id, whole[-1].id))


async def _get_latest(probe: Probe, findings: Findings) -> None:
    if findings.connector_id:
        findings.latest = (await probe.request(probe.api.latest_events(findings.connector_id))).items


async def _list_windows(probe: Probe, findings: Findings) -> None:
    """List windows for which the rules that are still possible predict different events."""
    for _ in range(_MAX_WINDOWS):
        listed = [listing.window for listing in findings.listings]
        window = most_telling_window(window_rules(findings), findings.known, listed)
        if window is None:
            return
        findings.narrow.append(await probe.list_pages(findings.connector_id, window))


async def _list_in_pages(probe: Probe, findings: Findings) -> None:
    """List a window once more, in several pages; before it a busy hour, where that or the order needs more events."""
    if not findings.known:
        return
    orders = possible_orders(listing.items for listing in findings.listings)
    if len(orders) > 1 or _smallest_of_several(findings) is None:
        findings.narrow.append(await probe.list_pages(findings.connector_id, _busy_hour(findings)))
    if (listing := _smallest_of_several(findings)) is not None:
        half = len(listing.items) // 2
        findings.narrow.append(await probe.list_pages(findings.connector_id, listing.window, limit=half, max_pages=4))


def _smallest_of_several(findings: Findings) -> ProbedListing | None:
    """Return the smallest listing of several events, first of all one whose events fill pages of half as many."""

    def rank(listing: ProbedListing) -> tuple[bool, int]:
        count = len(listing.items)
        return count % (count // 2) != 0, count

    return min(
        (listing for listing in findings.narrow if listing.complete and len(listing.items) > 1), key=rank, default=None
    )


def _busy_hour(findings: Findings) -> TimeWindow:
    rule = next(iter(window_rules(findings)), RULES[0])
    times = sorted(rule.time(event) for event in findings.known)
    # Some 50 of them are enough to find a busy hour, and trying each would take long.
    tried = times[:: len(times) // 50 + 1]
    middle = int(max(tried, key=lambda centre: sum(abs(time - centre) <= _AROUND_S for time in times)))
    return TimeWindow(middle - _AROUND_S, middle + _AROUND_S)


async def _list_unlimited(probe: Probe, findings: Findings) -> None:
    """List the long window again without a limit, where it has events."""
    wide = findings.wide
    if wide is not None and wide.items and wide.limit is not None:
        findings.unlimited = await probe.list_pages(findings.connector_id, wide.window, enough=1)


_STEPS: tuple[tuple[str, Callable[[Probe, Findings], Awaitable[None]]], ...] = (
    ("connectors", _find_connectors),
    ("listing", _list_wide),
    ("event", _get_event),
    ("latest", _get_latest),
    ("windows", _list_windows),
    ("pages", _list_in_pages),
    ("default", _list_unlimited),
)
