"""Generated histories: always the same, plausible, and true about what went wrong."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples

from cfevents.testing import History, Incident
from cfevents.testing.scenarios import INCIDENTS

UNTIL = 1_750_000_000
_NAMES = """
    Init Leave StartAttestation FinishAttestationSuccess FinishAttestationFailure StartRotateCryptKey
    FinishRotateCryptKeySuccess FinishRotateCryptKeyFailure StartRotatePki FinishRotatePkiSuccess
    FinishRotatePkiFailure StartUpgrade FinishUpgradeSuccess FinishUpgradeFailure Reconcile
    ConfigureCloudflaredTunnel RekeyInstallBoth RekeyStart RekeyAdvance RekeyComplete RekeyReset RekeyRestart
    BlessSlotSuccess BlessSlotPending BlessSlotFailure HaTransition HaError HaInit HaLeave
"""
KINDS = set(_NAMES.split())
ALARMS = {kind for kind in KINDS if kind.endswith(("Failure", "Error", "Reset"))}

Event = dict[str, Any]


def kinds(events: list[Event]) -> list[str]:
    """Name the kinds of some events."""
    return [event["e"]["k"] for event in events]


def all_events(history: History) -> list[Event]:
    """Put the events of all connectors together."""
    return [event for events in history.events.values() for event in events]


def planted(name: str, seed: int = 0, **arguments: Any) -> tuple[Incident, list[Event], list[Event]]:
    """Make a history with one incident: it, its connector's events, and those that show it."""
    history = History(seed=seed, until=UNTIL, incidents=[name], **arguments)
    (incident,) = history.incidents
    events = history.events[incident.connector_id]
    by_id = {f"{event['t']}.{event['n']}": event for event in events}
    return incident, events, [by_id[event_id] for event_id in incident.event_ids]


def fingerprint(history: History) -> str:
    """Make a digest of everything in a history."""
    content = json.dumps([history.events, [repr(incident) for incident in history.incidents]])
    return hashlib.sha256(content.encode()).hexdigest()


def test_the_same_arguments_give_the_same_history() -> None:
    first, second = (History(seed=3, until=UNTIL, incidents=set(INCIDENTS)) for _ in range(2))
    assert first.events == second.events
    assert first.incidents == second.incidents
    assert fingerprint(History(seed=4, until=UNTIL)) != fingerprint(History(seed=3, until=UNTIL))


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_history(hash_seed: str) -> None:
    script = (
        "import json; from cfevents.testing import History;"
        "names = {'crash', 'outage', 'crash_loop'};"
        f"h = History(until={UNTIL}, connectors={{'a', 'b', 'c'}}, incidents=names);"
        "print(json.dumps(h.events)); print(h.incidents)"
    )
    command, environment = [sys.executable, "-c", script], os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    history = History(until=UNTIL, connectors=["a", "b", "c"], incidents=["crash", "crash_loop", "outage"])
    assert done.stdout.decode() == f"{json.dumps(history.events)}\n{history.incidents}\n"


def test_global_random_generator_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The global random generator does not change a history."""
    expected = fingerprint(History(until=UNTIL))
    monkeypatch.setattr("random.random", lambda: 0.5)
    monkeypatch.setattr("random.seed", lambda _: None)
    assert fingerprint(History(until=UNTIL)) == expected


def test_history_ends_now_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A history ends now by default."""
    monkeypatch.setattr("time.time", lambda: UNTIL)
    history = History(days=2)
    assert (history.since, history.until) == (UNTIL - 2 * 86400, UNTIL)
    assert fingerprint(history) == fingerprint(History(days=2, until=UNTIL))
    monkeypatch.undo()
    assert abs(History(days=1).until - time.time()) < 60


@pytest.mark.parametrize("incidents", [(), tuple(INCIDENTS)])
def test_there_are_about_300_events_a_day(incidents: tuple[str, ...]) -> None:
    history = History(connectors=20, days=10, until=UNTIL, incidents=incidents)
    assert 250 < len(all_events(history)) / 200 < 350


@given(seed=st.integers(), days=st.integers(1, 4), connectors=st.integers(1, 4))
@settings(max_examples=examples(30))
def test_events_are_ascending_unique_and_collected_in_time(seed: int, days: int, connectors: int) -> None:
    history = History(seed=seed, days=days, connectors=connectors, until=UNTIL, incidents=INCIDENTS)
    for events in history.events.values():
        ids = [(event["t"], event["n"]) for event in events]
        assert ids == sorted(set(ids))
        assert all(n == 0 or (t, n - 1) in set(ids) for t, n in ids if n)
        assert all(history.since <= event["t"] <= event["a"] <= UNTIL for event in events)


def test_some_events_share_a_second() -> None:
    numbers = Counter(event["n"] for event in all_events(History(until=UNTIL)))
    assert numbers[1] > 10


def test_all_documented_kinds_happen_and_no_others() -> None:
    history = History(days=40, connectors=2, until=UNTIL, incidents=INCIDENTS)
    assert set(kinds(all_events(history))) == KINDS


def test_payloads_are_the_documented_ones() -> None:
    for event in all_events(History(days=20, until=UNTIL, incidents=INCIDENTS)):
        kind = event["e"]["k"]
        expected = {"k", "tunnel_id"} if kind.startswith("Rekey") else {"k"}
        assert set(event["e"]) == expected | ({"url"} if kind == "StartUpgrade" else set())


def unfinished(events: list[Event]) -> list[str]:
    """Name what begins and does not end, in a plain reading of the events."""
    answers = {"FinishAttestationSuccess", "FinishRotateCryptKeySuccess", "FinishRotatePkiSuccess"}
    open_now: dict[str, str] = {}
    lost: list[str] = []
    for event in events:
        kind, tunnel = event["e"]["k"], event["e"].get("tunnel_id", "")
        family = kind.removeprefix("Start") if kind.startswith("Start") else f"RekeyStart{tunnel}"
        if kind.startswith("Start") or kind == "RekeyStart":
            lost += [open_now[family]] if family in open_now else []
            open_now[family] = kind
        elif kind == "RekeyComplete":
            open_now.pop(family)
        elif kind in answers or kind == "FinishUpgradeSuccess":
            open_now.pop(kind.removeprefix("Finish").removesuffix("Success"))
    return [*lost, *open_now.values()]


@pytest.mark.parametrize("seed", range(10))
def test_a_clean_history_has_no_failure_and_nothing_unfinished(seed: int) -> None:
    history = History(seed=seed, until=UNTIL, incidents=())
    assert history.incidents == ()
    for events in history.events.values():
        assert not ALARMS & set(kinds(events))
        assert unfinished(events) == []
        assert kinds(events)[0] == "Init"
        processes = [kind for kind in kinds(events) if kind in {"Init", "Leave"}]
        assert processes == ["Init", *["Leave", "Init"] * (len(processes) // 2)]
        slots = [kind for kind in kinds(events) if kind.startswith("BlessSlot")]
        assert slots == ["BlessSlotPending", "BlessSlotSuccess"] * (len(slots) // 2)
        assert all(event["a"] - event["t"] <= 60 for event in events)


def test_the_version_changes_with_upgrades_only() -> None:
    (events,) = History(connectors=1, days=60, until=UNTIL, incidents=()).events.values()
    changes = [after for before, after in itertools.pairwise(events) if before["v"] != after["v"]]
    urls = [event["e"]["url"] for event in events if event["e"]["k"] == "StartUpgrade"]
    assert len(urls) > 3
    assert kinds(changes) == ["Init"] * len(urls)
    assert all(event["v"] in url for event, url in zip(changes, urls, strict=True))


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_says_when_it_was_and_which_events_show_it(name: str) -> None:
    incident, _, evidence = planted(name)
    assert incident.kind == name
    assert (incident.first_ts, incident.last_ts) == (evidence[0]["t"], evidence[-1]["t"])
    assert len(set(incident.event_ids)) == len(incident.event_ids)
    payloads = [event["e"] for event in evidence]
    for detail in {"url", "tunnel_id"} & set(incident.details):
        assert {payload[detail] for payload in payloads if detail in payload} == {incident.details[detail]}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "shown_by"),
    [
        ("crash", ["Init"]),
        ("failed_attestation", ["StartAttestation", "FinishAttestationFailure"]),
        ("failed_crypt_key_rotation", ["StartRotateCryptKey", "FinishRotateCryptKeyFailure"]),
        ("failed_pki_rotation", ["StartRotatePki", "FinishRotatePkiFailure"]),
        ("failed_upgrade", ["StartUpgrade", "FinishUpgradeFailure"]),
        ("unfinished_upgrade", ["StartUpgrade"]),
        ("unblessed_slot", ["StartUpgrade", "FinishUpgradeSuccess", "BlessSlotPending", "BlessSlotFailure"]),
        ("rekey_reset", ["RekeyReset", "RekeyInstallBoth"]),
        ("upgrade_restart", ["FinishUpgradeSuccess", "Init"]),
        ("ordered_restart", ["Init"]),
        ("ordered_reboot", ["Init"]),
        ("ordered_shutdown", ["Init"]),
    ],
)
def test_incident_is_shown_by_its_kinds(name: str, shown_by: list[str], seed: int) -> None:
    """An incident is shown by the events it is named after, and by no others."""
    _, events, evidence = planted(name, seed)
    assert kinds(evidence) == shown_by
    elsewhere = [event for event in events if event not in evidence]
    assert not ALARMS & set(kinds(elsewhere))


@pytest.mark.parametrize("seed", range(5))
def test_a_crash_is_a_start_without_a_stop(seed: int) -> None:
    _, events, (begun,) = planted("crash", seed)
    processes = [event for event in events if event["e"]["k"] in {"Init", "Leave"}]
    assert processes[processes.index(begun) - 1]["e"]["k"] == "Init"
    assert unfinished(events) == []


@pytest.mark.parametrize(("name", "least", "most"), [("restart", 5, 30), ("reboot", 60, 120), ("shutdown", 6800, 7000)])
@pytest.mark.parametrize("seed", range(3))
def test_an_ordered_restart_is_explained_by_its_interrupt(name: str, least: int, most: int, seed: int) -> None:
    """An order looks like a crash among the events, and is in the list of interrupts."""
    history = History(seed=seed, until=UNTIL, incidents=[f"ordered_{name}"])
    (incident,) = history.incidents
    (interrupt,) = history.interrupts(incident.connector_id)
    assert interrupt[name] == {"purge": False}
    times = [datetime.fromisoformat(interrupt[key]).timestamp() for key in ("submitted_at", "triggered_at")]
    assert times[0] < times[1]
    assert least <= incident.first_ts - times[1] <= most
    processes = [kind for kind in kinds(history.events[incident.connector_id]) if kind in {"Init", "Leave"}]
    assert processes.count("Init") == processes.count("Leave") + 2
    others = [connector_id for connector_id in history.events if connector_id != incident.connector_id]
    assert [history.interrupts(connector_id) for connector_id in [*others, "nobody"]] == [[], [], []]


def test_a_crash_loop_is_several_starts_within_minutes() -> None:
    incident, _, evidence = planted("crash_loop")
    assert kinds(evidence) == ["Init"] * incident.details["restarts"]
    assert len(evidence) >= 4
    assert incident.last_ts - incident.first_ts < 600


@pytest.mark.parametrize("seed", range(5))
def test_a_stuck_rekey_never_advances_and_later_ones_do(seed: int) -> None:
    incident, events, evidence = planted("stuck_rekey", seed)
    assert kinds(evidence)[0] == "RekeyStart"
    assert set(kinds(evidence[1:])) <= {"RekeyRestart"}
    tunnel = incident.details["tunnel_id"]
    rekeys = [event for event in events if event["e"].get("tunnel_id") == tunnel]
    following = rekeys[rekeys.index(evidence[-1]) + 1 :]
    assert kinds(following)[:1] in ([], ["RekeyStart"], ["RekeyInstallBoth"])
    assert unfinished(events) in (["RekeyStart"], [])


def test_an_unfinished_upgrade_stays_without_an_end() -> None:
    _, events, (begun,) = planted("unfinished_upgrade")
    following = kinds(events[events.index(begun) + 1 :])
    next_begin = following.index("StartUpgrade") if "StartUpgrade" in following else len(following)
    assert not [kind for kind in following[:next_begin] if kind.startswith("FinishUpgrade")]


def test_an_unblessed_slot_is_left_at_the_next_start() -> None:
    _, events, evidence = planted("unblessed_slot", days=60, connectors=1)
    failed = events.index(evidence[-1])
    assert events[failed]["v"] == events[failed + 1]["v"] != evidence[0]["v"]


def test_flapping_is_transitions_within_minutes() -> None:
    """Flapping is many transitions within minutes, and an error."""
    incident, _, evidence = planted("ha_flapping")
    assert Counter(kinds(evidence)) == {"HaTransition": incident.details["transitions"], "HaError": 1}
    assert incident.details["transitions"] >= 8
    assert incident.last_ts - incident.first_ts < 600


@pytest.mark.parametrize("seed", range(5))
def test_an_outage_is_six_hours_collected_late(seed: int) -> None:
    incident, events, evidence = planted("outage", seed)
    assert 5.7 * 3600 < incident.last_ts - incident.first_ts < 6 * 3600
    assert evidence == [e for e in events if incident.first_ts <= e["t"] <= incident.last_ts]
    reconnected = incident.details["collected_from_ts"]
    assert all(reconnected < event["a"] <= reconnected + 300 for event in evidence)
    assert all(event["a"] - event["t"] <= 60 for event in events if event not in evidence)
    assert unfinished(events) == []


def test_an_outage_changes_nothing_that_was_recorded_before_it() -> None:
    incident, events, _ = planted("outage")
    clean = History(until=UNTIL, incidents=()).events[incident.connector_id]
    assert [e for e in events if e["t"] < incident.first_ts] == [e for e in clean if e["t"] < incident.first_ts]


@pytest.mark.parametrize("seed", range(20))
def test_one_day_has_room_for_every_incident(seed: int) -> None:
    """One day of one appliance holds every incident, well apart."""
    history = History(seed=seed, days=1, connectors=1, until=UNTIL, incidents=INCIDENTS)
    assert sorted(incident.kind for incident in history.incidents) == sorted(INCIDENTS)
    incidents = history.incidents
    assert incidents[0].first_ts - history.since > 1500
    pauses = [after.first_ts - before.last_ts for before, after in itertools.pairwise(incidents)]
    assert min(pauses) > 1500


def test_incidents_are_spread_over_the_connectors() -> None:
    history = History(connectors=len(INCIDENTS), until=UNTIL, incidents=INCIDENTS)
    assert len({incident.connector_id for incident in history.incidents}) == len(INCIDENTS)


def test_connectors_can_be_named() -> None:
    history = History(connectors=["b", "a", "b"], days=1, until=UNTIL)
    assert list(history.events) == ["b", "a"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"incidents": ["fire"]}, "no incident 'fire'; there are crash, crash_loop"),
        ({"incidents": ["outage"] * 5, "days": 1, "connectors": 1}, "too short for 5 incidents"),
        ({"days": 0}, "one day or more"),
        ({"connectors": 0}, "one connector or more"),
        ({"connectors": []}, "one connector or more"),
        ({"connectors": "site-1"}, "not the text 'site-1'"),
    ],
)
def test_a_history_that_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        History(until=UNTIL, **arguments)


@pytest.mark.parametrize("arguments", [{"until": 1.5}, {"days": 0.5}])
def test_a_history_is_made_of_whole_numbers(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        History(**arguments)


def test_history_repr_shows_its_arguments() -> None:
    """The repr of a history shows its arguments."""
    assert repr(History(until=UNTIL)) == f"History(seed=0, connectors=3, days=7, until={UNTIL})"


@pytest.mark.parametrize("incidents", [(), tuple(INCIDENTS.keys() - {"ordered_shutdown"})])
def test_no_appliance_is_silent_for_a_quarter_of_an_hour(incidents: tuple[str, ...]) -> None:
    for events in History(connectors=30, days=10, until=UNTIL, incidents=incidents).events.values():
        assert max(after["t"] - before["t"] for before, after in itertools.pairwise(events)) < 900


@pytest.mark.parametrize("seed", range(10))
def test_a_crash_brings_back_the_version_that_was_blessed_last(seed: int) -> None:
    history = History(seed=seed, days=30, connectors=1, until=UNTIL, incidents=["crash", "unblessed_slot"])
    (events,) = history.events.values()
    (crash,) = [incident for incident in history.incidents if incident.kind == "crash"]
    blessed = events[0]["v"]
    for event in events:
        if f"{event['t']}.{event['n']}" == crash.event_ids[0]:
            assert event["v"] == blessed
        if event["e"]["k"] == "BlessSlotSuccess":
            blessed = event["v"]
