"""What watch and wait print, send and run, and how they end."""

import asyncio
import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import Result
from support.clock import run_jumping
from support.receivers import Hook, on_thread

from cfevents.cli.commands.watch import _first_event
from cfevents.testing import ElasticReceiver, Simulator, SplunkReceiver

Invoke = Callable[..., Result]
Serve = Callable[..., Simulator]
SECRET = "exec-secret-8d21ff"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with on_thread(Hook()) as running:
        yield running


def past(*kinds: str, silent: int = 0) -> list[dict[str, Any]]:
    """A day of events every five minutes, until some minutes ago; two hours ago these kinds too."""
    now = int(time.time())
    made = [{"e": {"k": "Reconcile"}, "t": now - 60 * ago, "n": 0} for ago in range(1440, silent, -5)]
    made += [{"e": {"k": kind}, "t": now - 7200, "n": place} for place, kind in enumerate(kinds, 1)]
    return [event | {"a": event["t"]} for event in made]


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def words(result: Result) -> list[str]:
    return [f"{line['state']} {line['severity']} {line['kind']}" for line in lines(result)]


def test_findings_are_printed_once(serve: Serve, invoke: Invoke) -> None:
    """A second run with the checkpoint prints what is new; its end is a line too."""
    simulator = serve({"site-1": past("FinishUpgradeFailure", "New"), "site-2": past(silent=90)})
    command = ("watch", "--all", "--since", "24h", "--once", "--checkpoint", "state.json")
    first = invoke(*command)
    assert first.exit_code == 0, first.output
    assert sorted(words(first)) == ["opened error failed_upgrade", "opened error silence", "opened info unknown_kind"]
    assert lines(first)[0]["connector_id"] in {"site-1", "site-2"}
    assert "--since" not in first.stderr
    again = invoke(*command)
    assert (again.stdout, again.stderr) == ("", "cfevents: going on where the checkpoint ends; --since has no effect\n")
    assert invoke(*command[:2], "--once", *command[-2:]).stderr == "cfevents: going on where the checkpoint ends\n"
    now = int(time.time())
    simulator.add("site-2", {"e": {"k": "Reconcile"}, "t": now, "n": 0, "a": now})
    second = invoke(*command, "--format", "table", "--tz", "UTC")
    assert second.exit_code == 0, second.output
    rows = [line.split() for line in second.stdout.splitlines()]
    assert rows[0] == ["TIME", "(UTC)", "STATE", "SEVERITY", "CONNECTOR", "FINDING"]
    assert [(row[2], row[3], "(site-2)" in row) for row in rows[1:]] == [
        ("over", "error", True),
        ("opened", "error", True),
    ]
    assert "silence: over, at most 1h 3" in second.stdout
    other = invoke("watch", "site-1", "--once", "--checkpoint", "state.json")
    assert (other.exit_code, "state.json is of --all, and this is site-1" in other.stderr) == (2, True)


def test_checkpoint_of_something_else_is_named(serve: Serve, invoke: Invoke, hook: Hook) -> None:
    """Its fields are called as they are in the file, and what to do is what this command can do."""
    serve({"site-1": past()})
    assert invoke("forward", "site-1", "--once", "--to", hook.url, "--checkpoint", "fwd.json").exit_code == 0
    result = invoke("watch", "site-1", "--once", "--checkpoint", "fwd.json")
    says = "cfevents: fwd.json: invalid checkpoint, or not one of a watch: "
    assert (result.exit_code, result.stdout, result.stderr.startswith(says)) == (1, "", True)
    assert "CLOUDFLARE" not in result.stderr
    assert result.stderr.endswith("; to start afresh, name another file\n")


def test_csv_has_the_columns_of_a_report(serve: Serve, invoke: Invoke) -> None:
    serve({"site-1": past("HaError")})
    header, row = invoke("watch", "site-1", "--since", "24h", "--once", "--format", "csv").stdout.splitlines()
    assert header.startswith("state,at,before,severity,kind,connector_id,")
    assert row.startswith("opened,")


@pytest.mark.parametrize(("severity", "status"), [("info", 3), ("warning", 3), ("error", 0), ("critical", 0)])
def test_fail_on_decides_the_status(serve: Serve, invoke: Invoke, severity: str, status: int) -> None:
    """It ends with the finding, which is printed, and stored in the checkpoint."""
    serve({"site-1": past("HaError")})
    command = ("watch", "site-1", "--since", "24h", "--for", "2s", "--fail-on", severity, "--checkpoint", "c.json")
    began = time.monotonic()
    result = invoke(*command)
    assert (result.exit_code, words(result)) == (status, ["opened warning ha_error"])
    assert (time.monotonic() - began < 2) is (status == 3)
    assert "ha_error" in Path("c.json").read_text()


def test_connector_that_cannot_be_read_fails_a_pipeline(serve: Serve, invoke: Invoke) -> None:
    """What is not known is not well: neither for a time nor once."""
    serve({"site-1": past()})
    for options in (("--for", "1s"), ("--once",)):
        result = invoke("watch", "site-1", "site-9", *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "site-9" in result.stderr


def test_receiver_gets_what_is_printed(
    serve: Serve, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve({"site-1": past("HaError", "FinishUpgradeFailure")})
    monkeypatch.setenv("HOOK_TOKEN", SECRET)
    options = ("--to", hook.url, "--token-env", "HOOK_TOKEN", "--format", "ndjson")  # of what is printed
    result = invoke("watch", "site-1", "--since", "24h", "--once", *options)
    assert result.exit_code == 0
    assert hook.requests[-1].events == lines(result)
    assert len(lines(result)) == 2
    assert hook.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in result.output


def test_each_command_has_a_variable_for_its_address(
    serve: Serve, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver of events gets no findings, nor does a database make watch fail; and --exec sees no address."""
    serve({"site-1": past("HaError")})
    monkeypatch.setenv("CFEVENTS_TO", "postgresql://db.example/telemetry?table=events")
    command = ("watch", "site-1", "--since", "24h", "--once")
    assert words(invoke(*command)) == ["opened warning ha_error"]
    monkeypatch.setenv("CFEVENTS_WATCH_TO", hook.url)
    result = invoke(*command, "--exec", script("import os; open('ran', 'w').write(' '.join(os.environ))"))
    assert hook.requests[-1].events == lines(result)
    assert {"CFEVENTS_TO", "CFEVENTS_WATCH_TO"}.isdisjoint(Path("ran").read_text().split())


@pytest.mark.parametrize("checkpoint", [(), ("--checkpoint", "watch.json")])
def test_finding_that_is_refused_is_kept_beside_a_checkpoint(
    serve: Serve, invoke: Invoke, hook: Hook, checkpoint: tuple[str, ...]
) -> None:
    """It is a dead letter with the reason; without a file for those the log tells of it."""
    serve({"site-1": past("HaError", "FinishUpgradeFailure")})
    hook.answers = lambda request: 422 if b"ha_error" in request.body else 200
    result = invoke("watch", "site-1", "--since", "24h", "--once", "--to", hook.url, *checkpoint)
    assert (result.exit_code, len(lines(result))) == (0, 2)
    letters = Path("watch.json.dead-letters")
    assert (letters.exists(), "a finding is refused" in result.stderr) == (bool(checkpoint), not checkpoint)
    if checkpoint:
        letter = json.loads(letters.read_text())
        assert letter["reason"].endswith("answers 422")
        assert letter["extra"]["finding"] in lines(result)


@pytest.mark.once
def test_every_other_receiver_takes_findings(
    serve: Serve, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a time, an id and a severity of its own there."""
    monkeypatch.setenv("HOOK_TOKEN", SECRET)
    serve({"site-1": past("HaError", "FinishUpgradeFailure")})
    command = ("watch", "site-1", "--since", "24h", "--once", "--to")
    splunk, elastic = SplunkReceiver(), ElasticReceiver()
    splunk.token = elastic.token = SECRET
    for receiver, scheme, path in ((splunk, "splunk", ""), (elastic, "elastic", "/wan")):
        with on_thread(receiver):
            result = invoke(*command, f"{scheme}+{receiver.url}{path}", "--token-env", "HOOK_TOKEN")
        assert (result.exit_code, len(receiver.events)) == (0, 2), result.output
        sent = [dict(event.get("event", event)) for event in receiver.events]
        assert [line.pop("@timestamp", None) is None for line in sent] == [receiver is splunk] * 2
        assert sorted(line["kind"] for line in sent) == ["failed_upgrade", "ha_error"]
        assert all(line in lines(result) for line in sent)
    for scheme, path in (("loki", ""), ("otlp", "/v1/logs")):
        hook.answers = lambda _: web.json_response({})
        done = invoke(*command, f"{scheme}+http://127.0.0.1:{hook.port}{path}")
        assert (done.exit_code, len(lines(done))) == (0, 2), done.output
        assert b'"error"' in hook.requests[-1].body
        assert b"failed_upgrade" in hook.requests[-1].body


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--to", "file:x"), "--to is a place for events alone"),
        (("--to", "http://hook.example"), "unencrypted: use https, or --insecure"),
        (("--exec", "no-such-program now"), "--exec: there is no program 'no-such-program' to run"),
        (("--exec", "'half"), "--exec 'half: no closing quotation"),
        (("--exec", ""), "--exec: there is no program '' to run"),
        (("--for", "soon"), "--for soon is not a length of time"),
        (("--checkpoint", "nowhere/c.json"), "nowhere does not exist"),
    ],
)
def test_what_is_wrong_is_one_sentence(serve: Serve, invoke: Invoke, options: tuple[str, ...], says: str) -> None:
    """Nothing is asked of the API, and no file is left."""
    simulator = serve({"site-1": past()})
    result = invoke("watch", "site-1", *options)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert says in result.stderr
    assert (simulator.requests, [*Path().iterdir()]) == ([], [])


def script(text: str) -> str:
    Path("hook.py").write_text(text)
    return shlex.join([sys.executable, "hook.py", "; touch x", "$HOME"])


def test_command_gets_each_finding_on_stdin(serve: Serve, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a shell, one after the other, and without the secrets in its environment."""
    simulator = serve({"site-1": past("HaError", "FinishUpgradeFailure")})
    monkeypatch.setenv("COPIED", simulator.api_token)
    command = script(
        "import json, os, sys\n"
        "line = json.load(sys.stdin)\n"
        "print('noise')\n"
        "with open('ran', 'a') as file:\n"
        "    json.dump([line, sys.argv[1:], dict(os.environ)], file); file.write('\\n')\n"
    )
    result = invoke("watch", "site-1", "--since", "24h", "--once", "--exec", command)
    assert (result.exit_code, result.stderr) == (0, "")
    ran = [json.loads(line) for line in Path("ran").read_text().splitlines()]
    assert [line for line, _, _ in ran] == lines(result)
    assert ran[0][1] == ["; touch x", "$HOME"]
    assert simulator.api_token in os.environ.values()
    assert simulator.api_token not in ran[0][2].values()
    assert "PATH" in ran[0][2]


def test_command_that_fails_is_logged(serve: Serve, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does ends nothing: it fails, it hangs, it is gone."""
    serve({"site-1": past("HaError")})
    monkeypatch.setattr("cfevents.cli.commands.watch._EXEC_TIMEOUT_S", 0.3)
    command = ("watch", "site-1", "--since", "24h", "--once", "--exec")
    for text, fault in (("raise SystemExit(7)", "ended with status 7"), ("input(input())", "was killed after 0.3 s")):
        result = invoke(*command, script(text if "input" not in text else "import time; time.sleep(60)"))
        assert (result.exit_code, words(result)) == (0, ["opened warning ha_error"])
        assert f"cfevents: the command of --exec {fault}, for ha_error of site-1\n" in result.stderr
    Path("gone").write_text("#!/nowhere\n")
    Path("gone").chmod(0o755)
    assert "cannot be run: No such file" in invoke(*command, "./gone").stderr


def test_wait_prints_the_event_and_ends(serve: Serve, invoke: Invoke) -> None:
    """The line is that of follow. What has come already counts from --since on."""
    simulator = serve({"site-1": past("FinishUpgradeFailure")})
    kinds = ("--kind", "FinishUpgradeSuccess,finishupgradefailure")
    done = invoke("wait", "site-1", *kinds, "--since", "3h")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == invoke("follow", "site-1", *kinds, "--since", "3h", "-n", "1").stdout
    late = invoke("wait", "site-1", *kinds, "--timeout", "0.5s")
    assert (late.exit_code, late.stdout) == (124, "")
    assert late.stderr == "cfevents: no event of kind FinishUpgradeSuccess, FinishUpgradeFailure came within 0.5s\n"

    def add() -> None:
        now = int(time.time())
        simulator.add("site-1", {"e": {"k": "FinishUpgradeSuccess"}, "t": now, "n": 9, "a": now})

    threading.Timer(0.4, add).start()
    done = invoke("wait", "site-1", *kinds, "--interval", "0.2s", "--timeout", "30s", "--format", "csv", "--details")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 2)


def test_wait_keeps_an_event_when_its_time_ends_while_closing() -> None:
    """The event was there in time, whatever takes long afterwards."""

    class SlowToClose:
        async def __aiter__(self) -> AsyncIterator[str]:
            try:
                yield "event"
            finally:
                await asyncio.sleep(60)

    follower: Any = SlowToClose()
    first: Any = run_jumping(_first_event(follower, 30.0))
    assert first == "event"


def test_wait_says_what_it_does_not_know(serve: Serve, invoke: Invoke) -> None:
    """A kind that is mistyped, a connector that there is not, a signal: none of them is a success."""
    serve({"site-1": past()})
    mistyped = invoke("wait", "site-1", "--kind", "FinishUpgradeSucess", "--timeout", "0.5s")
    assert mistyped.exit_code == 124
    assert "did you mean FinishUpgradeSuccess?" in mistyped.stderr
    unknown = invoke("wait", "site-9", "--timeout", "0.5s")
    assert (unknown.exit_code, "no connector is called 'site-9'" in unknown.stderr) == (1, True)
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    interrupted = invoke("wait", "site-1")
    assert (interrupted.exit_code, interrupted.stderr) == (130, "cfevents: interrupted before it was done\n")
    assert invoke("wait", "site-1", "--timeout", "soon").exit_code == 2


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--for", "1h"), 130)])
def test_signal_ends_watch(serve: Serve, invoke: Invoke, options: tuple[str, ...], status: int) -> None:
    """It is the normal end, unless another one was asked for; a line says what is followed, also in a service's log."""
    serve({"site-1": past("HaError")})
    threading.Timer(0.8, os.kill, [os.getpid(), signal.SIGINT]).start()
    result = invoke("watch", "site-1", "--since", "24h", *options)
    assert (result.exit_code, words(result)) == (status, ["opened warning ha_error"])
    assert result.stderr.splitlines()[0] == "cfevents: following site-1, a poll every 30s"


def test_details_name_the_tunnel(serve: Serve, invoke: Invoke) -> None:
    now = int(time.time())
    start = {"e": {"k": "RekeyStart", "tunnel_id": "tunnel-7"}, "t": now - 3600, "n": 5, "a": now - 3600}
    serve({"site-1": [*past(), start]})
    command = ("watch", "site-1", "--since", "24h", "--once")
    assert [lines(invoke(*command, *more))[0]["details"].get("tunnel_id") for more in ((), ("--details",))] == [
        None,
        "tunnel-7",
    ]
