"""What follow says on a terminal: what it follows, and that it lives; nowhere else."""

import asyncio
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from support.arriving import BEGIN, ArrivingAPI
from support.following import run
from support.terminal import shown_by

from cfevents._time import to_datetime
from cfevents.cli.commands.follow import Life, beginning
from cfevents.cli.console.output import Zone
from cfevents.cli.options import CommandOptions

if TYPE_CHECKING:
    from cfevents import Client
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]

OPTIONS = CommandOptions(interval="30s")


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize(
    ("options", "connectors", "says"),
    [
        (OPTIONS, ["a"], "following a, from BEGIN on, a poll every 30s"),
        (OPTIONS._replace(kinds=("Init", "Leave")), ["a"], "following a, events of kind Init, Leave, from "),
        (OPTIONS, list("abcdefg"), "following a, b, c, d, e, and 2 more, "),
        (OPTIONS, None, "following all connectors of the account, "),
        (OPTIONS._replace(output="x.ndjson"), ["a"], " 30s, stored in x.ndjson"),
    ],
)
def test_what_is_followed_is_one_sentence(
    options: CommandOptions, connectors: Any, says: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how to end it where there is somebody who can."""
    monkeypatch.setattr("cfevents.cli.commands.follow.can_show", lambda: is_terminal)

    async def scenario(_: ArrivingAPI, client: "Client") -> None:
        followed = client.fleet() if connectors is None else connectors
        start = client.follow_events(followed, since=BEGIN - 60).checkpoint
        begin = Zone().named_time(to_datetime(BEGIN - 60))
        sentence = beginning(start, options, is_resumed=False)
        assert (says.replace("BEGIN", begin) in sentence, sentence.endswith("; Ctrl-C ends it")) == (True, is_terminal)
        resumed = beginning(start, options._replace(checkpoint="c.json"), is_resumed=True)
        assert ", from where c.json ends, " in resumed

    run(scenario, {"a": []})


def test_its_life_is_the_last_and_the_next_poll() -> None:
    """The text has the connectors, the events, those that fail, and when it was and will be read."""
    texts = list[str]()

    async def scenario(api: ArrivingAPI, client: "Client") -> None:
        life = Life(client.follow_events(["a", "b"], since=BEGIN - 60, interval=30))
        api.fails = lambda request: 404 if "/b/" in request.path else None
        texts.append(life.text())

        async def read() -> None:
            async for _ in life.follower.batches():
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(12)
        texts.append(life.text())
        await life.follower.aclose()
        await task

    run(scenario, {"a": [(BEGIN - 10, 0, BEGIN - 10)]})
    assert texts[0] == "0 connectors, 0 events so far, polling now"
    known = r"2 connectors, 1 of them failing, 1 event so far, read 1[12]s ago, next poll in (1[5-9]|2\d)s"
    assert re.fullmatch(known, texts[1]), texts


def test_a_terminal_shows_that_it_lives_between_rows(account: "Simulator", tmp_path: Path) -> None:
    """The beginning, the status line and its end; the output has rows alone."""
    account.add("site-1", {"e": {"k": "Init"}, "t": 1767225900, "n": 0})
    with (tmp_path / "rows").open("w") as rows:
        script = ("follow", "site-1", "--since", "2026-01-01T00:00:00Z", "--interval", "0.1s")
        shown = shown_by(script, {"stdout": rows, "stderr": None}, {}, "5 events so far, read 0s ago")
    assert shown.startswith("cfevents: following site-1, from 2026-01-01 00:00:00 UTC on, a poll every")
    assert re.search(r"\r1 connector, 5 events so far, read \ds ago", shown)
    assert shown.endswith("\r\x1b[0K\r")
    assert (tmp_path / "rows").read_text().count("\n") == 5


def test_what_goes_on_without_a_connector_says_what_to_do(
    account: "Simulator", invoke: Invoke, caplog: pytest.LogCaptureFixture
) -> None:
    """A connector that cannot be read is named with how often it is tried again, and with advice."""
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    result = invoke("follow", "nobody", "site-1")
    assert result.exit_code == 0
    assert result.stderr.startswith("cfevents: cannot read connector nobody, retrying every 15min: ")
    assert result.stderr.endswith("; no connector is called 'nobody'; 'cfevents connectors' lists them\n")
