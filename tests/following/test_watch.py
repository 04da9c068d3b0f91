"""Findings while connectors are followed: what is known when, outages, heartbeats, and going on after a checkpoint."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from support.arriving import BEGIN, DAY, Arriving, ArrivingAPI
from support.following import run

from cfevents import CheckpointError, Client, Watch, WatchCheckpoint, _time
from cfevents.operations import Finding, FindingUpdate, Limits, report
from cfevents.testing import History
from cfevents.testing.scenarios import INCIDENTS

HOUR = 3600
PACE: dict[str, Any] = {"interval": "20min", "deep_interval": "20min"}


def reconciles(begin: int, end: int, every: int = 300, lag: int = 5) -> list[Arriving]:
    return [(BEGIN + at, 7, BEGIN + at + lag) for at in range(begin, end, every)]


async def until(moment: float, watch: Watch) -> list[FindingUpdate]:
    """What comes until then."""
    updates = list[FindingUpdate]()

    async def read() -> None:
        async for update in watch:
            updates.append(update)

    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=BEGIN + moment - _time.now())
    await watch.aclose()
    await task
    return updates


def words(updates: list[FindingUpdate]) -> list[str]:
    return [f"{update.state} {update.finding.kind}" for update in updates]


def key(finding: Finding) -> Any:
    return finding.connector_id, finding.kind, finding.severity, finding.event_ids


def quiet(api: ArrivingAPI) -> None:
    """Let what has no other kind mean nothing."""
    api.kind = "Reconcile"


@pytest.mark.parametrize("seed", [3, 4])
def test_followed_to_its_end_it_has_the_findings_of_a_report(seed: int) -> None:
    """A day with incidents, of which none opens while it is open; what is open at the end is what a report has."""
    names = ["a", "b"]
    history = History(seed=seed, connectors=names, days=1, until=BEGIN + DAY, incidents=INCIDENTS)
    updates, results = list[FindingUpdate](), list[Any]()

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        quiet(api)
        watch = client.follow_events(names, since=BEGIN - 60, interval="1h", deep_interval="1h").findings()
        updates.extend(await until(DAY + 3 * HOUR, watch))
        known_until = BEGIN + DAY + 2 * HOUR
        events = await client.fleet(names).list_events(since=BEGIN - 60).collect()
        listed = await client.list_connectors()
        results.append(report(events, since=BEGIN - 60, until=known_until, connectors=listed))
        results.append(watch.checkpoint)
        for name, raws in history.events.items():
            assert len([item for item in events if item.connector_id == name]) == len(raws)

    def play_kinds(events: Mapping[str, list[Any]]) -> dict[str, list[Arriving]]:
        # Sequence numbers apart, so that one table of kinds serves both connectors.
        return {
            name: [(raw["t"], raw["n"] + 100 * place, raw["a"]) for raw in raws]
            for place, (name, raws) in enumerate(events.items())
        }

    async def with_kinds(api: ArrivingAPI, client: Client) -> None:
        for place, raws in enumerate(history.events.values()):
            api.kinds |= {(raw["t"], raw["n"] + 100 * place): raw["e"]["k"] for raw in raws}
        await scenario(api, client)

    run(with_kinds, play_kinds(history.events))
    expected, checkpoint = results
    open_ = [finding for delivered, _ in checkpoint.findings.values() for finding in delivered]
    assert sorted(map(key, open_)) == sorted(map(key, expected.findings))
    assert len(expected.findings) > 10
    opened = set[Any]()
    for item in updates:
        if item.state == "over":  # late events may show otherwise, and still later ones that it was so
            opened = {each for each in opened if each[:2] != (item.connector_id, item.finding.kind)}
        elif item.state == "opened":
            of = item.connector_id, item.finding.kind, item.finding.event_ids
            assert of not in opened
            opened.add(of)


def test_what_is_not_known_is_no_silence() -> None:
    """While the API fails nothing is judged; when it is back, nothing was silent. A silence opens without an event."""

    async def scenario(api: ArrivingAPI, client: Client) -> list[str]:
        quiet(api)
        api.fails = lambda _: 503 if 4 * HOUR < api.now() - BEGIN < 9 * HOUR else None
        watch = client.follow_events("a", **PACE).findings()
        assert await until(12 * HOUR, watch) == []
        assert watch.status["a"].error is None
        updates = await until(14 * HOUR, client.follow_events("a", **PACE).findings())
        assert updates[0].connector_id == "a"
        return words(updates)

    assert run(scenario, {"a": reconciles(-DAY, 12 * HOUR)}) == ["opened silence"]


def test_heartbeats_weigh_a_silence() -> None:
    """While they go on it is a warning, then an error; what cannot be asked is not known to be silent."""

    async def scenario(api: ArrivingAPI, client: Client) -> list[Any]:
        quiet(api)

        def heartbeat(_: str) -> str:
            return datetime.fromtimestamp(min(api.now(), BEGIN + 4 * HOUR), UTC).isoformat()

        api.heartbeat = heartbeat
        updates = await until(7 * HOUR, client.follow_events("a", **PACE).findings())
        return [(update.state, update.before, update.finding.severity) for update in updates]

    assert run(scenario, {"a": reconciles(-DAY, HOUR)}) == [
        ("opened", None, "warning"),
        ("changed", "warning", "error"),
    ]


def test_heartbeats_that_cannot_be_read_are_not_known() -> None:
    """A connector with few events is not silent because the list of connectors fails."""

    async def scenario(api: ArrivingAPI, client: Client) -> list[FindingUpdate]:
        quiet(api)
        api.heartbeat = lambda _: datetime.fromtimestamp(api.now(), UTC).isoformat()
        api.fails = lambda request: 503 if request.path.endswith("/connectors") and api.now() > BEGIN + HOUR else None
        return await until(6 * HOUR, client.follow_events("a", **PACE).findings())

    assert run(scenario, {"a": reconciles(-900, 300)}) == []


def test_watch_goes_on_after_its_checkpoint() -> None:
    """What was open is not opened again, what ended meanwhile is over, and what came meanwhile opens."""
    events = [*reconciles(-DAY, 2 * HOUR), *reconciles(9 * HOUR, 12 * HOUR)]
    history = {"a": events, "b": reconciles(-DAY, HOUR), "c": reconciles(-DAY, 12 * HOUR)}
    limits = Limits()

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        quiet(api)
        api.kinds = {(BEGIN - HOUR, 7): "HaError", (BEGIN + 6 * HOUR, 7): "HaError"}
        follow = partial(client.follow_events, client.fleet(), **PACE)
        watch = follow().findings(limits=limits)
        # The error of an hour before it began is left out.
        assert sorted(words(await until(4 * HOUR, watch))) == ["opened silence"] * 2
        stored = watch.checkpoint.to_json()
        assert WatchCheckpoint.from_json(stored).to_json() == stored
        await asyncio.sleep(7 * HOUR)
        updates = await until(12 * HOUR, follow().findings(checkpoint=stored))
        by_connector = {name: words([item for item in updates if item.connector_id == name]) for name in history}
        assert by_connector == {"a": ["over silence", "opened device_gap"], "b": [], "c": ["opened ha_error"]}

    run(scenario, history)


@pytest.mark.parametrize("resumes", [False, True])
def test_connectors_that_left_the_account_are_forgotten(resumes: bool) -> None:
    """Else each of them would stay in the checkpoint, and its events in memory, for as long as others are watched."""
    history = {f"{day}": reconciles(day * DAY, (day + 1) * DAY, every=900) for day in range(5)}

    async def scenario(api: ArrivingAPI, client: Client) -> set[str]:
        quiet(api)
        api.listed = lambda name: name == "stays" or 0 <= api.now() - BEGIN - int(name) * DAY < 2 * DAY
        watch = client.follow_events(client.fleet(), interval="3h").findings()
        assert words(await until(6 * DAY, watch)).count("opened silence") >= 5
        if resumes:
            watch = client.follow_events(client.fleet(), interval="3h").findings(checkpoint=watch.checkpoint)
        await until(12 * DAY, watch)
        return {*watch.checkpoint.findings}

    assert run(scenario, history | {"stays": reconciles(-DAY, 13 * DAY, every=1800)}) <= {"stays"}


def test_reading_again_goes_on() -> None:
    """A loop that is left is gone on with by the next one: what was current comes again, and nothing else."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        quiet(api)
        watch = client.follow_events(["a", "b"], **PACE).once().findings()
        assert len(words([item async for item in watch])) == 2
        assert [item async for item in watch] == []
        other = client.follow_events(["a", "b"], **PACE).findings()
        async for update in other:
            assert update.state == "opened"
            break
        assert len(await until(HOUR, other)) == 2

    run(scenario, {"a": reconciles(-DAY, -HOUR), "b": reconciles(-DAY, -HOUR)})


def test_clock_that_was_wrong_loses_nothing() -> None:
    """By a clock that is days ahead, watching begins now all the same."""

    async def scenario(api: ArrivingAPI, client: Client) -> list[str]:
        quiet(api)
        api.kinds = {(BEGIN - HOUR, 7): "HaError", (BEGIN + HOUR, 7): "HaError"}
        watch = client.follow_events("a", since="2h", **PACE).findings()
        updates = await until(9.0 * DAY + 2 * HOUR, watch)
        assert [update.finding.event_ids[0].recorded_ts - BEGIN for update in updates] == [-HOUR, HOUR]
        return words(updates)

    ahead = 9.0 * DAY
    assert run(scenario, {"a": reconciles(-DAY, 12 * HOUR)}, ahead=lambda _: ahead) == ["opened ha_error"] * 2


def test_checkpoint_of_another_is_refused() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a")
        stored = follower.findings().checkpoint
        assert client.follow_events("a").findings(checkpoint=stored)
        with pytest.raises(CheckpointError, match="its connector_ids is"):
            client.follow_events("b").findings(checkpoint=stored)
        moment = datetime.fromtimestamp(BEGIN, UTC)
        fields = Finding("ha_error", "error", "a", moment, moment, "an error", (), {"n": 1}).to_dict()
        wrong = {"severity": "bad", "kind": None, "first_at": 5, "event_ids": ["5"], "details": [], "more": 1}
        wrong["last_at"] = "2023-11-14T22:13:20"
        damaged = [
            json.dumps(json.loads(stored.to_json()) | {"findings": {"a": of_connector}})
            for of_connector in ([], [[]], [[{}], []], *([[fields | {name: wrong[name]}], []] for name in wrong))
        ]
        fields["event_ids"] = [f"{time}.3" for time in (BEGIN, BEGIN + 0.25, 1e15 + 0.5, 1e-05, -0.5)]
        whole = json.loads(stored.to_json()) | {"findings": {"a": [[fields], []]}}
        assert json.loads(WatchCheckpoint.from_json(json.dumps(whole)).to_json()) == whole
        for text in ("", "{}", follower.checkpoint.to_json(), *damaged):
            with pytest.raises(CheckpointError, match="invalid checkpoint, or not one of a watch"):
                follower.findings(checkpoint=text)
        with pytest.raises(ValueError, match="findings need events of all kinds: follow without kind"):
            client.follow_events("a", kind="Init").findings()
        with pytest.raises(TypeError, match="use 'async for update in "):
            next(follower.findings())  # type: ignore[call-overload]

    run(scenario, {"a": []})
