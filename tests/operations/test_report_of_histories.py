"""The report finds what went wrong in generated histories, and nothing else."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from support.appliance_events import DetailedEvent, history_events, without_payloads

from cfevents import Client, Interrupt, operations, structure
from cfevents.operations import Finding, Report
from cfevents.testing import History, Incident, Simulator
from cfevents.testing.scenarios import INCIDENTS

UNTIL = 1_750_000_000
ALL = tuple(INCIDENTS)
# As the findings are called where they are not called as the incidents.
CALLED = {"crash": "unclean_restart", "crash_loop": "restart_loop", "outage": "collection_gap"}
UNASKED = dict.fromkeys(["ordered_restart", "ordered_reboot", "ordered_shutdown"], "unclean_restart")


def shows(finding: Finding, incident: Incident, called: dict[str, str]) -> bool:
    """Whether a finding is that incident: its kind, its place, and events that show it."""
    return (
        finding.kind == called.get(incident.kind, incident.kind)
        and finding.connector_id == incident.connector_id
        and not {str(event_id) for event_id in finding.event_ids}.isdisjoint(incident.event_ids)
    )


def assert_finds_just(history: History, report: Report, *, asked: bool = False) -> None:
    """Each incident is found once, and each finding is an incident. Orders are known where they were asked for."""
    called = CALLED if asked else CALLED | UNASKED
    shown = {
        incident: [finding for finding in report.findings if shows(finding, incident, called)]
        for incident in history.incidents
    }
    assert {incident.kind: findings for incident, findings in shown.items() if len(findings) != 1} == {}
    expected = [finding for findings in shown.values() for finding in findings]
    assert [str(finding) for finding in report.findings if finding not in expected] == []
    assert len(report.findings) == len(history.incidents)


def shuffled(events: list[Any], seed: int) -> list[Any]:
    return Random(seed).sample(events, len(events))


ORDERS: dict[str, Callable[[list[DetailedEvent], int], list[Any]]] = {
    "ascending": lambda events, _seed: sorted(events, key=lambda item: item.event.metadata.id),
    "descending": lambda events, _seed: sorted(events, key=lambda item: item.event.metadata.id, reverse=True),
    "shuffled": shuffled,
}


@pytest.mark.parametrize("seed", range(50))
def test_report_finds_exactly_the_incidents(seed: int) -> None:
    """A fleet's report finds every incident and nothing else, in any order."""
    history = History(seed=seed, connectors=3, days=1, until=UNTIL, incidents=ALL)
    events = history_events(history)
    reports = [operations.report(order(events, seed)) for order in ORDERS.values()]
    assert_finds_just(history, reports[0])
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.parametrize("seed", range(10))
def test_orders_are_told_from_crashes(seed: int) -> None:
    """With the list of interrupts, a report tells what was ordered from what was not, on whatever connectors."""
    history = History(seed=seed, connectors=2, days=1, until=UNTIL, incidents=ALL)
    interrupts = {name: [structure(raw, Interrupt) for raw in history.interrupts(name)] for name in history.events}
    report = operations.report(shuffled(history_events(history), seed), interrupts=interrupts)
    assert_finds_just(history, report, asked=True)
    assert sum(finding.kind.startswith("ordered_") for finding in report.at_least("info")) == 3
    assert not any(finding.kind.startswith("ordered_") for finding in report.at_least("warning"))


@pytest.mark.parametrize("seed", range(10))
def test_no_payload_is_needed_to_find_incidents(seed: int) -> None:
    """Incidents are found without payloads."""
    history = History(seed=seed, connectors=3, days=1, until=UNTIL, incidents=ALL)
    report = operations.report(shuffled(without_payloads(history_events(history)), seed))
    assert_finds_just(history, report)
    assert not any({"url", "version", "tunnel_id"} & set(finding.details) for finding in report.findings)


@pytest.mark.parametrize("seed", range(6))
def test_repeated_incidents_on_one_appliance(seed: int) -> None:
    """A report finds incidents that happen again on one appliance."""
    history = History(seed=seed, connectors=1, days=2, until=UNTIL, incidents=ALL * 2)
    assert_finds_just(history, operations.report(history_events(history)))


@pytest.mark.parametrize("seed", range(4))
def test_report_of_a_default_history(seed: int) -> None:
    """A report finds the incidents of a history with default settings."""
    history = History(seed=seed, until=UNTIL)
    assert len(history.incidents) == 5
    assert_finds_just(history, operations.report(history_events(history)))


@pytest.mark.parametrize("seed", range(6))
def test_a_clean_history_has_no_findings_wherever_it_is_cut(seed: int) -> None:
    history = History(seed=seed, connectors=2, days=2, until=UNTIL, incidents=())
    events, random = history_events(history), Random(seed)
    for _ in range(10):
        begin = random.randint(history.since, history.until)
        end = random.randint(begin, random.choice([history.until, min(begin + 9000, history.until)]))
        some = [item for item in events if begin <= item.event.metadata.recorded_ts <= end]
        assert operations.report(some, until=end).findings == ()
        assert operations.report(without_payloads(some)).findings == ()


@pytest.mark.parametrize("name", ALL)
def test_evidence_belongs_to_the_incident(name: str) -> None:
    """The events of a finding are those of its incident."""
    history = History(seed=3, days=2, until=UNTIL, incidents=[name])
    events = history_events(history)
    (incident,), (finding,) = history.incidents, operations.report(events).findings
    ids = {str(event_id) for event_id in finding.event_ids}
    assert ids <= {str(item.event.metadata.id) for item in events if item.connector_id == incident.connector_id}
    by_id = {str(item.event.metadata.id): item.event.metadata.kind for item in events}
    # A slot is judged from the upgrade's success on.
    assert {by_id[event_id] for event_id in set(incident.event_ids) - ids} <= {"StartUpgrade"}
    # A crash is shown by the last event before it too; an ordinary transition soon after others is one of them.
    assert {by_id[event_id] for event_id in ids - set(incident.event_ids)} <= {"Reconcile", "HaTransition"}
    for detail in {"url", "tunnel_id"} & set(incident.details) & set(finding.details):
        assert finding.details[detail] == incident.details[detail]


async def test_the_events_may_come_from_a_client() -> None:
    history = History(seed=7, connectors=2, days=1, until=UNTIL, incidents=("failed_upgrade", "crash", "outage"))
    async with Simulator(history=history) as simulator, Client(**simulator.client_options) as client:
        stream = client.fleet([*history.events]).list_events(since=history.since, until=history.until)
        listed = await operations.report(stream, until=history.until)
        detailed = await operations.report(stream.details(kinds=["StartUpgrade"]), until=history.until)
    assert_finds_just(history, listed)
    assert_finds_just(history, detailed)
    (upgrade,) = [finding for finding in detailed.findings if finding.kind == "failed_upgrade"]
    assert "url" in upgrade.details
