"""What follow prints and stores as events come, and how it ends."""

import fcntl
import json
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from cfevents import FollowCheckpoint

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]

QUICKLY = ("--interval", "0.3s")


@pytest.fixture
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that is empty."""
    monkeypatch.chdir(tmp_path)


def event(number: int, ago: int = 60, lag: int = 1, **payload: str) -> dict[str, Any]:
    """An event of a moment ago."""
    recorded = int(time.time()) - ago
    return {"e": {"k": "Reconcile", **payload}, "t": recorded, "n": number, "a": recorded + lag}


def add(account: "Simulator", *events: dict[str, Any], connector: str = "site-2") -> list[str]:
    """Let events be collected, and give their ids."""
    account.add(connector, *events)
    return [f"{event['t']}.{event['n']}" for event in events]


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def ids(printed: list[str]) -> list[str]:
    return [json.loads(line)["id"] for line in printed]


RESUMED = "cfevents: going on where the checkpoint ends; --since has no effect\n"


def ended(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> tuple[int, list[str], str]:
    """End a process by a signal: its status, and what it printed and told meanwhile."""
    process.send_signal(number)
    printed, stderr = process.communicate(timeout=30)
    return process.returncode, printed.splitlines(), stderr


def wait_until(happens: Callable[[], bool]) -> None:
    for _ in range(1000):
        if happens():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in 20 seconds")


def fill_pipe(account: "Simulator", start: Start, *args: str) -> "tuple[subprocess.Popen[str], list[str]]":
    """Let it follow more events than a pipe holds, until it waits for its reader."""
    known = add(account, *(event(number) for number in range(1000)))
    process = start("follow", "site-2", "--since", "1h", *QUICKLY, *args)

    def is_full() -> bool:
        assert process.stdout is not None
        (waiting,) = struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"1234"))
        return int(waiting) > 60_000

    wait_until(is_full)
    return process, known


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_follow_prints_events_until_a_signal(account: "Simulator", start: Start, number: signal.Signals) -> None:
    """Events are printed as they come, until a signal ends the command with 0."""
    first = add(account, event(0))
    process = start("follow", "site-2", "--since", "1h", *QUICKLY)
    assert ids(lines(process, 1)) == first
    second = add(account, event(0, ago=1), event(1, ago=1))
    printed = lines(process, 2)
    assert ids(printed) == second
    assert list(json.loads(printed[0]))[:3] == ["connector_id", "id", "kind"]
    assert json.loads(printed[0])["late"] is False
    assert ended(process, number) == (0, [], "")


def test_follow_begins_now_unless_since_is_given(account: "Simulator", start: Start) -> None:
    """What was recorded before is left out, unless --since says otherwise."""
    add(account, event(0, ago=10))
    process = start("follow", "site-2", *QUICKLY)
    wait_until(lambda: any(request.path.endswith("/events") for request in account.requests))
    new = add(account, event(0, ago=-2))
    assert ids(lines(process, 1)) == new
    assert ended(process) == (0, [], "")


def test_an_event_that_comes_late_is_marked(account: "Simulator", start: Start) -> None:
    add(account, event(0, ago=30))
    process = start("follow", "site-2", "--since", "1h", *QUICKLY, "--format", "table")
    assert lines(process, 2)[0] == "RECORDED (UTC)       ID             LAG      EVENT\n"
    (late,) = add(account, event(0, ago=600, lag=599))
    (line,) = lines(process, 1)
    assert line[21:] == f"{late}   9m59s    Reconcile  (late)\n"
    assert ended(process) == (0, [], "")


def test_several_connectors_have_a_column(account: "Simulator", start: Start) -> None:
    add(account, event(0), connector="site-2")
    add(account, event(0, tunnel="one"), connector="site-3")
    process = start("follow", "--all", "--since", "1h", "--kind", "Reconcile", *QUICKLY, "--format", "table")
    header, *rows = lines(process, 3)
    assert header.split() == ["CONNECTOR", "RECORDED", "(UTC)", "ID", "LAG", "EVENT"]
    assert ended(process)[::2] == (0, "")
    assert all(header.index("ID") == row.index(".0") - 10 for row in rows)


def test_with_details_each_event_has_its_payload(account: "Simulator", start: Start) -> None:
    add(account, event(0, tunnel="one"))
    process = start("follow", "site-2", "site-1", "--details", "--since", "1h", *QUICKLY)
    (line,) = lines(process, 1)
    assert json.loads(line)["event"] == {"k": "Reconcile", "tunnel": "one"}
    assert json.loads(line)["version"] is None
    assert ended(process) == (0, [], "")
    process = start("follow", "site-2", "--details", "--since", "1h", *QUICKLY, "--format", "table")
    assert lines(process, 2)[1].endswith("  Reconcile  tunnel=one\n")
    assert ended(process) == (0, [], "")


def test_a_checkpoint_lets_it_go_on_without_doubling(account: "Simulator", start: Start, tmp_path: Path) -> None:
    path = tmp_path / "state"
    follow = ("follow", "site-2", "--since", "1h", "--checkpoint", str(path), *QUICKLY)
    known = add(account, event(0, ago=120), event(1, ago=120))
    process = start(*follow)
    assert ids(lines(process, 2)) == known
    wait_until(path.exists)
    assert ended(process) == (0, [], "")
    new = add(account, event(0, ago=5), event(0, ago=400))
    process = start(*follow)
    assert sorted(ids(lines(process, 2))) == sorted(new)
    assert ended(process) == (0, [], RESUMED)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_batch_under_way_is_finished_on_a_signal(
    account: "Simulator", start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    """The batch under way is printed to its end, and its checkpoint is stored."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    path = tmp_path / "state"
    process, known = fill_pipe(account, start, "--checkpoint", str(path))
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)  # it is waiting for its reader, signal or not
    assert '"connectors":{}' in path.read_text()
    status, printed, stderr = ended(process, signal.SIGTERM)
    assert (status, ids(printed), stderr) == (0, known, "")
    stored = json.loads(path.read_text())
    assert len(stored["connectors"]["site-2"]["delivered"]) == 2 * len(known)


def test_second_ctrl_c_ends_at_once_with_130(account: "Simulator", start: Start) -> None:
    """A second Ctrl-C ends the command at once, with status 130 and without a word."""
    process, _ = fill_pipe(account, start)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert process.communicate()[1] == ""


def test_ctrl_c_ends_it_while_the_api_gives_no_answer(account: "Simulator", start: Start) -> None:
    from cfevents.testing import faults  # noqa: PLC0415 - not a name of the annotations

    account.faults.add(faults.stall())
    for whom in ("--all", "site-1"):
        account.requests.clear()
        process = start("follow", whom)
        wait_until(lambda: bool(account.requests))
        assert ended(process) == (0, [], "")


def test_reader_that_leaves_ends_follow_without_more_events(account: "Simulator", tmp_path: Path) -> None:
    """A reader that has enough ends follow without noise, even if nothing more comes."""
    add(account, event(0), event(1))
    path = tmp_path / "state"
    script = (
        f"{{ {sys.executable} -m cfevents follow site-2 --since 1h --checkpoint {path}; echo $? >&2; }} | head -n 1"
    )
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "0\n")


def test_a_file_has_each_event_once_over_several_runs(account: "Simulator", start: Start, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    follow = ("follow", "site-2", "--since", "1h", "--output", str(path), *QUICKLY)
    known = add(account, event(0, ago=120), event(1, ago=120))
    for new, note in (([], ""), ([event(0, ago=60)], RESUMED), ([event(0, ago=300)], RESUMED)):
        known += add(account, *new)
        process = start(*follow)
        count = len(known)
        wait_until(lambda count=count: path.exists() and path.read_text().count("\n") == count)  # type: ignore[misc]
        assert ended(process) == (0, [], note)
    assert ids(path.read_text().splitlines()) == known
    assert path.with_name("events.ndjson.checkpoint").exists()


def test_sighup_after_a_rename_starts_a_new_file(account: "Simulator", start: Start, tmp_path: Path) -> None:
    """After its file was renamed, SIGHUP makes follow go on in a new one."""
    path, rotated, state = tmp_path / "events.ndjson", tmp_path / "events.ndjson.1", tmp_path / "state"
    known = add(account, event(0))
    process = start("follow", "site-2", "--since", "1h", "--output", str(path), "--checkpoint", str(state), *QUICKLY)
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    path.rename(rotated)
    process.send_signal(signal.SIGHUP)
    new = add(account, event(1, ago=30))
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    assert ended(process) == (0, [], "")
    assert (ids(rotated.read_text().splitlines()), ids(path.read_text().splitlines())) == (known, new)
    assert state.exists()


def test_invalid_checkpoint_names_its_file(account: "Simulator", start: Start, invoke: Invoke, tmp_path: Path) -> None:
    """A checkpoint that is damaged, or of something else, is one line that names the file."""
    path = tmp_path / "state"
    add(account, event(0))
    process = start("follow", "site-2", "--since", "1h", "--checkpoint", str(path), *QUICKLY)
    lines(process, 1)
    wait_until(path.exists)
    ended(process)
    for content in (path.read_bytes(), b"{}", b"\xff\n", b"\n"):
        path.write_bytes(content)
        result = invoke("follow", "site-1", "--checkpoint", str(path))
        # One of another connector is wrong usage, and says whose it is.
        of_another = content.startswith(b'{"version"')
        assert (result.exit_code, result.stdout) == (2 if of_another else 1, "")
        start_of_line = f"cfevents: {path} is of site-2, and this is site-1: " if of_another else f"cfevents: {path}: "
        assert result.stderr.startswith(start_of_line)
        assert result.stderr.count("\n") == 1


def test_empty_checkpoint_is_a_new_one(account: "Simulator", start: Start, tmp_path: Path) -> None:
    """A file that was made beforehand, for its mode, is no damaged checkpoint."""
    path = tmp_path / "state"
    path.touch(mode=0o600)
    known = add(account, event(0))
    process = start("follow", "site-2", "--since", "1h", "--checkpoint", str(path), *QUICKLY)
    assert ids(lines(process, 1)) == known
    wait_until(lambda: '"delivered":[' in path.read_text())
    assert ended(process) == (0, [], "")


@pytest.mark.parametrize("more", [(), ("--output",)])
def test_two_do_not_follow_with_one_checkpoint(
    account: "Simulator", start: Start, invoke: Invoke, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """A second process with the same checkpoint, by whatever name, ends at once; after the first has ended it may."""
    path, link = tmp_path / "state", tmp_path / "link"
    link.symlink_to(path)
    known = add(account, event(0))
    process = start("follow", "site-2", "--since", "1h", "--checkpoint", str(path), *QUICKLY)
    assert ids(lines(process, 1)) == known
    output = [*more, *(str(tmp_path / "events") for _ in more)]
    for name in (path, link):
        result = invoke("follow", "site-2", "--checkpoint", str(name), *output)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"another process uses the checkpoint {name}: end it first" in result.stderr
    assert not (tmp_path / "events").exists()
    assert ended(process) == (0, [], "")
    new = add(account, event(1))
    process = start("follow", "site-2", "--checkpoint", str(link), *QUICKLY)
    assert ids(lines(process, 1)) == new
    assert ended(process) == (0, [], "")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux")
@pytest.mark.parametrize("more", ["", "--output {folder}/events"])
def test_checkpoint_that_is_a_mount_fails_before_any_output(account: "Simulator", tmp_path: Path, more: str) -> None:
    """A file that is mounted alone, as into a container, cannot be replaced; what to do is said at once."""
    add(account, event(0))
    for content in ("", FollowCheckpoint(account.account_id, ("site-2",), None, 1_700_000_000).to_json()):
        (tmp_path / "state").write_text(content if not more else "")
        (tmp_path / "volume").write_text(content if not more else "")
        command = f"{sys.executable} -m cfevents follow site-2 --checkpoint {tmp_path}/state {more}"
        script = f"mount --bind {tmp_path}/volume {tmp_path}/state && exec {command.format(folder=tmp_path)}"
        run = ["unshare", "--map-root-user", "--mount", "/bin/sh", "-c", script]
        done = subprocess.run(run, capture_output=True, text=True, timeout=20, check=False)
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip("no leave to mount")
        assert (done.returncode, done.stdout) == (1, "")
        assert "mount its directory instead" in done.stderr
    assert not any(request.path.endswith("/events") for request in account.requests)


def test_unwritable_checkpoint_fails_before_any_output(account: "Simulator", invoke: Invoke, tmp_path: Path) -> None:
    """A checkpoint that cannot be written fails before anything is printed."""
    for path, why in ((tmp_path / "nowhere" / "state", "does not exist: make it first"), (tmp_path, "is a directory")):
        result = invoke("follow", "site-1", "--checkpoint", str(path))
        assert (result.exit_code > 0, result.stdout) == (True, "")
        assert why in result.stderr
    assert not any("from" in request.query for request in account.requests)


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
@pytest.mark.parametrize("more", [(), ("--output", "events.ndjson")])
def test_checkpoint_must_be_a_regular_file(
    account: "Simulator", start: Start, tmp_path: Path, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that is no regular file is neither read nor replaced."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    process = start("follow", "site-1", "--checkpoint", "pipe", *more)
    assert process.wait(timeout=30) == 1
    assert process.stderr is not None
    assert "pipe is no plain file" in process.stderr.read()
    assert Path("pipe").is_fifo()
    assert not any("from" in request.query for request in account.requests)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_stores_no_checkpoint(account: "Simulator", tmp_path: Path) -> None:
    """A full disk is one line and status 1, and nothing counts as printed."""
    path = tmp_path / "state"
    add(account, event(0))
    command = [sys.executable, "-m", "cfevents", "follow", "site-2", "--since", "1h", "--checkpoint", str(path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, "cfevents: No space left on device\n")
    assert '"connectors":{}' in path.read_text()


def test_on_a_narrow_terminal_there_is_room_for_the_payload(account: "Simulator") -> None:
    add(account, event(0, tunnel="f02635b7-a29b-4cdf-b15e-f49cf93e33ed"), connector="a-long-name-of-a-site")
    add(account, event(0))
    ours, theirs = pty.openpty()
    args = ("follow", "a-long-name-of-a-site", "site-2", "--since", "1h", "--details")
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    with subprocess.Popen([sys.executable, "-m", "cfevents", *args], stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while not (b"b15e" in shown and b"site-2" in shown):
            shown += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    os.close(ours)
    header, *rows = shown.decode().splitlines()
    assert header.split() == ["CONNECTOR", "RECORDED", "(UTC)", "ID", "EVENT"]
    assert max(map(len, rows)) <= 80
    assert {row[:9].strip() for row in rows} == {"a-long-n\N{HORIZONTAL ELLIPSIS}", "site-2", ""}


def test_what_the_library_warns_of_is_told_on_stderr(account: "Simulator", start: Start) -> None:
    known = add(account, event(0, ago=300, lag=299))
    process = start("follow", "nobody", "site-2", "--since", "1h", "--lookback", "5min", *QUICKLY)
    assert ids(lines(process, 1)) == known
    assert process.stderr is not None
    messages = sorted(process.stderr.readline() for _ in range(2))
    assert messages[0].startswith("cfevents: cannot read connector nobody")
    assert messages[1].startswith("cfevents: connector site-2: an event was collected 0:04:59 after it was recorded; ")
    assert ended(process)[:2] == (0, [])


@pytest.mark.usefixtures("_in_folder")
@pytest.mark.parametrize("command", [("follow",), ("archive", "events.db")])
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "--all selects all"),
        (("site-1", "--all"), "exclude each other"),
        (("site-1", "--speed", "60"), "--speed needs --simulate"),
        (("--simulate", "--speed", "0.5"), "--speed"),
        (("--simulate", "--speed", "inf"), "--speed"),
        (("site-1", "--interval", "soon"), "--interval soon is not a length of time"),
        (("site-1", "--interval=-5m"), "--interval -5m is not a length of time"),
        (("site-1", "--lookback", "0s"), "--lookback 0s must be above 0"),
        (("site-1", "--lookback", "1M"), "--lookback 1M may mean minutes or months: write 'min' for minutes"),
        (("site-1", "--since", "soon"), "--since soon is not a time"),
        (("site-1", "--since", "tomorrow"), "in the future: this machine's clock shows"),
        (("..",), "not one segment of a path"),
    ],
)
def test_wrong_usage_is_reported_before_any_request(
    account: "Simulator", invoke: Invoke, command: tuple[str, ...], args: tuple[str, ...], message: str
) -> None:
    """Arguments without meaning are wrong usage before anything is sent."""
    result = invoke(*command, *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr.replace("\n", " ")
    assert account.requests == []
    assert list(Path.cwd().iterdir()) == []


def test_wrong_usage_creates_no_output_file(account: "Simulator", invoke: Invoke, tmp_path: Path) -> None:
    """A table cannot go to a file, and wrong usage creates none."""
    same = ("--checkpoint", str(tmp_path / "events.ndjson"))
    for wrong in (("--format", "table"), ("--since", "soon"), ("--kind", ""), same):
        result = invoke("follow", "site-1", "--output", str(tmp_path / "events.ndjson"), *wrong)
        assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_the_generated_history_goes_on_as_fast_as_it_is_told(start: Start) -> None:
    process = start("follow", "--simulate", "--speed", "3600", "--interval", "0.3s")
    printed = [json.loads(line) for line in lines(process, 20)]
    assert ended(process)[::2] == (0, "")
    assert len({event["connector_id"] for event in printed}) == 1
    keys = [(event["recorded_ts"], event["sequence"]) for event in printed]
    assert len(set(keys)) == len(keys)
    # Events of one second are not collected in the order of their numbers.
    in_time = [event["recorded_ts"] for event in printed if not event["late"]]
    assert in_time == sorted(in_time)


def test_served_history_is_followed_by_another_process(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A served history that goes on is followed by another process."""
    server = start("simulate", "--speed", "3600")
    for line in lines(server, 5)[1:4]:
        name, _, value = line.removeprefix("export ").strip().partition("=")
        monkeypatch.setenv(name, value)
    process = start("follow", "--all", "--interval", "1s")
    seen: set[str] = set()
    while len(seen) < 3:
        seen |= {json.loads(line)["connector_id"] for line in lines(process, 1)}
    assert ended(process)[::2] == (0, "")
    assert ended(server)[0] == 0


def test_a_pipe_gets_each_event_when_it_comes(account: "Simulator") -> None:
    add(account, event(0))
    script = f"{shlex.quote(sys.executable)} -m cfevents follow site-2 --since 1h | {{ read -r line; echo $line; }}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_pipe_open_for_reading_does_not_end_follow(account: "Simulator", tmp_path: Path) -> None:
    """A named pipe that is open for reading, too, does not end follow."""
    known = add(account, event(0))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "cfevents", "follow", "site-2", "--since", "1h", *QUICKLY]
    with fifo.open("r+b", buffering=0) as both, subprocess.Popen(command, stdout=both) as process:
        time.sleep(1.5)
        known += add(account, event(1, ago=1))
        printed = b""
        while printed.count(b"\n") < 2:
            printed += both.read(65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert ids(printed.decode().splitlines()) == known
