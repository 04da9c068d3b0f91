"""Files that a crash leaves whole, and the lock between processes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cfevents import ArchiveError, ConfigurationError
from cfevents._files import AtomicFile, FileLock
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
