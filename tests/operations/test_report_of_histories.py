"""The report finds what went wrong in made-up histories, and nothing else."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from support.told import Told, bare, events_of

from cfevents import Client, operations
from cfevents.operations import Finding, Report
from cfevents.testing import History, Incident, Simulator
from cfevents.testing.scenarios import INCIDENTS

UNTIL = 1_750_000_000
ALL = tuple(INCIDENTS)
# As the findings are called where they are not called as the incidents.
CALLED = {"crash_loop": "restart_loop", "outage": "collection_gap"}


def shows(finding: Finding, incident: Incident) -> bool:
    """Whether a finding is that incident: its kind, its place, and events that show it."""
    return (
        finding.kind == CALLED.get(incident.kind, incident.kind)
        and finding.connector_id == incident.connector_id
        and not {str(event_id) for event_id in finding.event_ids}.isdisjoint(incident.event_ids)
    )


def assert_finds_just(history: History, report: Report) -> None:
    """Each incident is found once, and each finding is an incident."""
    found = {incident: [each for each in report.findings if shows(each, incident)] for incident in history.incidents}
    assert {incident.kind: each for incident, each in found.items() if len(each) != 1} == {}
    told = [each for findings in found.values() for each in findings]
    assert [str(finding) for finding in report.findings if finding not in told] == []
    assert len(report.findings) == len(history.incidents)


def shuffled(events: list[Any], seed: int) -> list[Any]:
    return Random(seed).sample(events, len(events))


ORDERS: dict[str, Callable[[list[Told], int], list[Any]]] = {
    "ascending": lambda events, _seed: sorted(events, key=lambda each: each.event.metadata.id),
    "descending": lambda events, _seed: sorted(events, key=lambda each: each.event.metadata.id, reverse=True),
    "shuffled": shuffled,
}


@pytest.mark.parametrize("seed", range(50))
def test_a_fleets_report_finds_every_incident_and_nothing_else_whatever_the_order(seed: int) -> None:
    history = History(seed=seed, connectors=3, days=1, until=UNTIL, incidents=ALL)
    events = events_of(history)
    reports = [operations.report(order(events, seed)) for order in ORDERS.values()]
    assert_finds_just(history, reports[0])
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.parametrize("seed", range(10))
def test_no_payload_is_needed_for_that(seed: int) -> None:
    history = History(seed=seed, connectors=3, days=1, until=UNTIL, incidents=ALL)
    report = operations.report(shuffled(bare(events_of(history)), seed))
    assert_finds_just(history, report)
    assert not any({"url", "version", "tunnel_id"} & set(finding.details) for finding in report.findings)


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_what_happens_again_and_again_on_one_appliance(seed: int) -> None:
    history = History(seed=seed, connectors=1, days=2, until=UNTIL, incidents=ALL * 2)
    assert_finds_just(history, operations.report(events_of(history)))


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_what_goes_wrong_in_a_history_that_says_nothing_else(seed: int) -> None:
    history = History(seed=seed, until=UNTIL)
    assert len(history.incidents) == 5
    assert_finds_just(history, operations.report(events_of(history)))


@pytest.mark.parametrize("seed", range(6))
def test_a_clean_history_has_no_findings_wherever_it_is_cut(seed: int) -> None:
    history = History(seed=seed, connectors=2, days=2, until=UNTIL, incidents=())
    events, random = events_of(history), Random(seed)
    for _ in range(10):
        begin = random.randint(history.since, history.until)
        end = random.randint(begin, random.choice([history.until, min(begin + 9000, history.until)]))
        some = [each for each in events if begin <= each.event.metadata.recorded_ts <= end]
        assert operations.report(some, until=end).findings == ()
        assert operations.report(bare(some)).findings == ()


@pytest.mark.parametrize("name", ALL)
def test_the_evidence_is_all_of_the_incidents_own(name: str) -> None:
    history = History(seed=3, days=2, until=UNTIL, incidents=[name])
    events = events_of(history)
    (incident,), (finding,) = history.incidents, operations.report(events).findings
    ids = {str(each) for each in finding.event_ids}
    assert ids <= {str(each.event.metadata.id) for each in events if each.connector_id == incident.connector_id}
    by_id = {str(each.event.metadata.id): each.event.metadata.kind for each in events}
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
