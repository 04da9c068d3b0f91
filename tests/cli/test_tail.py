"""The newest events of a listing, and a follower that ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cfevents import Client
from cfevents.testing import Simulator

Invoke = Callable[..., Result]
WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z")
SITES = ("site-1", "site-2")
START = 1767225600


@pytest.fixture(params=["ascending", "descending"])
def served(request: pytest.FixtureRequest, serve: Callable[..., Simulator]) -> Simulator:
    """Two connectors with 40 events each, of which each tenth is an Init, listed seven a page in either order."""
    events = {
        site: [
            {"e": {"k": "Reconcile" if n % 10 else "Init"}, "t": START + 30 * n + k, "n": 0, "a": START + 9999 - n}
            for n in range(40)
        ]
        for k, site in enumerate(SITES)
    }
    simulator = serve(events)
    simulator.order, simulator.max_page_size = request.param, 7
    return simulator


def times(result: Result) -> list[int]:
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line)["recorded_ts"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize("kinds", [(), ("--kind", "Init"), ("--exclude", "Recon*")])
def test_tail_is_the_newest_in_the_order_of_the_listing(
    served: Simulator, invoke: Invoke, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    """Whatever the order of the API, the newest events of one or several connectors come, as in the whole listing."""
    archive = f"{tmp_path}/events.db"
    assert invoke("archive", archive, *SITES, "--since", WINDOW[1]).exit_code == 0
    for source in (("site-1",), SITES, (*SITES, "--archive", archive), ("--all",)):
        whole = times(invoke("list", *source, *WINDOW, *kinds))
        for count in (1, 5):
            newest = sorted(whole)[-count:]
            listed = times(invoke("list", *source, *WINDOW, *kinds, "--tail", str(count), "-q"))
            assert listed == [time for time in whole if time in newest]


def test_tail_asks_for_the_payloads_of_its_events_alone(served: Simulator, invoke: Invoke) -> None:
    """With --details, the payloads of the newest events are requested and no others."""
    result = invoke("list", *SITES, *WINDOW, "--tail", "3", "--details")
    assert [json.loads(line)["event"]["k"] for line in result.stdout.splitlines()] == ["Reconcile"] * 3
    ids = [json.loads(line)["id"] for line in result.stdout.splitlines()]
    asked = [request.path.rpartition("/")[2] for request in served.requests if "/events/" in request.path]
    assert sorted(asked) == sorted(ids)


def test_tail_of_connectors_that_can_be_read(served: Simulator, invoke: Invoke) -> None:
    """A connector that cannot be read hides no event of the others, and is reported after them."""
    result = invoke("list", *SITES, "nobody", *WINDOW, "--tail", "2")
    assert (result.exit_code, result.stdout.count("\n")) == (1, 2)
    assert "nobody" in result.stderr


def test_tail_and_limit_exclude_each_other(served: Simulator, invoke: Invoke) -> None:
    result = invoke("list", "site-1", "--tail", "2", "-n", "2")
    assert (result.exit_code, served.requests) == (2, [])
    assert "--tail prints its newest events: leave one out" in result.stderr


@pytest.mark.parametrize("output", [(), ("--output", "-"), ("--output", "/dev/stdout")])
def test_follower_ends_after_some_events(account: Simulator, invoke: Invoke, output: tuple[str, ...]) -> None:
    """With -n following ends in the middle of a batch; stdout can be named as --output."""
    for n in range(9):
        account.add("site-2", {"e": {"k": "Init"}, "t": START + n, "n": 0, "a": START + n})
    result = invoke("follow", "site-2", "--since", WINDOW[1], "-n", "5", *output)
    assert len(times(result)) == 5


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--output", "/dev/null"), "--output /dev/null is no plain file, which alone keeps each event once: use >"),
        (("--output", "-", "--format", "table"), "--output is NDJSON: leave out --format"),
        (("--output", "events", "-n", "3"), "-n may end amid events that --checkpoint and --output keep"),
        (("--checkpoint", "state", "-n", "3"), "-n may end amid events that --checkpoint and --output keep"),
        (("--checkpoint", "-"), "- stands for stdout, and this needs a file"),
    ],
)
def test_output_that_cannot_keep_events_is_refused(
    account: Simulator, invoke: Invoke, args: tuple[str, ...], text: str
) -> None:
    """What cannot hold each event once is refused before anything is sent or made, and with what to do."""
    result = invoke("follow", "site-1", *args)
    assert (result.exit_code, account.requests, Path("events").exists()) == (2, [], False)
    assert text in result.stderr


@pytest.mark.parametrize(
    ("kinds", "text"),
    [(None, "no --kind"), ("!Reconcile", "--exclude Reconcile"), (["I*", "!Re*"], "--kind 'I*' --exclude 'Re*'")],
)
def test_checkpoint_of_other_kinds_is_named_as_typed(
    account: Simulator, invoke: Invoke, tmp_path: Path, kinds: str | list[str] | None, text: str
) -> None:
    """The kinds of a checkpoint are told as options, also those that are left out."""
    start = Client(**account.client_options).follow_events(["site-1"], since=START, kind=kinds).checkpoint
    path = tmp_path / "state"
    path.write_text(start.to_json())
    result = invoke("follow", "site-1", "--kind", "leave", "--checkpoint", str(path))
    assert result.exit_code == 2
    assert f"{path} is of {text}, and this is --kind Leave: " in result.stderr


NOW = 1796040000
# In seconds before that: an hour, and either side of what the first windows begin with, which may be read twice.
AGES = (3600, 86_399, 86_400, 86_401, 7 * 86_400, 20 * 86_400, 80 * 86_400, 300 * 86_400)


@pytest.fixture(params=["ascending", "descending"])
def old(request: pytest.FixtureRequest, serve: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """A connector with rare failures, the oldest of which is older than anything that is looked for."""
    monkeypatch.setattr("cfevents._time.now", lambda: float(NOW))
    failures = [{"e": {"k": "AttestationFailure"}, "t": NOW - age, "n": 0, "a": NOW} for age in AGES]
    others = [{"e": {"k": "Reconcile"}, "t": NOW - age, "n": 1, "a": NOW} for age in AGES[:4]]
    simulator = serve({"site-1": [*failures, *others]})
    simulator.order = request.param
    return simulator


@pytest.mark.parametrize(("count", "format_"), [(1, "csv"), (3, "ndjson"), (4, "csv"), (5, "ndjson"), (7, "ndjson")])
def test_tail_without_since_looks_back(old: Simulator, invoke: Invoke, count: int, format_: str) -> None:
    """The newest events come however old they are, each once, and no more of the past is read than it takes."""
    result = invoke("list", "site-1", "--kind", "*Failure", "--tail", str(count), "--format", format_)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = result.stdout.splitlines()[format_ == "csv" :]
    recorded = [int(float(row.split(",")[1])) if format_ == "csv" else json.loads(row)["recorded_ts"] for row in rows]
    assert sorted(recorded) == sorted(NOW - age for age in AGES[:count])
    windows = {request.query["from"] for request in old.requests if "from" in request.query}
    assert len(windows) == (1, 1, 1, 2, 2, 3, 4)[count - 1]


def test_tail_loses_nothing_between_two_windows(old: Simulator, invoke: Invoke) -> None:
    """An event exactly where one window begins and the next ends comes once, also where bounds are exclusive."""
    old.bounds = "exclusive"
    recorded = times(invoke("list", "site-1", "--kind", "*Failure", "--tail", "7"))
    assert sorted(recorded) == sorted(NOW - age for age in AGES[:7])


def test_tail_names_how_far_it_looked_back(old: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    """Where there are fewer events, a line on stderr says since when, and what looks further back; -q hides it."""
    args = ("list", "site-1", "--kind", "*Failure", "--tail", "9")
    result = invoke(*args)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 7)
    assert "cfevents: only 7 events of kind *Failure of site-1 (" in result.stderr
    assert "between 2026-09-01 12:00:00 UTC" in result.stderr
    stderr = invoke(*args, "--since", "2h").stderr
    assert "cfevents: only 1 event of kind" in stderr
    assert stderr.endswith("; an earlier --since looks further back\n")
    assert invoke(*args, "-q").stderr == ""
    archive = f"{tmp_path}/events.db"
    assert invoke("archive", archive, "site-1", "--since", "400d").exit_code == 0
    result = invoke(*args, "--archive", archive)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 8)
    assert " in the archive; the archive begins at 2025-" in result.stderr
