"""The file of lines: appended to, its checkpoint after it, each event once."""

import asyncio
import json
import os
import pickle
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, details, listed, with_payload
from support.brief import examples

from cfevents import ArchiveError, Client, EventDetail, unstructure
from cfevents._files import atomic_write
from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._model.results import FollowedEvent
from cfevents.storage import NDJSONFile, append_log
from cfevents.storage.append_log import AppendLog
from cfevents.testing import Simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".checkpoint")


def seconds(*paths: Path) -> list[int]:
    """When the events of files were recorded, in the order of their lines."""
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [line["recorded_ts"] - BEGIN for line in lines]


def following(*times: int) -> "list[Batch[Any]]":
    """A batch for each time, each with the state after those before it."""
    batches: list[Batch[Any]] = []
    for time_ in times:
        after = batches[-1].checkpoint if batches else None
        batches.append(batch([listed(BEGIN + time_)], after=after))
    return batches


async def write(path: Path, *batches: Batch[Any]) -> None:
    async with NDJSONFile(path) as file:
        for next_batch in batches:
            await file.write(next_batch)


async def test_line_is_an_object_and_checkpoint_is_beside_file(path: Path) -> None:
    """A line is an object and the checkpoint is kept beside the file."""
    async with NDJSONFile(path) as file:
        assert file.checkpoint is None
        first = batch([listed(BEGIN)])
        await file.write(first)
        assert file.checkpoint == first.checkpoint.to_json()
        assert repr(file) == f"<NDJSONFile {str(path)!r}, open>"
    assert json.loads(path.read_text()) == {
        "connector_id": "c1",
        "id": "1700000000.0",
        "kind": "Init",
        "recorded_at": "2023-11-14T22:13:20Z",
        "collected_at": "2023-11-14T22:13:23Z",
        "recorded_ts": BEGIN,
        "sequence": 0,
        "collected_ts": BEGIN + 3,
        "late": False,
    }
    with NDJSONFile(path) as again:
        assert again.checkpoint == first.checkpoint.to_json()
    assert repr(again) == f"<NDJSONFile {str(path)!r}, not open>"


async def test_line_has_payload_or_null(path: Path) -> None:
    """A payload stands in the line and null where it was not to be had."""
    had, not_had = with_payload(listed(BEGIN)), EventDetail(listed(10**12), None)
    await write(path, batch([had, not_had]))
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["version"], first["event"]) == ("1.2", {"k": "StartUpgrade", "url": "https://u"})
    assert (second["version"], second["event"], second["recorded_at"]) == (None, None, None)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(details(), max_size=4))
def test_every_event_becomes_one_line_of_json_that_tells_it(tmp_path: Path, these: list[EventDetail]) -> None:
    path = tmp_path / "events.ndjson"
    path.unlink(missing_ok=True)
    asyncio.run(write(path, batch(these)))
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert [(line["kind"], line["recorded_ts"], line["sequence"], line["collected_ts"]) for line in lines] == [
        (detail.metadata.kind, detail.metadata.recorded_ts, detail.metadata.sequence, detail.metadata.collected_ts)
        for detail in these
    ]
    assert [line.get("extra", {}) for line in lines] == [
        detail.metadata.extra | ({} if detail.recorded is None else detail.recorded.extra) for detail in these
    ]
    payloads = [None if detail.recorded is None else unstructure(detail.recorded.event) for detail in these]
    assert [line["event"] for line in lines] == payloads


def test_what_goes_before_the_checkpoint_is_cut_off_after_a_kill(path: Path) -> None:
    first, second, third = following(0, 1, 2)
    asyncio.run(write(path, first, second))
    with path.open("ab") as file:
        file.write(b'{"recorded_ts": 1700000002}\n{"recor')
    asyncio.run(write(path, third))
    assert seconds(path) == [0, 1, 2]


@pytest.mark.parametrize("moment", range(28))
def test_kill_at_any_step_leaves_each_event_once(path: Path, moment: int) -> None:
    """Each step that reaches the disk is the last one once; the process that comes after it goes on."""
    batches = following(0, 1, 2, 3)
    steps = iter(range(1000))

    class KilledError(BaseException):
        pass

    def killed(call: Callable[..., Any]) -> Callable[..., Any]:
        def stopping(*arguments: Any) -> Any:
            if next(steps) == moment:
                raise KilledError
            return call(*arguments)

        return stopping

    file = AppendLog(path, beside(path))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(append_log, "atomic_write", killed(atomic_write))
        patch.setattr(os, "fsync", killed(os.fsync))
        patch.setattr(os, "write", killed(lambda file, data: os.writev(file, [data[: len(data) // 2 + 1]])))
        for next_batch in batches:
            file.append(f"{next_batch.items[0].event.recorded_ts}\n".encode(), next_batch.checkpoint.to_json())
    file = AppendLog(path, beside(path))
    file.open()
    reached = FollowCheckpoint.from_json(file.checkpoint).of("c1").newest if file.checkpoint else BEGIN - 1
    for next_batch in batches:
        if next_batch.items[0].event.recorded_ts > (reached or 0):
            file.append(f"{next_batch.items[0].event.recorded_ts}\n".encode(), next_batch.checkpoint.to_json())
    file.close()
    assert path.read_text() == "".join(f"{BEGIN + number}\n" for number in range(4))


def test_a_file_that_was_moved_away_is_followed_by_a_new_one(path: Path, tmp_path: Path) -> None:
    first, second, third, fourth = following(0, 1, 2, 3)

    async def main() -> None:
        async with NDJSONFile(path) as file:
            await file.write(first)
            path.rename(tmp_path / "moved")
            await file.write(second)
            assert seconds(path) == [1]
            path.rename(tmp_path / "moved.2")
            path.touch()
            await file.write(third)
        path.rename(tmp_path / "moved.3")
        await write(path, fourth)

    asyncio.run(main())
    assert [seconds(tmp_path / name) for name in ("moved", "moved.2", "moved.3")] == [[0], [1], [2]]
    assert seconds(path) == [3]


def test_moved_file_keeps_nothing_that_is_written_again(path: Path) -> None:
    """A file that was moved away after a kill keeps nothing that is written again."""
    first, second = following(0, 1)
    asyncio.run(write(path, first))
    line = path.read_bytes()
    with path.open("ab") as file:
        file.write(b"left by a kill\n")
    moved = path.with_name("events.ndjson.1")
    path.rename(moved)
    other = path.with_name("events.ndjson.2")
    other.write_bytes(b"another file\n" * 99)
    asyncio.run(write(path, second))
    assert (moved.read_bytes(), seconds(path)) == (line, [1])
    assert len(other.read_bytes()) == 13 * 99


def test_emptied_file_is_appended_to_from_its_start(path: Path) -> None:
    """A file that is emptied in place is appended to from its start."""
    first, second, third, fourth = following(0, 1, 2, 3)

    async def main() -> None:
        async with NDJSONFile(path) as file:
            await file.write(first)
            os.truncate(path, 0)
            await file.write(second)
            assert seconds(path) == [1]
        os.truncate(path, 0)
        await write(path, third, fourth)

    asyncio.run(main())
    assert seconds(path) == [2, 3]


def test_a_kill_after_a_file_was_emptied_leaves_each_event_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AppendLog(path, beside(path))
    file.append(b"a line of the time before\n", "first")
    os.truncate(path, 0)
    with monkeypatch.context() as patch:
        patch.setattr(append_log, "atomic_write", failing_after(1))
        with pytest.raises(OSError, match="killed"):
            file.append(b"one\n", "second")
    assert path.read_bytes() == b"one\n"
    file = AppendLog(path, beside(path))
    file.open()
    assert file.checkpoint == "first"
    file.append(b"one\n", "second")
    file.close()
    assert path.read_bytes() == b"one\n"


def failing_after(times: int) -> Callable[..., None]:
    """What replaces files so many times, and then no more."""
    left = iter(range(times))

    def replace(where: Path, data: bytes) -> None:
        if next(left, None) is None:
            raise OSError("killed")
        atomic_write(where, data)

    return replace


def test_another_file_keeps_what_is_in_it(path: Path) -> None:
    first, second = following(0, 1)
    asyncio.run(write(path, first))
    path.rename(path.with_name("moved"))
    path.write_text("another")
    asyncio.run(write(path, second))
    assert path.read_text().splitlines()[0] == "another"
    assert [len(file.read_text().splitlines()) for file in (path.with_name("moved"), path)] == [1, 2]


def test_data_without_a_checkpoint_is_not_written_to(path: Path) -> None:
    (first,) = following(0)
    path.write_text("# written by hand\n")
    with pytest.raises(ArchiveError, match="is missing: put that back"):
        asyncio.run(write(path, first))
    assert path.read_text() == "# written by hand\n"
    assert not path.with_name(path.name + ".checkpoint").exists()


@pytest.mark.parametrize("name", ["other", "link"])
def test_data_has_one_checkpoint_alone(path: Path, name: str) -> None:
    first, second = following(0, 1)
    other = path.with_name(name)

    async def main() -> None:
        async with NDJSONFile(path):
            pass
        if name == "link":
            other.symlink_to(path)
        file = NDJSONFile(other) if name == "link" else NDJSONFile(path, checkpoint=other)
        with pytest.raises(ArchiveError, match=r"checkpoint of its file, not .*: give that one"):
            async with file:
                pass

    asyncio.run(main())
    asyncio.run(write(path, first))
    asyncio.run(write(path, second))
    assert seconds(path) == [0, 1]


@pytest.mark.parametrize("name", ["one", "link"])
def test_checkpoint_has_one_file_at_a_time(path: Path, name: str) -> None:
    """A second file with a checkpoint that is in use is refused: each would undo what the other stores."""
    (first,) = following(0)
    one, other = path.with_name("one"), path.with_name("other")
    path.with_name("link").symlink_to(one)

    async def main() -> None:
        async with NDJSONFile(path, checkpoint=one) as file:
            with pytest.raises(ArchiveError, match=r"another process uses the checkpoint .*: end it first"):
                NDJSONFile(other, checkpoint=path.with_name(name)).open()
            await file.write(first)
        async with NDJSONFile(path, checkpoint=one) as file:  # both locks were released
            assert file.checkpoint == first.checkpoint.to_json()

    asyncio.run(main())
    assert not other.exists()


def test_the_checkpoint_is_not_the_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    for same in (path, path.name, f"./{path.name}", path.parent / "x" / ".." / path.name):
        with pytest.raises(ValueError, match="is the file of the events: give it one of its own"):
            NDJSONFile(path.name, checkpoint=same)


def test_it_stays_where_it_is_when_the_program_goes_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    (path.parent / "elsewhere").mkdir()

    async def main() -> None:
        async with NDJSONFile(path.name) as file:
            for next_batch in following(0, 1):
                await file.write(next_batch)
                monkeypatch.chdir(path.parent / "elsewhere")

    asyncio.run(main())
    assert seconds(path) == [0, 1]
    assert list((path.parent / "elsewhere").iterdir()) == []


def test_where_it_began_is_known_although_there_was_no_event(path: Path) -> None:
    (first,) = following(0)
    start = FollowCheckpoint(first.checkpoint.account_id, ("c1",), None, BEGIN - 5)

    async def main() -> list[str | None]:
        async with NDJSONFile(path) as file:
            await file.begin(start)
            began = file.checkpoint
            await file.write(first)
            await file.begin(start)
            return [began, file.checkpoint]

    assert asyncio.run(main()) == [start.to_json(), first.checkpoint.to_json()]
    with pytest.raises(ArchiveError, match="is not open"):
        _ = NDJSONFile(path).checkpoint


def test_a_backup_that_is_put_where_an_empty_file_was_is_not_cut(path: Path) -> None:
    (first,) = following(0)

    async def main() -> None:
        async with NDJSONFile(path):
            pass

    asyncio.run(main())
    path.write_text("# a backup\n")  # the same inode
    asyncio.run(write(path, first))
    assert path.read_text().startswith("# a backup\n{")


def test_batch_written_again_after_timeout_is_there_once(path: Path) -> None:
    """A batch that is given again after a timeout is there once."""
    first, second = following(0, 1)

    async def main() -> None:
        async with NDJSONFile(path) as file:
            await file.write(first)
            call = asyncio.create_task(file.write(second))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await file.write(second)

    asyncio.run(main())
    assert seconds(path) == [0, 1]


def test_uncommitted_data_is_cut_off_in_moved_file(path: Path) -> None:
    """What a killed process left is cut off wherever it was moved."""
    first, second = following(0, 1)
    asyncio.run(write(path, first))
    with path.open("a") as file:
        file.write(path.read_text())  # not in the checkpoint
    moved = path.with_name("e-20261121.log")
    path.rename(moved)
    asyncio.run(write(path, second))
    assert (seconds(moved), seconds(path)) == ([0], [1])


def test_other_file_with_reused_inode_is_kept(path: Path) -> None:
    """Another file that got the inode of the one before keeps its content."""
    first, second = following(0, 1)
    asyncio.run(write(path, first))
    size = path.stat().st_size
    path.write_bytes(b"x" * (size + 9) + b"\n")  # the same inode with other content, as if it had been reused
    asyncio.run(write(path, second))
    assert path.read_bytes().startswith(b"x" * (size + 9) + b"\n{")


@pytest.mark.parametrize("change", ["device", "device of a moved file", "inode"])
def test_disk_may_get_another_number(path: Path, change: str) -> None:
    """After a power cut within a batch and another device number or inode, each event is there once."""
    is_moved = "moved" in change
    first, second = following(0, 1)
    asyncio.run(write(path, first))
    with path.open("a") as file:
        file.write(path.read_text() + '{"recorded')  # not in the checkpoint
    sidecar = json.loads(beside(path).read_text())
    number = change.partition(" ")[0]
    beside(path).write_text(json.dumps(sidecar | {number: sidecar[number] + 1}))
    moved = path.with_name("moved")
    if is_moved:
        path.rename(moved)
    asyncio.run(write(path, second))
    assert seconds(*([moved] if is_moved else []), path) == [0, 1]


@pytest.mark.parametrize("moved_to", ["plain", "reused inode", "longer"])
def test_rotated_file_may_be_read_only(path: Path, monkeypatch: pytest.MonkeyPatch, moved_to: str) -> None:
    """A file that was moved is opened only if something is left in it, and to write only what is ours."""
    first, second = following(0, 1)
    asyncio.run(write(path, first))
    moved = path.with_name("moved")
    path.rename(moved)
    if moved_to == "reused inode":
        moved.write_bytes(b"x" * 2 * moved.stat().st_size)
    elif moved_to == "longer":
        moved.write_text(moved.read_text() * 2)
    opened = Path.open

    def open_read_only(self: Path, mode: str = "r", **more: Any) -> Any:
        if self.name == "moved" and (moved_to == "plain" or "+" in mode):
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, mode, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_read_only)
        if moved_to == "longer":
            with pytest.raises(ArchiveError, match=r"moved cannot be written: Permission denied"):
                asyncio.run(write(path, second))
            return
        for next_batch in (second, *following(0, 1, 2)[2:]):
            asyncio.run(write(path, next_batch))
    assert seconds(path) == [1, 2]


@pytest.mark.parametrize("is_open", [False, True])
def test_shorter_file_is_an_error_with_advice(path: Path, is_open: bool) -> None:
    """A file that is shorter than what was written is an error that says what to do."""
    first, second = following(0, 1)

    async def main() -> None:
        async with NDJSONFile(path) as file:
            await file.write(first)
            os.truncate(path, 7)
            if is_open:
                await file.write(second)
        await write(path, second)

    with pytest.raises(
        ArchiveError, match=r"has 7 bytes, but \d+ were written: .* move it away, and a new one goes on"
    ):
        asyncio.run(main())
    assert path.stat().st_size == 7
    path.rename(path.with_name("moved"))
    asyncio.run(write(path, second))
    assert seconds(path) == [1]


def test_reopening_takes_the_path_again(path: Path) -> None:
    first, second, third = following(0, 1, 2)

    async def main() -> None:
        async with NDJSONFile(path) as file:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, file.reopen)
            await file.write(first)
            path.rename(path.with_name("moved"))
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            await file.write(second)
            file.reopen()
            await file.write(third)

    asyncio.run(main())
    assert (seconds(path.with_name("moved")), seconds(path)) == ([0], [1, 2])


def test_a_second_process_on_the_same_file_is_told_so(path: Path) -> None:
    with NDJSONFile(path) as first:
        assert first.open() is first
        with pytest.raises(ArchiveError, match="another process writes"):
            NDJSONFile(path).open()
    with NDJSONFile(path):
        pass


def test_a_file_that_is_not_open_says_so(path: Path) -> None:
    with pytest.raises(ArchiveError, match="is not open: write 'async with NDJSONFile"):
        asyncio.run(NDJSONFile(path).write(batch([listed(BEGIN)])))


def test_empty_checkpoint_without_data_is_a_new_one(path: Path) -> None:
    """Both files may be made beforehand, for their modes, and behind links."""
    (path.parent / "volume").mkdir()
    for name in (path.name, beside(path).name):
        (path.parent / "volume" / name).touch(mode=0o600)
        (path.parent / name).symlink_to(Path("volume", name))
    asyncio.run(write(path, *following(0)))
    asyncio.run(write(path, *following(0, 1)[1:]))
    assert seconds(path) == [0, 1]
    assert all(file.is_symlink() and file.stat().st_mode & 0o777 == 0o600 for file in (path, beside(path)))


def test_the_checkpoint_may_be_elsewhere(path: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()

    async def main() -> None:
        async with NDJSONFile(path, checkpoint=tmp_path / "state" / "here") as file:
            await file.write(batch([listed(BEGIN)]))

    asyncio.run(main())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events.ndjson", "events.ndjson.lock", "state"]
    assert sorted(file.name for file in (tmp_path / "state").iterdir()) == ["here", "here.lock"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"text"', "{}", '{"version": 2}', '{"version": 1, "device": 1}', "\udcff",
     '{"version": 1, "device": 1, "inode": 1, "length": -1, "tail": 1, "checkpoint": null}',
     '{"version": 1, "device": 1, "inode": 1, "length": 1, "tail": 1, "checkpoint": 1}', "[" * 100_000],
)  # fmt: skip
def test_damaged_checkpoint_is_an_error(path: Path, text: str) -> None:
    """A checkpoint that is damaged is an error and nothing is touched."""
    path.write_text("kept")
    beside(path).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ArchiveError, match=r"checkpoint cannot be read.* Move both away") as caught:
        NDJSONFile(path).open()
    assert path.read_text() == "kept"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_is_no_plain_file_or_cannot_be_opened_is_an_error(path: Path, tmp_path: Path) -> None:
    os.mkfifo(path)
    (tmp_path / "folder").mkdir()
    for name in (path, tmp_path / "folder", Path(os.devnull)):
        with pytest.raises(ArchiveError, match="is no plain file: events can be kept in a plain file only"):
            NDJSONFile(name, checkpoint=tmp_path / "c").open()
    assert {*tmp_path.iterdir()} == {path, tmp_path / "folder"}, "no lock beside it"
    assert not Path(f"{os.devnull}.lock").exists()
    with pytest.raises(
        ArchiveError, match=r"/events.ndjson cannot be written: .*missing does not exist: make it first"
    ):
        NDJSONFile(tmp_path / "missing" / "events.ndjson").open()


def test_full_disk_is_an_error_and_batch_can_be_repeated(path: Path) -> None:
    """A disk that is full is an error and the same batch can be written again."""
    first, second = following(0, 1)
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    async def main() -> None:
        async with NDJSONFile(path) as file:
            await file.write(first)
            size = path.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, was[1]))
            for _ in range(2):
                with pytest.raises(ArchiveError, match="cannot be written: File too large; nothing is lost"):
                    await file.write(second)
            assert path.stat().st_size == size + 10
            resource.setrlimit(resource.RLIMIT_FSIZE, was)
            await file.write(second)

    try:
        asyncio.run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, ignored)
    assert seconds(path) == [0, 1]


def test_batch_that_failed_after_commit_is_stored_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that failed after it was stored is not stored twice."""
    first, second = following(0, 1)

    def replaced_but_not_synced(where: Path, data: bytes) -> None:
        where.write_bytes(data)
        raise OSError(28, "No space left on device")

    async def main() -> None:
        async with NDJSONFile(path) as file:
            await file.write(first)
            with monkeypatch.context() as patch:
                patch.setattr(append_log, "atomic_write", replaced_but_not_synced)
                with pytest.raises(ArchiveError, match="the disk is full; make room"):
                    await file.write(second)
            await file.write(second)
            # Nobody made these by following; each is written nevertheless.
            await file.write(Batch((FollowedEvent("c1", listed(BEGIN + 2)),), second.checkpoint))
            await file.write(Batch((FollowedEvent("c1", listed(BEGIN + 3)),), second.checkpoint))

    asyncio.run(main())
    assert seconds(path) == [0, 1, 2, 3]


def test_cancelled_batch_is_there_whole_or_not_at_all(path: Path) -> None:
    """A batch whose writing is cancelled is there whole or not at all."""
    batches = following(*range(30))

    async def main() -> str | None:
        async with NDJSONFile(path) as file:
            for number, next_batch in enumerate(batches):
                call = asyncio.create_task(file.write(next_batch))
                await asyncio.sleep(number / 20_000)
                call.cancel()
                await asyncio.wait([call])
        async with NDJSONFile(path) as file:
            return file.checkpoint

    checkpoint = asyncio.run(main())
    assert checkpoint in {next_batch.checkpoint.to_json() for next_batch in batches}
    assert len(seconds(path)) == len(set(seconds(path))) > 0


async def test_what_is_followed_into_a_file_goes_on_after_it(path: Path) -> None:
    begin = int(time.time()) - 500
    raw = [{"e": {"k": "Init"}, "t": begin + number, "n": 0} for number in range(20)]
    async with Simulator(events={"c1": raw[:12], "c2": raw}) as simulator:

        async def follow() -> None:
            async with Client(**simulator.client_options) as client, NDJSONFile(path) as file:
                follower = client.follow_events(["c1", "c2"], since=begin, checkpoint=file.checkpoint)
                async for next_batch in follower.once().batches():
                    await file.write(next_batch)

        await follow()
        simulator.add("c1", *raw[12:])
        await follow()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((line["connector_id"], line["recorded_ts"]) for line in lines) == [
        (connector, begin + number) for connector in ("c1", "c2") for number in range(20)
    ]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only there an open file tells its name")
def test_data_is_synced_before_its_checkpoint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data is on the disk before the checkpoint that counts it."""
    steps: list[Any] = []
    synced, renamed = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        synced(descriptor)

    def replace(old: Path, new: Path) -> Path:
        steps.append((old.name, new.name))
        return renamed(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    file = AppendLog(path, beside(path))
    file.open()
    steps.clear()
    file.append(b"1\n", "{}")
    file.close()
    new = "events.ndjson.checkpoint.new"
    assert steps == ["events.ndjson", new, (new, "events.ndjson.checkpoint"), path.parent.name]
