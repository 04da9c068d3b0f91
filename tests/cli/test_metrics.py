"""The metrics of follow, forward and archive: in a file, and over HTTP."""

import os
import shutil
import socket
import stat
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from prometheus_client.parser import text_string_to_metric_families
from support.promtool import promtool
from support.receivers import Hook, Received, on_thread

from cfevents.testing import Simulator, faults

Invoke = Callable[..., Result]
SINCE = ("--since", "2026-01-01")
EVENTS = [{"e": {"k": "Init"}, "t": 1767225600 + number, "n": 0, "a": 1767225660} for number in range(4)]
LAST = "cfevents_connector_last_success_timestamp_seconds"
DELIVERED = "cfevents_connector_events_delivered_total"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with on_thread(Hook()) as running:
        yield running


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def values(text: str | None = None) -> dict[str, float]:
    """The samples of a file, by name and the labels that are neither the file's nor the connector's."""
    text = Path("run.prom").read_text() if text is None else text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    left_out = {"file", "connector_id", "version"}
    return {
        " ".join([name, *(value for label, value in labels.items() if label not in left_out)]).strip(): value
        for name, labels, value, *_ in samples
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def scraped(port: int, accept: str = "") -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    "command",
    [
        ("archive", "events.db", "site-1", *SINCE),
        ("forward", "site-1", "--to", "file:events.ndjson", "--once", *SINCE),
        ("follow", "site-1", "-n", "5", *SINCE),
    ],
    ids=lambda command: command[0],
)
def test_file_has_what_a_run_did(account: Simulator, invoke: Invoke, command: tuple[str, ...]) -> None:
    """Another user may read it, whatever the umask is; stdout and stderr have nothing of it."""
    account.add("site-1", {"e": {"k": "Init"}, "t": 1767225800, "n": 0, "a": 1767225801})
    before = os.umask(0o077)
    try:
        done = invoke(*command, "--metrics", "run.prom")
    finally:
        os.umask(before)
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    assert "cfevents_" not in done.output
    assert stat.S_IMODE(Path("run.prom").stat().st_mode) == 0o644
    assert [path.name for path in Path().glob("*.prom*")] == ["run.prom"]
    found = values()
    # The last event of a loop that is left early has not been followed by another.
    assert found[DELIVERED] == (0 if command[0] == "follow" else 5)
    assert found["cfevents_connectors"] == 1
    assert found["cfevents_run_failed"] == 0
    assert found["cfevents_requests_total"] >= 1
    assert found["cfevents_written_timestamp_seconds"] >= found[LAST]
    assert ("cfevents_sink_events_delivered_total" in found) == (command[0] == "forward")
    promtool("check", "metrics", text=Path("run.prom").read_text())


def test_counters_of_a_timer_go_on_from_run_to_run(account: Simulator, invoke: Invoke) -> None:
    """Two runs that deliver one event each would else look like none in between."""
    command = ("forward", "site-1", "--to", "file:e.ndjson", "--once", *SINCE, "--metrics", "run.prom", "--quiet")
    invoke(*command)
    for number in (1, 2):
        account.add("site-1", {"e": {"k": "Init"}, "t": 1767225900 + number, "n": 0, "a": 1767225900 + number})
        assert invoke(*command).exit_code == 0
        assert values()[DELIVERED] == values()["cfevents_sink_events_delivered_total"] == 4 + number


def test_failed_run_keeps_the_time_of_the_last_success(serve: Callable[..., Simulator], invoke: Invoke) -> None:
    """So an alert on that time works, whether one connector is not read or the account itself is not."""
    account = serve({"site-1": [*EVENTS]})
    command = ("archive", "events.db", "--all", *SINCE, "--metrics", "run.prom")
    assert invoke(*command).exit_code == 0
    good = values()
    for path in ("/events", None):
        account.faults.add(faults.status(500), path=path)
        assert invoke(*command).exit_code == 1
        failed = values()
        assert failed["cfevents_run_failed"] == 1
        assert failed["cfevents_written_timestamp_seconds"] > good["cfevents_written_timestamp_seconds"]
        assert (failed[LAST], failed[DELIVERED]) == (good[LAST], good[DELIVERED])
        if path is not None:
            assert failed["cfevents_connector_errors_total InternalServerError"] == 1
    account.faults.clear()
    assert invoke(*command).exit_code == 0
    assert values()["cfevents_run_failed"] == 0
    assert values()[LAST] > good[LAST]


def test_errors_of_an_earlier_run_count_on(serve: Callable[..., Simulator], invoke: Invoke) -> None:
    """Also after a run without one: a second error would else look like the first."""
    account = serve({"site-1": [*EVENTS], "site-2": [*EVENTS]})
    for fails, count in ((True, 1), (False, 1), (True, 2)):
        account.faults.clear()
        if fails:
            account.faults.add(faults.status(500), path="/site-1/*/events")
        assert invoke("archive", "events.db", "--all", *SINCE, "--metrics", "run.prom").exit_code == int(fails)
        assert values()["cfevents_connector_errors_total InternalServerError"] == count
    assert values()["cfevents_connectors"] == 2


def test_name_of_the_file_may_be_any(account: Simulator, invoke: Invoke) -> None:
    assert account
    for name in ('say "hi"\n.prom', ".prom", *([os.fsdecode(b"\xff.prom")] if sys.platform == "linux" else [])):
        assert invoke("archive", "events.db", "site-1", *SINCE, "--metrics", name).exit_code == 0
        promtool("check", "metrics", text=Path(name).read_text())


def test_sink_counts_what_it_has_and_what_is_refused(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    """A receiver that is down for a moment, and refuses one event for good."""
    assert account
    first = iter([200, 503])

    def answer(request: Received) -> int:
        return 422 if b"Novelty" in request.body else next(first, 200)

    hook.answers = answer
    done = invoke(
        *("forward", "site-1", "--to", hook.url, "--once", *SINCE, "--metrics", "run.prom"), "--dead-letters", "dead"
    )
    assert done.exit_code == 0, done.stderr
    found = values()
    assert found["cfevents_sink_events_delivered_total"] == 3
    assert found["cfevents_sink_dead_letters_total"] == 1
    assert found["cfevents_sink_retries_total"] == 1


def test_metrics_are_served_while_it_runs(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    """In the text format and in OpenMetrics; what is not asked for is not there; afterwards the port is free."""
    assert account
    port, seen = free_port(), list[str]()

    def answer(_: Received) -> int:
        seen.extend(scraped(port, accept) for accept in ("", "application/openmetrics-text;version=1.0.0"))
        return 200

    hook.answers = answer
    command = ("forward", "site-1", "--to", hook.url, "--once", *SINCE, "--metrics-listen", f"127.0.0.1:{port}")
    done = invoke(*command)
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    assert f"metrics are at http://127.0.0.1:{port}/metrics\n" in done.stderr
    plain, openmetrics = seen[-2:]
    assert values(plain)["cfevents_connectors"] == 1
    assert openmetrics.endswith("# EOF\n")
    assert "cfevents_written" not in plain
    assert invoke(*command, "--quiet").output == ""
    promtool("check", "metrics", text=plain)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--metrics", "metrics.txt"), "--metrics names a file that node_exporter does not read: write NAME.prom"),
        (("--metrics", "nowhere/run.prom"), "nowhere does not exist: make it first"),
        (("--metrics", "folder.prom"), "is a directory"),
        (("--metrics-listen", "9464"), "--metrics-listen is no address: write HOST:PORT, such as 127.0.0.1:9464"),
        (("--metrics-listen", ":9464"), "is no address"),
        (("--metrics-listen", "127.0.0.1:0"), "is no address"),
        (("--metrics-listen", "127.0.0.1:99999"), "is no address"),
        (("--metrics-listen", "http://127.0.0.1:9464"), "is no address"),
        (("--metrics-listen", "127.0.0.1:9464/metrics"), "is no address"),
        (("--metrics-listen", "a..b:9464"), "--metrics-listen a..b:9464: is no name of a host"),
        (("--metrics-listen", "nobody.invalid:9464"), "--metrics-listen nobody.invalid:9464: "),
        (("--metrics-listen", "BUSY"), "Address already in use; choose another address or port"),
    ],
)
def test_what_is_wrong_is_one_sentence(account: Simulator, invoke: Invoke, options: tuple[str, ...], says: str) -> None:
    """Nothing is asked of the API, and no file is left."""
    account.requests.clear()
    Path("folder.prom").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        done = invoke("follow", "site", *SINCE, *(address if option == "BUSY" else option for option in options))
    assert done.exit_code in {1, 2}
    assert (done.stdout, done.stderr.count("\n"), says in done.stderr) == ("", 1, True), done.stderr
    assert account.requests == []
    assert [path.name for path in Path().iterdir()] == ["folder.prom"]


@pytest.mark.parametrize("options", [("--metrics", "run.prom"), ("--metrics-listen", "127.0.0.1:1")])
def test_missing_extra_is_one_sentence(
    account: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    done = invoke("archive", "events.db", "site", *SINCE, *options)
    assert done.stderr == "cfevents: prometheus_client is not installed: pip install 'cfevents[metrics]'\n"
    assert (done.exit_code, account.requests, list(Path().iterdir())) == (2, [], [])


def test_address_that_others_reach_is_said(account: Simulator, invoke: Invoke) -> None:
    assert account
    done = invoke("follow", "site-1", "-n", "1", *SINCE, "--metrics-listen", f"0.0.0.0:{free_port()}")
    assert "for everybody who can reach this machine" in done.stderr


def test_file_of_another_program_is_replaced(account: Simulator, invoke: Invoke) -> None:
    """Whatever it holds; and a file keeps the mode that it was given."""
    assert account
    for content in (b"\xff\xfe{", b"up{ 1\n", b"# TYPE up gauge\nup 1\n"):
        Path("run.prom").write_bytes(content)
        Path("run.prom").chmod(0o640)
        assert invoke("archive", "events.db", "site-1", *SINCE, "--metrics", "run.prom").exit_code == 0
        assert values()["cfevents_connectors"] == 1
        assert "up" not in values()
        assert stat.S_IMODE(Path("run.prom").stat().st_mode) == 0o640


def test_file_that_cannot_be_written_later_ends_nothing(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    """Events are delivered all the same, and a warning says what is wrong."""
    assert account
    Path("collector").mkdir()

    def answer(_: Received) -> int:
        shutil.rmtree("collector", ignore_errors=True)
        return 200

    hook.answers = answer
    done = invoke("forward", "site-1", "--to", hook.url, "--once", *SINCE, "--metrics", "collector/run.prom")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    assert "collector does not exist: make it first" in done.stderr


def test_file_is_renewed_while_it_runs(
    account: Simulator, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed leaves a file whose time shows that it is old."""
    assert account
    monkeypatch.setattr("cfevents.cli.metrics._LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr("cfevents.cli.metrics._LEAST_PAUSE_S", 0.02)
    seen = set[float]()

    def answer(_: Received) -> int:
        deadline = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < deadline:
            if Path("run.prom").exists():
                seen.add(values()["cfevents_written_timestamp_seconds"])
            time.sleep(0.01)
        return 200

    hook.answers = answer
    options = ("--metrics", "run.prom", "--dead-letters", "dead")
    assert invoke("forward", "site-1", "--to", hook.url, "--once", *SINCE, *options).exit_code == 0
    assert len(seen) == 2
    assert max(seen) < values()["cfevents_written_timestamp_seconds"]
