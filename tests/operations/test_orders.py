"""What somebody ordered: restarts and silences that are no failures, and those that no order explains."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, LAG, MINUTE, DetailedEvent, event, events_at, offsets, reconciles

from cfevents import Connector, Interrupt, InterruptOptions, operations
from cfevents.operations import Finding

Operation = Literal["restart", "reboot", "shutdown"]


def at(seconds: float) -> str:
    return datetime.fromtimestamp(BEGIN + seconds, UTC).isoformat().replace("+00:00", "Z")


def order(operation: Operation, triggered: float | None, purge: bool | None = False) -> Interrupt:
    """An order that was submitted ten seconds before it was executed, or is pending."""
    options: Any = {operation: InterruptOptions(purge)}
    return Interrupt(at((triggered or 0) - 10), None if triggered is None else at(triggered), **options)


def hibernation(triggered: float) -> Interrupt:
    """An order of an operation that is not documented."""
    return Interrupt(at(triggered - 10), at(triggered), extra={"hibernate": {}})


def report(events: list[DetailedEvent], *orders: Interrupt, until: int | None = None) -> tuple[Finding, ...]:
    end = None if until is None else BEGIN + until
    return operations.report(events, until=end, interrupts={"site": orders}).findings


def kinds(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in findings]


RESTART = events_at("0 Init", "600 Reconcile", "700 Init", "800 Reconcile")


@pytest.mark.parametrize("operation", ["restart", "reboot", "shutdown"])
def test_ordered_restart_says_who_and_when(operation: Operation) -> None:
    """A restart that was ordered is no failure, and its finding says when it was ordered and executed."""
    (finding,) = report(RESTART, order(operation, 640, purge=True))
    assert (finding.kind, finding.severity) == (f"ordered_{operation}", "info")
    assert offsets(finding.event_ids) == [600, 700]
    assert finding.message == (
        f"{operation} ordered 2025-06-15 15:17:10 UTC, executed 2025-06-15 15:17:20 UTC, down for at most 1min 40s"
    )
    assert finding.details == {
        "operation": operation,
        "submitted_at": "2025-06-15T15:17:10Z",
        "triggered_at": "2025-06-15T15:17:20Z",
        "purge": True,
        "downtime": timedelta(seconds=100),
    }


def test_a_restart_that_nobody_ordered_stays_unclean() -> None:
    """Without an order that was executed then, the causes left are a crash and a power cut."""
    for orders in [(), (order("reboot", 5000),), (order("reboot", -MINUTE * 20),), (hibernation(-MINUTE * 20),)]:
        (finding,) = report(RESTART, *orders)
        assert (finding.kind, finding.severity) == ("unclean_restart", "warning")
        assert finding.message.endswith("down for at most 1min 40s: a crash or a power cut, not ordered")
    (unasked,) = operations.report(RESTART, interrupts={"another": [order("reboot", 640)]}).findings
    assert unasked.message.endswith("a crash, a power cut or an ordered restart")


@pytest.mark.parametrize(
    ("triggered", "is_explained"),
    [(-301, False), (-300, True), (600, True), (699, True), (701, True), (1600, True), (1601, False)],
)
def test_clocks_of_order_and_start_may_differ(triggered: int, is_explained: bool) -> None:
    """An order explains a start up to a quarter of an hour off, either way."""
    (finding,) = report(RESTART, order("restart", triggered))
    assert (finding.kind == "ordered_restart") is is_explained


def test_each_order_explains_one_start_and_the_nearest() -> None:
    sample = events_at("0 Init", "300 Reconcile", "360 Init", "420 Reconcile", "480 Init", "490 Reconcile")
    findings = report(sample, order("reboot", 340))
    assert [(finding.kind, offsets(finding.event_ids)) for finding in findings] == [
        ("unclean_restart", [420, 480]),
        ("ordered_reboot", [300, 360]),
    ]
    # As the API writes it down, an order may seem to be executed after the start.
    (first, second) = report(sample, order("reboot", 365), order("reboot", 470))
    assert [first.kind, second.kind] == ["ordered_reboot"] * 2


def test_starts_that_were_ordered_are_no_loop() -> None:
    sample = events_at("0 Init", "100 Reconcile", "200 Init", "300 Reconcile", "400 Init", "500 Reconcile", "600 Init")
    assert "restart_loop" in {finding.kind for finding in report(sample)}
    orders = [order("restart", when) for when in (190, 390, 590)]
    assert kinds(report(sample, *orders)) == [("ordered_restart", "info")] * 3


def test_a_clean_stop_may_have_been_ordered_too() -> None:
    sample = events_at("0 Init", "600 Leave", "700 Init")
    (finding,) = report(sample, order("reboot", 605))
    assert finding.kind == "ordered_reboot"
    assert finding.message.endswith("down for 1min 40s")


def test_a_reboot_that_took_hours_is_a_warning() -> None:
    """An order explains that a connector went down, and not that it stayed down; the silence is a finding."""
    sample = [*reconciles(0, DAY), event(DAY + 5 * HOUR, "Init"), *reconciles(DAY + 5 * HOUR, 2 * DAY)]
    findings = report(sample, order("reboot", DAY))
    assert kinds(findings) == [("device_gap", "error"), ("ordered_reboot", "warning")]
    assert findings[1].message.endswith("started 5h after the order")
    # One that was ordered since the connector was silent explains the start alone.
    findings = report(sample, order("reboot", DAY + 5 * HOUR - 60))
    assert kinds(findings) == [("device_gap", "error"), ("ordered_reboot", "info")]


@pytest.mark.parametrize("last", ["Leave", "Reconcile"])
def test_ordered_shutdown_explains_the_silence_until_the_next_start(last: str) -> None:
    sample = [*reconciles(0, DAY), event(DAY, last)]
    back = [*sample, event(DAY + 5 * HOUR, "Init"), *reconciles(DAY + 5 * HOUR, 2 * DAY)]
    assert kinds(report(back, order("shutdown", DAY + 20))) == [("ordered_shutdown", "info")]
    assert kinds(report(back, order("shutdown", DAY + 4 * HOUR)))[0][1] == "error"
    # Still off.
    (finding,) = report(sample, order("shutdown", DAY + 20), until=DAY + 5 * HOUR)
    assert (finding.kind, finding.severity) == ("ordered_shutdown", "info")
    assert finding.message.endswith("executed 2025-06-16 15:07:00 UTC, and nothing since")
    assert offsets(finding.event_ids) == [DAY]


@pytest.mark.parametrize("orders", [
    [order("shutdown", DAY + 4 * HOUR)],  # it was silent for hours before
    [order("shutdown", DAY + 6 * HOUR)],  # after what is judged
    [order("shutdown", DAY - 2 * HOUR)],  # events came since
    [order("reboot", DAY + 20)],  # it should have come back
    [order("shutdown", DAY + 20), order("reboot", DAY + HOUR)],
])  # fmt: skip
def test_other_orders_explain_no_silence(orders: list[Interrupt]) -> None:
    sample = [*reconciles(0, DAY), event(DAY, "Reconcile")]
    assert ("silence", "error") in kinds(report(sample, *orders, until=DAY + 5 * HOUR))


@pytest.mark.parametrize("text", [None, "", "soon", "2025-06-15T15:17:20", "0001-01-01T00:00:00+14:00", "9" * 5000])
def test_an_order_without_a_time_explains_nothing(text: str | None) -> None:
    (finding,) = report(RESTART, Interrupt("", text, reboot=InterruptOptions()))
    assert finding.kind == "unclean_restart"


@pytest.mark.parametrize(
    ("unclear", "cause"),
    [
        (hibernation(640), "an order that this version does not know"),
        (hibernation(1600), "an order that this version does not know"),
        (order("reboot", None), "a pending reboot ordered 2025-06-15 15:06:30 UTC"),
        (Interrupt(at(640), "soon", extra={"hibernate": {}}), "a pending order ordered 2025-06-15 15:17:20 UTC"),
    ],
)
def test_an_unclear_order_rules_nothing_out(unclear: Interrupt, cause: str) -> None:
    """An order that may have been the cause is named, and the restart is not said to be unordered."""
    (finding,) = report(RESTART, unclear)
    assert (finding.kind, finding.severity) == ("unclean_restart", "warning")
    assert finding.message.endswith(f": a crash, a power cut or {cause}")


def test_an_order_that_was_given_after_the_restart_is_no_cause() -> None:
    (finding,) = report(RESTART, Interrupt(at(1601), None, reboot=InterruptOptions()))
    assert finding.message.endswith("not ordered")


def test_nanoseconds_of_the_api_are_a_time() -> None:
    (finding,) = report(RESTART, Interrupt("?", "2025-06-15T15:17:20.123456789Z", reboot=InterruptOptions()))
    assert finding.message.startswith("reboot ordered, executed 2025-06-15 15:17:20 UTC, down")


def test_interrupts_of_events_without_a_connector() -> None:
    nameless = [item.event for item in RESTART]
    (finding,) = operations.report(nameless, interrupts={None: [order("restart", 690)]}).findings
    assert finding.kind == "ordered_restart"


@pytest.mark.parametrize("ahead", [-70 * HOUR, -6 * HOUR, 0, 70 * HOUR, 2**31])
def test_a_wrong_clock_hides_no_order(ahead: int) -> None:
    """The API's clock and the connector's may differ by days: what it says is moved by how early its events came."""
    sample = [event(at + ahead, "Reconcile", lag=LAG - ahead) for at in range(0, 6000, 300)]
    sample += [event(6100 + ahead, "Init", lag=LAG - ahead), event(6200 + ahead, "Reconcile", lag=LAG - ahead)]
    assert [finding.kind for finding in report(sample, order("reboot", 6020))] == ["ordered_reboot"]
    assert [finding.kind for finding in report(sample, order("reboot", 3000))] == ["unclean_restart"]


def test_an_outage_is_no_wrong_clock() -> None:
    """Most events may come hours late, if the connector was offline; an order is then executed as it comes back."""
    sample = [event(at, "Reconcile", lag=6 * HOUR - at) for at in range(0, 6 * HOUR, 300)]
    sample += [event(6 * HOUR + at, "Reconcile") for at in range(0, HOUR, 300)]
    sample += [event(7 * HOUR, "Init"), event(7 * HOUR + 60, "Reconcile")]
    kinds = [finding.kind for finding in report(sample, order("reboot", 7 * HOUR - 60))]
    assert "ordered_reboot" in kinds
    sample += [event(7 * HOUR + 2000, "Init")]
    assert "unclean_restart" in [finding.kind for finding in report(sample, order("reboot", 7 * HOUR - 60))]


def test_heartbeats_after_a_shutdown_show_that_it_is_over() -> None:
    """A connector that sends heartbeats has been turned on again, so the shutdown does not explain its silence."""
    connector = Connector("site", last_heartbeat=at(DAY))
    interrupts = {"site": [order("shutdown", -DAY)]}
    window: Any = {"since": BEGIN, "until": BEGIN + DAY, "interrupts": interrupts}
    (finding,) = operations.report([], connectors=[connector], **window).findings
    assert (finding.kind, finding.severity) == ("silence", "warning")
    stopped = Connector("site", last_heartbeat=at(-DAY + 5))
    (finding,) = operations.report([], connectors=[stopped], **window).findings
    assert (finding.kind, finding.severity) == ("ordered_shutdown", "info")
    (finding,) = operations.report([], connectors=["site"], **window).findings
    assert finding.kind == "ordered_shutdown"


def test_a_restart_before_the_window_is_not_of_it() -> None:
    """An order whose start lies before the events explains none of those after it."""
    (finding,) = report(
        [item for item in RESTART if item.event.metadata.id.recorded_ts > BEGIN + 500], order("reboot", -DAY)
    )
    assert finding.kind == "unclean_restart"


def test_wrong_interrupts_are_refused() -> None:
    for wrong, message in (
        ([order("reboot", 1)], "interrupts=.*: write a mapping"),
        ({"site": [{}]}, "is no interrupt"),
    ):
        interrupts: Any = wrong
        with pytest.raises(TypeError, match=message):
            operations.report(RESTART, interrupts=interrupts)


def test_orders_of_a_fast_loop_are_matched_quickly() -> None:
    """Each order looks at the starts around it alone: thousands of both take steps in proportion to their number."""
    steps = 0

    def counted(frame: Any, what: str, _: object) -> None:
        nonlocal steps
        steps += what == "call" and frame.f_code.co_filename.endswith("orders.py")

    sample = [event(at, "Init") for at in range(0, 60_000, 60)]
    orders = [order("restart", at) for at in range(0, 60_000, 60)]
    sys.setprofile(counted)
    try:
        report(sample, *orders)
    finally:
        sys.setprofile(None)
    assert steps < 30 * len(orders)
