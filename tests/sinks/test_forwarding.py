"""The delivery: nothing is lost between the API and a sink, whatever fails or ends in between."""

import asyncio
import errno
import json
import logging
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.arriving import BEGIN, Arriving, ArrivingAPI
from support.following import run

from cfevents import ArchiveError, Batch, CheckpointError, Client, ConfigurationError, SinkError
from cfevents.sinks import KeepingSink, RefusedEvent, Sink, forward
from cfevents.storage import NDJSONFile

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS: dict[str, list[Arriving]] = {"c1": [(BEGIN - 60 + n, n, BEGIN - 50 + n) for n in range(5)]}
LATER: dict[str, list[Arriving]] = {"c1": [*EVENTS["c1"], (BEGIN + 90, 9, BEGIN + 90)]}


class Kept(Sink):
    """Keeps the sequence numbers of what is delivered; fails before it as often as errors are given."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.numbers, self.errors, self.attempts = list[int](), list(errors), list[float]()
        self.takes_s, self.began = 0.0, asyncio.Event()
        self.refuses: Callable[[int], bool] = lambda _: False

    async def write(self, batch: Batch[Any]) -> list[RefusedEvent]:
        self.attempts.append(asyncio.get_running_loop().time())
        self.began.set()
        await asyncio.sleep(self.takes_s)
        if error := self.errors.pop(0) if self.errors else None:
            raise error
        numbers = [item.event.sequence for item in batch.items]
        self.numbers += [number for number in numbers if not self.refuses(number)]
        return [RefusedEvent(item, "too large") for item in batch.items if self.refuses(item.event.sequence)]


def down(**more: Any) -> SinkError:
    return SinkError("the receiver is down", is_temporary=True, **more)


def delivered(
    sink: Sink, *, events: dict[str, list[Arriving]] = EVENTS, kind: str | None = None, **options: Any
) -> None:
    """Deliver what there is, once."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(["c1"], since=BEGIN - 3600, kind=kind)
        async with sink:
            await forward(follower.once(), sink, **options)

    run(scenario, events)


def test_sink_of_ones_own_gets_each_event_once(tmp_path: Path) -> None:
    """The next run goes on where the checkpoint ends."""
    sink, state = Kept(), tmp_path / "state.json"
    delivered(sink, checkpoint=state)
    assert sink.numbers == [0, 1, 2, 3, 4]
    delivered(sink, checkpoint=state, events=LATER)
    assert sink.numbers == [0, 1, 2, 3, 4]
    assert not (tmp_path / "state.json.dead-letters").exists()


def test_beginning_is_stored_before_there_is_an_event(tmp_path: Path) -> None:
    delivered(Kept(), checkpoint=tmp_path / "state.json", events={"c1": []})
    assert json.loads((tmp_path / "state.json").read_text())["since"] == BEGIN - 3600


def test_batch_that_failed_comes_again_in_the_next_run(tmp_path: Path) -> None:
    """The checkpoint is stored only when the batch is there."""
    state = tmp_path / "state.json"
    with pytest.raises(SinkError, match="no access"):
        delivered(Kept(SinkError("no access")), checkpoint=state)
    sink = Kept()
    delivered(sink, checkpoint=state)
    assert sink.numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [down(), ConnectionResetError("reset"), TimeoutError()])
def test_receiver_that_is_down_is_tried_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Waits grow up to a minute, the log does not fill, and each event is there once."""
    sink = Kept(*[error] * 40)
    delivered(sink)
    waits = [later - earlier for earlier, later in zip(sink.attempts, sink.attempts[1:], strict=False)]
    assert sink.numbers == [0, 1, 2, 3, 4]
    assert 5 < max(waits) <= 61
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 7  # after 1, 2, 4, 8, 16 and 32 failures, and at the end
    assert told[-1] == "delivered after 40 failures"
    assert re.search(r"nothing is lost, trying again (at once|in [1-9]\d* s)$", told[0])


def test_receiver_is_not_asked_before_it_wants() -> None:
    sink = Kept(down(retry_after=300))
    delivered(sink)
    assert 300 <= sink.attempts[1] - sink.attempts[0] < 302


def test_patience_ends_with_the_receivers_error(tmp_path: Path) -> None:
    sink = Kept(*[down()] * 1000)
    with pytest.raises(SinkError, match="is down"):
        delivered(sink, patience="10min", checkpoint=tmp_path / "state.json")
    assert 400 < sink.attempts[-1] - sink.attempts[0] <= 600


def test_follower_waits_for_the_receiver() -> None:
    """While the receiver is down, the API is not asked for events that nobody takes."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        sink = Kept(*[down(retry_after=1000)] * 3)
        task = asyncio.create_task(forward(client.follow_events(["c1"], since=BEGIN - 3600), sink))
        await asyncio.sleep(60)
        before = client.usage.sent
        await asyncio.sleep(2900)
        assert client.usage.sent - before <= 3
        await asyncio.sleep(600)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sink.numbers == [*range(170)]

    run(scenario, {"c1": [(BEGIN + 20 * n, n, BEGIN + 20 * n) for n in range(170)]})


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("takes_s", "arrives"), [(0.4, True), (600, False)])
def test_cancellation_lets_what_is_written_arrive(tmp_path: Path, takes_s: float, arrives: bool, times: int) -> None:
    """What arrives within half a second is in the checkpoint, however often it is cancelled; the rest comes again."""
    state, sink, again = tmp_path / "state.json", Kept(), Kept()
    sink.takes_s = takes_s

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(forward(client.follow_events(["c1"], since=BEGIN - 3600), sink, checkpoint=state))
        await sink.began.wait()
        began = loop.time()
        for __ in range(times):
            task.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.time() - began < 0.8

    run(scenario, EVENTS)
    delivered(again, checkpoint=state)
    assert (sink.numbers, again.numbers) == (([0, 1, 2, 3, 4], []) if arrives else ([], [0, 1, 2, 3, 4]))


def test_cancellation_between_attempts_ends_at_once() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        sink, loop = Kept(down(retry_after=3600)), asyncio.get_running_loop()
        task = asyncio.create_task(forward(client.follow_events(["c1"], since=BEGIN - 3600), sink))
        await sink.began.wait()
        await asyncio.sleep(1)
        task.cancel()
        began = loop.time()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.time() - began < 0.1

    run(scenario, EVENTS)


def test_refused_event_is_put_aside_with_the_reason(tmp_path: Path) -> None:
    """The file is its owner's alone, and the others are delivered."""
    sink, letters = Kept(), tmp_path / "state.json.dead-letters"
    sink.refuses = lambda number: number == 3
    delivered(sink, checkpoint=tmp_path / "state.json")
    assert sink.numbers == [0, 1, 2, 4]
    (line,) = map(json.loads, letters.read_text().splitlines())
    assert (line["reason"], line["connector_id"], line["id"]) == ("too large", "c1", f"{BEGIN - 57}.3")
    assert stat.S_IMODE(letters.stat().st_mode) == 0o600


def test_refused_event_without_a_file_ends_the_delivery() -> None:
    sink = Kept()
    sink.refuses = lambda number: number == 3
    with pytest.raises(SinkError, match="too large: name a file for dead letters"):
        delivered(sink)


def test_full_disk_for_dead_letters_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a line is taken back, and the batch comes again when there is room."""
    sink, letters, state = Kept(), tmp_path / "letters", tmp_path / "state.json"
    letters.write_text("before\n")
    sink.refuses = lambda number: number > 2
    write, written = os.write, list[int]()

    def fill(descriptor: int, data: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(write(descriptor, data[:90] if b"refused_at" in bytes(data) else data))
        return written[-1] if written[-1] == 90 else written.pop()

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill)
        with pytest.raises(ArchiveError, match=r"letters cannot be written: the disk is full.*nothing is lost"):
            delivered(sink, checkpoint=state, dead_letters=letters)
    assert letters.read_text() == "before\n"
    again = Kept()
    again.refuses = sink.refuses
    delivered(again, checkpoint=state, dead_letters=letters)
    assert (again.numbers, len(letters.read_text().splitlines())) == ([0, 1, 2], 3)


async def test_sink_may_keep_the_checkpoint_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file of lines resumes by itself; the file for a checkpoint is not used, which the log says."""
    caplog.set_level(logging.INFO)
    file, state = NDJSONFile(tmp_path / "events.ndjson"), tmp_path / "state.json"
    assert isinstance(file, KeepingSink)
    assert not isinstance(Kept(), KeepingSink)
    await asyncio.to_thread(delivered, file, checkpoint=state)
    await asyncio.to_thread(delivered, NDJSONFile(tmp_path / "events.ndjson"))
    lines = [json.loads(line)["sequence"] for line in (tmp_path / "events.ndjson").read_text().splitlines()]
    assert (lines, state.exists()) == ([0, 1, 2, 3, 4], False)
    assert f"the checkpoint is kept with the events: {state} is not used" in caplog.text
    assert caplog.text.count("going on where the checkpoint ends; since= has no effect") == 1


def test_checkpoint_of_another_following_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    delivered(Kept(), checkpoint=state)
    with pytest.raises(CheckpointError, match="its kind is None"):
        delivered(Kept(), checkpoint=state, kind="Init")
    state.write_text("{")
    with pytest.raises(CheckpointError, match="invalid checkpoint"):
        delivered(Kept(), checkpoint=state)


def test_two_deliveries_with_one_checkpoint_are_kept_apart(tmp_path: Path) -> None:
    class Nested(Kept):
        async def write(self, batch: Batch[Any]) -> list[RefusedEvent]:
            with pytest.raises(ArchiveError, match="another process uses the checkpoint"):
                await asyncio.to_thread(delivered, Kept(), checkpoint=tmp_path / "state.json")
            return await super().write(batch)

    delivered(sink := Nested(), checkpoint=tmp_path / "state.json")
    assert sink.numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "error"),
    [({"patience": "soon"}, ValueError), ({"checkpoint": "/nowhere/state.json"}, ArchiveError)],
)
def test_wrong_arguments_fail_before_anything_is_sent(options: Any, error: type[Exception]) -> None:
    sink = Kept()
    with pytest.raises(error):
        delivered(sink, **options)
    assert sink.attempts == []


def test_dead_letters_in_the_file_of_the_checkpoint_are_refused(tmp_path: Path) -> None:
    """The next checkpoint would replace them."""
    sink, state, link = Kept(), tmp_path / "state.json", tmp_path / "link"
    link.symlink_to(state)
    for letters in state, link:
        with pytest.raises(ValueError, match="dead_letters and checkpoint are the same file: give each its own"):
            delivered(sink, checkpoint=state, dead_letters=letters)
    assert (sink.attempts, state.exists()) == ([], False)


def test_error_of_the_client_is_no_outage_of_the_sink() -> None:
    sink = Kept(ConfigurationError("the client was closed"))
    with pytest.raises(ConfigurationError):
        delivered(sink)
    assert len(sink.attempts) == 1
