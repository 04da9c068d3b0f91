"""Files that a crash leaves whole, and the lock between processes."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from cfevents import ArchiveError, ConfigurationError
from cfevents._files import AtomicFile, FileLock, atomic_write, follow_link, write_errors
from cfevents.storage import NDJSONFile

HOLDER = """
import sys
from pathlib import Path
from cfevents._files import FileLock

lock = FileLock(Path(sys.argv[1]), busy="taken", owner=Path("mine"))
lock.acquire()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def lock(path: Path, owner: str | None = None) -> FileLock:
    return FileLock(path, busy="taken", owner=None if owner is None else Path(owner))


def test_killed_process_releases_its_lock(path: Path) -> None:
    """Of two processes one is refused; when the first is killed, the second gets the lock."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            second = lock(path, "mine")
            for _ in range(2):
                with pytest.raises(ArchiveError, match="taken"):
                    second.acquire()
        finally:
            holder.kill()
    second.acquire()
    second.release()
    assert path.read_text() == "mine"


def test_second_lock_of_one_process_is_refused(path: Path) -> None:
    first, second = lock(path), lock(path)
    first.acquire()
    with pytest.raises(ArchiveError, match="taken"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_refused_lock_keeps_the_owner(path: Path, tmp_path: Path) -> None:
    """The owner is read only by the holder of the lock, and stays until its file is gone."""
    (tmp_path / "mine").touch()
    first, second = lock(path, str(tmp_path / "mine")), lock(path, str(tmp_path / "other"))
    first.acquire()
    with pytest.raises(ArchiveError, match="taken"):
        second.acquire()
    first.release()
    with pytest.raises(ArchiveError, match=r"mine is the checkpoint of its file, not .*other"):
        second.acquire()
    (tmp_path / "mine").unlink()
    second.acquire()
    second.release()
    assert path.read_text() == str(tmp_path / "other")


def test_removed_lock_keeps_nobody_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file that its holder removed in the same moment counts for nothing."""
    first, second = lock(path), lock(path)
    first.acquire()
    opened = os.open

    def open_before_removal(*arguments: object) -> int:
        descriptor = opened(*arguments)  # type: ignore[arg-type]
        first.remove()
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_before_removal)
        if os.name != "nt":
            with pytest.raises(ArchiveError, match="taken"):
                second.acquire()
    first.remove()
    second.acquire()
    second.remove()
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="the flag is of POSIX")
def test_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        lock(path, "mine").acquire()
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_file_system_without_locks_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(_: int, *, blocking: bool) -> bool:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("filelock.lock_descriptor", fail)
    with pytest.raises(ArchiveError, match=r"lock cannot be locked: .*; use a directory whose file system has locks"):
        lock(path).acquire()


def test_missing_extra_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cfevents\[storage\]'"):
        NDJSONFile(tmp_path / "events.ndjson").open()
    assert [*tmp_path.iterdir()] == []


def test_later_writer_of_one_name_wins(tmp_path: Path) -> None:
    """The earlier one fails, and removes nothing of the later one's."""
    target = tmp_path / "target"
    first, second = AtomicFile(target), AtomicFile(target)
    first.open().write(b"first")
    second.open().write(b"second")
    with pytest.raises(OSError, match="another has begun"):
        first.commit()
    first.discard()
    second.commit()
    second.discard()
    assert target.read_bytes() == b"second"
    assert [file.name for file in tmp_path.iterdir()] == ["target"]


def write_atomic_file(path: Path, data: bytes) -> None:
    file = AtomicFile(path)
    file.open().write(data)
    file.commit()


REPLACING = pytest.mark.parametrize("replace", [atomic_write, write_atomic_file])
Replace = Callable[[Path, bytes], None]


@REPLACING
@pytest.mark.parametrize("links", [1, 2])
@pytest.mark.parametrize("before", [None, b"before"])
def test_link_stays_and_its_target_is_replaced(
    tmp_path: Path, replace: Replace, links: int, before: bytes | None
) -> None:
    """A link to a volume is written through, also where nothing is there yet."""
    (tmp_path / "volume").mkdir()
    real = tmp_path / "volume" / "data"
    if before is not None:
        real.write_bytes(before)
    target = Path("volume", "data")
    for number in range(links):
        (tmp_path / f"link{number}").symlink_to(target)
        target = Path(f"link{number}")
    replace(tmp_path / target, b"after")
    assert (tmp_path / target).is_symlink()
    assert real.read_bytes() == b"after"
    assert not real.is_symlink()
    assert [path.name for path in real.parent.iterdir()] == ["data"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
@REPLACING
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664, 0o666])
def test_replaced_file_keeps_mode_and_owner(tmp_path: Path, replace: Replace, mode: int) -> None:
    path = tmp_path / "data"
    path.touch()
    is_root = os.geteuid() == 0
    owner = (4321, 1234) if is_root else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    path.chmod(mode)
    replace(path, b"after")
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, *owner)


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_secret_file_is_never_readable_to_others(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.touch(mode=0o600)
    file = AtomicFile(path)
    file.open()
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    file.discard()


@REPLACING
def test_prepared_link_is_not_written_through(tmp_path: Path, replace: Replace) -> None:
    """What is made beside the target is made anew, whatever somebody put there."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    for name in ("link", "hard"):
        prepared = tmp_path / f"{name}.new"
        prepared.symlink_to(precious) if name == "link" else prepared.hardlink_to(precious)
        replace(tmp_path / name, b"data")
    assert precious.read_text() == "kept"


@REPLACING
def test_circle_of_links_is_an_error(tmp_path: Path, replace: Replace) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        replace(tmp_path / "a", b"data")
    assert (tmp_path / "a").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
@pytest.mark.parametrize(
    ("mode", "owner", "is_followed"),
    [(0o1777, 99, False), (0o770, 99, False), (0o755, 99, True), (0o1777, 0, True), (0o1777, None, True)],
)
def test_link_of_another_user_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int | None, is_followed: bool
) -> None:
    """In a directory where others may write, a link has to be the user's own, or root's."""
    link, real = tmp_path / "link", tmp_path / "real"
    link.symlink_to(real)
    tmp_path.chmod(mode)
    lstat = Path.lstat

    def lstat_of_owner(path: Path) -> os.stat_result:
        fields = [*lstat(path)]
        fields[stat.ST_UID] = os.geteuid() if owner is None else owner
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "lstat", lstat_of_owner)
    if is_followed:
        assert follow_link(link) == real
    else:
        with pytest.raises(PermissionError, match="a link of another user"):
            follow_link(link)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no such links")
@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "link"])
def test_stdout_is_not_replaced(tmp_path: Path, name: str) -> None:
    """What a shell appends to with ``>> all.csv`` keeps what it has, whatever name stands for it."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    names = f"from pathlib import Path; path = Path({str(tmp_path / name)!r})"
    writers = {
        "atomic_write(path, b'x')": "cfevents._files",
        "Staging(path)": "cfevents._export.staging",
        "NDJSONFile(path).open()": "cfevents.storage",
    }
    script = [names, "def attempt(work):", "    try: work()", "    except Exception as error: print(error, flush=True)"]
    for call, module in writers.items():
        script.append(f"from {module} import {call.partition('(')[0]}; attempt(lambda: {call})")
    with (tmp_path / "all.csv").open("w") as output:
        output.write("kept\n")
        output.flush()
        subprocess.run([sys.executable, "-c", "\n".join(script)], stdout=output, check=True)
    kept, *errors = (tmp_path / "all.csv").read_text().splitlines()
    assert kept == "kept"
    assert ["it stands for an open file" in error for error in errors] == [True] * 3


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.EBUSY])
def test_target_that_cannot_be_replaced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Another user's file in a sticky directory, say: the target is named, and not the new file."""

    def refuse(*names: object) -> None:
        raise OSError(code, os.strerror(code), *map(str, names))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ArchiveError, match=r"target cannot be written: (?!.*\.new)"), write_errors(tmp_path):
        atomic_write(tmp_path / "target", b"data")


@pytest.mark.skipif(os.name == "nt", reason="there directories are not synced")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS, errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("name", ["open", "fsync"])
def test_directory_without_sync_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, name: str
) -> None:
    """A file system that cannot sync directories is no failure; one that fails to is."""
    real = getattr(os, name)

    def fail(what: object, *arguments: object) -> object:
        is_directory = stat.S_ISDIR(os.fstat(what).st_mode) if isinstance(what, int) else what == tmp_path
        if is_directory:
            raise OSError(code, os.strerror(code))
        return real(what, *arguments)

    monkeypatch.setattr(os, name, fail)
    is_failure = code in {errno.EIO, errno.ENOSPC}
    with pytest.raises(OSError, match=os.strerror(code)) if is_failure else nullcontext():
        atomic_write(tmp_path / "data", b"data")


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
@pytest.mark.parametrize("make", [os.link, lambda _, path: os.mkfifo(path)], ids=["second name", "pipe"])
def test_lock_is_a_plain_file_of_its_own(path: Path, tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    """A file with a second name is not the lock: the owner would be written into it."""
    (tmp_path / "precious").write_text("kept")
    make(tmp_path / "precious", path)
    with pytest.raises(ArchiveError, match="is no plain file of its own"):
        lock(path, "mine").acquire()
    assert (tmp_path / "precious").read_text() == "kept"
