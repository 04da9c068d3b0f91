"""What forward delivers, how it ends, and what it says about an address that is wrong."""

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from aiohttp import web
from click.testing import Result
from support.receivers import Hook, Received, on_thread

from cfevents import Retry
from cfevents.cli.app import app
from cfevents.sinks.formats import FORMATS
from cfevents.sinks.urls import SCHEMES
from cfevents.testing import ElasticReceiver, LokiReceiver, Simulator, SplunkReceiver

if TYPE_CHECKING:
    import subprocess

Invoke = Callable[..., Result]
SECRET = "header-secret-55dd"
SINCE = ("--since", "2026-01-01", "--once")
IDS = ["1767225600.0", "1767225660.0", "1767225660.1", "1767225720.0"]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with on_thread(Hook()) as running:
        yield running


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SINK_TOKEN", SECRET)


def files() -> list[str]:
    return [path.name for path in Path().iterdir()]


def test_file_has_the_lines_of_follow(account: Simulator, invoke: Invoke) -> None:
    """It has each once, also after a second run, and no other option is needed."""
    first = invoke("forward", "site-1", "--to", "file:events.ndjson", *SINCE)
    assert (first.exit_code, first.stdout) == (0, "4 events delivered to events.ndjson\n"), first.stderr
    assert "--since" not in first.stderr
    again = invoke("forward", "site-1", "--to", "file:events.ndjson", *SINCE)
    assert again.stdout.startswith("0 events")
    assert again.stderr == "cfevents: going on where the checkpoint ends; --since has no effect\n"
    once = invoke("forward", "site-1", "--to", "file:events.ndjson", "--once")
    assert once.stderr == "cfevents: going on where the checkpoint ends\n"
    lines = [json.loads(line) for line in Path("events.ndjson").read_text().splitlines()]
    assert [line["id"] for line in lines] == IDS
    assert account.requests


def test_new_events_of_a_table_are_counted(
    account: Simulator, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database may have some of them already, and then says how many it had not."""
    assert account
    monkeypatch.setattr("cfevents.sinks.webhook.Webhook.stored", 3, raising=False)
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE)
    assert done.stdout == f"4 events delivered to Webhook http://127.0.0.1:{hook.port}, 3 of them new\n"


def test_webhook_gets_each_event_and_the_secrets(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    """Kinds and payloads are chosen as by follow; the secrets come from variables, and show nowhere."""
    account.add("site-1")
    command = ("forward", "site-1", "--to", f"json+{hook.url}/{SECRET}", *SINCE, "--checkpoint", "state.json")
    options = ("--token-env", "SINK_TOKEN", "--header-env", "X-Key=SINK_TOKEN", "--gzip")
    chosen = ("--exclude", "Reconcile", "--details", "--debug")
    first = invoke(*command, *options, *chosen)
    assert first.stdout == f"3 events delivered to Webhook http://127.0.0.1:{hook.port}\n"
    assert hook.taken == [IDS[0], IDS[1], IDS[3]]
    sent = hook.requests[-1]
    assert sent.events[1]["event"] == {"k": "RekeyStart", "tunnel_id": "tunnel-1", "peer": None}
    assert (sent.headers["authorization"], sent.headers["x-key"]) == (f"Bearer {SECRET}", SECRET)
    assert sent.headers["content-encoding"] == "gzip"
    assert SECRET not in first.output
    assert invoke(*command, *options, *chosen).stdout.startswith("0 events")
    other = invoke(*command, *options)
    assert (other.exit_code, "state.json is of --exclude Reconcile, and this is no --kind" in other.stderr) == (2, True)


def test_format_is_that_of_the_receiver(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    (option,) = (option for option in app.commands["forward"].params if option.name == "format_")
    assert isinstance(option.type, click.Choice)
    assert (tuple(option.type.choices), bool(account)) == (tuple(FORMATS), True)
    for format_ in "ECS", "cfevents":
        assert invoke("forward", "site-1", "--to", hook.url, *SINCE, "--format", format_).exit_code == 0
    in_ecs, ours = (hook.requests[place].events for place in (1, 3))
    assert [event["event"]["id"] for event in in_ecs] == [f"site-1/{name}" for name in IDS]
    assert [event["id"] for event in ours] == IDS


def test_token_may_be_in_a_file(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    Path("token").write_text(f"{SECRET}\n")
    assert account
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE, "--token-file", "token", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    assert hook.requests[-1].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--to is missing"),
        (("--to", "kafka://broker"), "--to is of no known form: write postgresql://, file:, elastic+https://"),
        (("--to", "elastic+https://es"), "--to names no index: write elastic+https://HOST/INDEX"),
        (
            ("--to", "splunk+https://h?idx=a"),
            "--to has parameters other than index, source, sourcetype, host, each once: leave the rest out",
        ),
        (("--to", "http://hook.example"), "unencrypted: use https, or --insecure"),
        (("--to", f"https://me:{SECRET}@hook.example"), "leave it out, and give --token-env or --header-env"),
        (("--to", f"postgresql://me:{SECRET}@db/t?table=e"), "set PGPASSWORD, write ~/.pgpass or give --token-env"),
        (("--to", "postgresql://db/t"), "--to names no table: write postgresql://HOST/DATABASE?table=NAME"),
        (("--to", "postgresql://db/t?table=e&sslmode=allow"), "may go without TLS: use require, or --insecure"),
        (("--to", "https://h", "--token-env", SECRET), "--token-env names no variable that is set: write NAME"),
        (("--to", "https://h", "--header-env", SECRET), "write 'X-Key=NAME', with a name and not with the value"),
        (("--to", "https://h", "--token-env", "A", "--token-file", "b"), "File 'b' does not exist"),
        (("--to", "https://h", "--token-env", "A", "--token-file", __file__), "exclude each other"),
        (("--to", "https://h", "--checkpoint", "nowhere/state.json"), "nowhere does not exist"),
        (
            ("--to", "https://h", "--checkpoint", "a.json", "--dead-letters", "./a.json"),
            "--dead-letters and --checkpoint are the same file: give each its own",
        ),
        (("--to", "file:nowhere/events.ndjson"), "nowhere does not exist: make it first"),
        (("--to", "https://h", "--dead-letters", "nowhere/dead"), "nowhere does not exist: make it first"),
        (("--to", "https://h", "--metrics", "nowhere/fwd.prom"), "nowhere does not exist: make it first"),
        (("--to", "file:e", "--gzip"), "--to is file:…, where --gzip has no use: leave it out"),
        (("--to", "file:e", "--format", "ecs"), "--to is file:…, where --format has no use: leave it out"),
        (
            ("--to", "file:e", "--token-env", "SINK_TOKEN", "--header-env", "X=SINK_TOKEN", "--insecure"),
            "where --token-env or --token-file, --header-env, --insecure has no use",
        ),
        (("--to", "https://h", "--token-env", "BROKEN"), "the token holds a character that no header can have"),
        (("--to", "https://h", "--token-file", os.devnull), "the token is empty"),
        (("--to", "https://h", "--header-env", "=SINK_TOKEN"), "--header-env has a name that no header can have"),
        (("--to", "https://h", "--header-env", "X Key=SINK_TOKEN"), "--header-env has a name that no header can have"),
        (
            ("--to", "https://h", "--token-env", "SINK_TOKEN", "--header-env", "Authorization=SINK_TOKEN"),
            "--header-env: the token is sent as Authorization, so give one of the two",
        ),
        (("--to", "https://h", "--format", "cef"), "--format"),
        (("--to", "file:e", "--interval", "soon"), "--interval soon is not a length of time"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    account: Simulator, invoke: Invoke, options: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of the API, no file is left, and no secret is repeated."""
    account.requests.clear()
    monkeypatch.setenv("BROKEN", "half\nof it")
    done = invoke("forward", "site-1", *SINCE, *options)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr
    assert SECRET not in done.output
    assert (account.requests, files()) == ([], [])


@pytest.mark.parametrize(("command", "variable"), [("forward", "CFEVENTS_TO"), ("watch", "CFEVENTS_WATCH_TO")])
def test_variable_with_a_wrong_address_is_named(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str, variable: str
) -> None:
    """The option is named where it was given."""
    monkeypatch.setenv(variable, "postgresql://db/t")
    assert invoke(command, "site-1", "--once").stderr.startswith(f"cfevents: {variable} names no table")
    monkeypatch.setenv(variable, "file:nowhere/events.ndjson")
    assert invoke(command, "site-1", "--once").stderr.startswith(f"cfevents: {variable}")
    assert invoke(command, "site-1", "--once", "--to", "https:").stderr.startswith("cfevents: --to names no host")


def test_missing_extra_is_one_sentence(account: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    done = invoke("forward", "site-1", *SINCE, "--to", "postgresql:///t?table=e")
    assert done.exit_code == 2
    assert done.stderr == "cfevents: asyncpg is not installed: pip install 'cfevents[postgres]'\n"
    assert account.requests == []


def test_splunk_elasticsearch_and_loki_get_each_event(account: Simulator, invoke: Invoke) -> None:
    """The token goes into the header that each of them wants, and what is refused into the dead letters."""
    assert account
    splunk, elastic, loki = (
        SplunkReceiver(confirms=True),
        ElasticReceiver(is_data_stream=True),
        LokiReceiver(present=1767225720),
    )
    splunk.token = elastic.token = loki.token = SECRET
    splunk.refuses = lambda event: 6 if event["event"]["kind"] == "Novelty" else None
    elastic.refuses = loki.refuses = lambda line: 400 if line["kind"] == "Novelty" else None
    options = ("--token-env", "SINK_TOKEN", "--gzip")
    sinks = (splunk, "splunk", "?index=wan"), (elastic, "elastic", "/wan"), (loki, "loki", "?job=wan")
    for receiver, scheme, path in sinks:
        with on_thread(receiver):
            to, state = f"{scheme}+{receiver.url}{path}", f"{scheme}.json"
            done = invoke("forward", "site-1", "--to", to, *SINCE, *options, "--checkpoint", state)
        name, url = scheme.title(), receiver.url
        assert (done.exit_code, done.stdout) == (0, f"3 events delivered to {name} {url}, 1 refused\n")
        letters = Path(f"{state}.dead-letters").read_text().splitlines()
        there = {json.dumps(event) for event in receiver.events}
        assert (len(there), [json.loads(line)["kind"] for line in letters]) == (3, ["Novelty"])
        assert SECRET not in done.output + "".join(letters)


@pytest.mark.parametrize(("status", "says"), [(401, "check --token-env and --header-env"), (404, "check the address")])
def test_receiver_that_refuses_ends_it_at_once(
    account: Simulator, invoke: Invoke, hook: Hook, status: int, says: str
) -> None:
    """It is known before anything is asked of the API."""
    hook.answers = lambda _: status
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE, "--checkpoint", "state.json")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert says in done.stderr
    assert (account.requests, files()) == ([], [])


def test_receiver_that_stays_down_loses_nothing(
    account: Simulator, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job ends, after it was tried again, and the next one delivers."""

    def answer(_: Received) -> web.Response:
        wait_s = 0 if len(hook.requests) < 7 else 1000
        return web.Response(status=503, headers={"Retry-After": str(wait_s)})

    monkeypatch.setattr("cfevents.sinks.forwarding._BACKOFF", Retry(backoff_max=0.01))
    command = ("forward", "site-1", "--to", hook.url, *SINCE, "--checkpoint", "state.json")
    hook.answers = answer
    done = invoke(*command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search("answers 503; nothing is lost, trying again .*, for up to 15min", done.stderr)
    assert done.stderr.count("for up to") == 1
    assert (len(hook.requests), hook.taken) == (1 + 6, [])
    hook.answers = lambda _: 200
    assert invoke(*command).stdout.startswith("4 events")
    assert (hook.taken, len(account.requests) > 0) == (IDS, True)


def test_refused_event_is_in_the_dead_letters(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    """By default they are beside the checkpoint; without a file the command ends, and says how to go on."""
    assert account
    hook.answers = lambda request: 422 if b"Novelty" in request.body else 200
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE)
    assert (done.exit_code, "name a file by --dead-letters" in done.stderr) == (1, True)
    hook.requests.clear()
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE, "--checkpoint", "state.json")
    assert done.exit_code == 0
    assert "1 refused, now in " in done.stderr
    assert json.loads(Path("state.json.dead-letters").read_text())["id"] == IDS[3]
    assert hook.taken == IDS[:3]


def test_api_that_refuses_leaves_no_file(
    account: Simulator, invoke: Invoke, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "arg-token-33bb")
    identifier = "0" * 32
    for to in ("file:events.ndjson", hook.url):
        done = invoke("forward", identifier, "--to", to, *SINCE, "--checkpoint", "state.json")
        assert (done.exit_code, "the credentials are refused" in done.stderr) == (1, True)
        assert [name for name in files() if not name.endswith(".lock")] == []
    assert account.requests


def test_checkpoint_without_use_says_what_to_name(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    assert account
    Path("state.json").write_text("{}")
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE, "--checkpoint", "state.json")
    assert (done.exit_code, done.stderr.endswith("to start afresh, name another file\n")) == (1, True)
    assert invoke("forward", "--all", "--to", "file:e.ndjson", *SINCE).exit_code == 0
    done = invoke("forward", "site-1", "--to", "file:e.ndjson", *SINCE)
    assert (done.exit_code, done.stderr.endswith("or name another file, for the events too\n")) == (2, True)


def test_note_says_that_a_checkpoint_is_missing(account: Simulator, invoke: Invoke, hook: Hook) -> None:
    assert account
    done = invoke("forward", "site-1", "--to", hook.url, *SINCE)
    assert done.stderr == "cfevents: without --checkpoint, the next run begins at --since again\n"


def test_signal_ends_it_after_what_is_delivered(
    account: Simulator, start: Callable[..., "subprocess.Popen[str]"], hook: Hook
) -> None:
    """SIGTERM is the normal end: status 0, and the checkpoint is that of what was delivered."""
    process = start("forward", "site-1", "--to", hook.url, "--since", "2026-01-01", "--checkpoint", "state.json")
    for _ in range(500):
        if len(hook.taken) == 4 and "1767225720" in Path("state.json").read_text():
            break
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert (process.wait(timeout=30), bool(account)) == (0, True)
    assert time.monotonic() - began < 2


def test_service_says_what_it_does_and_has_done(
    account: Simulator, start: Callable[..., "subprocess.Popen[str]"], hook: Hook
) -> None:
    """A line when it begins, one when it goes on, and one at the end, however many batches there are."""
    command = ("forward", "site-1", "--to", hook.url, "--since", "2026-01-01", "--checkpoint", "state.json")
    name = f"Webhook http://127.0.0.1:{hook.port}"
    begins = f"cfevents: following site-1, a poll every 30s, stored in {name}\n"
    goes_on = "cfevents: going on where the checkpoint ends; --since has no effect\n"
    for expected, options, says, done in (
        (4, (), begins, f"4 events delivered to {name}\n"),
        (5, (), begins + goes_on, f"1 event delivered to {name}\n"),
        (6, ("--quiet",), "", ""),
    ):
        process = start(*command, *options)
        for _ in range(500):
            if len(hook.taken) == expected:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stderr, stdout, len(hook.taken)) == (0, says, done, expected)
        at = int(time.time()) - 60
        account.add("site-1", {"e": {"k": "Init"}, "t": at, "n": expected, "a": at})


@pytest.mark.parametrize("is_down", [True, False])
def test_signal_ends_an_attempt_soon(
    account: Simulator, start: Callable[..., "subprocess.Popen[str]"], hook: Hook, is_down: bool
) -> None:
    """Neither a receiver that is down nor one that does not answer is waited for; the events come again."""
    asked, ended = threading.Event(), threading.Event()

    def answer(request: Received) -> int:
        if request.body:
            asked.set()
            ended.wait(0 if is_down else 10)
        return 503 if is_down and request.body else 200

    hook.answers = answer
    command = ("forward", "site-1", "--to", hook.url, "--since", "2026-01-01", "--checkpoint", "state.json")
    process = start(*command)
    assert asked.wait(10)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    ended.set()
    assert (process.returncode, "Traceback" in stderr, bool(account)) == (0, False, True)
    assert time.monotonic() - began < 2
    assert '"connectors":{}' in Path("state.json").read_text()


def test_values_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginnings of addresses and the names of variables, also behind a header."""
    monkeypatch.setenv("SINK_KEY", "x")
    command = app.commands["forward"]
    context = click.Context(command)
    options: dict[str, Any] = {option.name or "": option for option in command.params}

    def completed(option: str, begun: str) -> list[str]:
        return [item.value for item in options[option].shell_complete(context, begun)]

    assert completed("to", "") == [*SCHEMES]
    assert completed("to", "p") == ["postgresql://"]
    assert completed("token_env", "SINK_") == ["SINK_KEY", "SINK_TOKEN"]
    assert completed("header_envs", "X-Key=SINK_K") == ["X-Key=SINK_KEY"]


def test_help_fits_a_screen(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert len(invoke("forward", "--help").stdout.splitlines()) <= 40
