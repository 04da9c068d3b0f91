"""An append-only file with a sidecar that records its committed length. Blocking.

An append writes data at the end of the file and syncs it. Then it replaces the sidecar, which has the file's device and
inode, its committed length, a checksum of the last 4 KiB before that, and the checkpoint. So everything within the
committed length is whole, and the checkpoint is the state after it. What lies beyond was left by a process that ended
in between: recovery cuts it off, and the caller, who has the older checkpoint, writes it again. Each batch is there
once. An append costs its own size, three syncs (data, sidecar, directory) and some reads of 4 KiB, however long the
file is.

The file at the path, compared with the sidecar, decides what recovery does:

=================  ==========================================================================================
not there, moved   append as it is; cut off what was not committed in the file that moved, if it can be found
same, longer       cut back to the committed length
same, equal        go on
same, empty        begin at 0: log rotation copied and emptied it
same, shorter      ArchiveError: events were taken out
data, no sidecar   ArchiveError: what counts is not known
=================  ==========================================================================================
"""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from attrs import asdict, field, frozen
from attrs.validators import ge

from cfevents._files import BINARY, atomic_write, require_regular, sync_directory
from cfevents._model.checkpoint import FileNumber, read_state
from cfevents.errors import ArchiveError

_SIDECAR_VERSION = 1
_LOG_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY
# A file is recognized by its last bytes: the inode of one that was removed is soon another's.
_TAIL_BYTES = 4096
_CLOSED = -1


@frozen
class _SidecarState:
    """The sidecar's content."""

    device: FileNumber
    inode: FileNumber
    length: int = field(validator=ge(0))  # bytes that are committed
    tail: int  # checksum of the last of them
    checkpoint: str | None

    def is_same(self, descriptor: int, prefix: bytes) -> bool:
        """Return whether an open file is the one that the state is of: by its content, if it has that much.

        So a disk may get another number, a file system give its files new inodes, and a copy be put back.
        """
        status = os.fstat(descriptor)
        if 0 < self.length <= status.st_size:
            return _tail(descriptor, self.length) == self.tail
        if (self.device, self.inode) != (status.st_dev, status.st_ino):
            return False
        # Nothing is committed to recognize it by; what a killed process may have left begins as everything does.
        start = b"" if self.length else _read_before(descriptor, len(prefix), len(prefix))
        return start == prefix[: len(start)]


class AppendLog:
    """A file and its sidecar, opened when they are first needed."""

    checkpoint: str | None = None
    """What was committed with the last append."""

    def __init__(self, path: Path, sidecar: Path, prefix: bytes = b"") -> None:
        """Set the paths, and the bytes that everything appended begins with; nothing is opened."""
        self._path, self._sidecar, self._prefix = path, sidecar, prefix
        self._descriptor = _CLOSED
        self._length = 0

    def open(self) -> None:
        """Open the file, and cut off what was not committed; raise an ArchiveError if it lacks committed data."""
        state = self._read_sidecar()
        self._descriptor = os.open(self._path, _LOG_FLAGS, 0o666)
        try:
            self._recover(state)
        except BaseException:
            self.close()
            raise

    def check_sidecar(self) -> None:
        """Replace the sidecar of the open file by the same, to find out before an append whether that is possible."""
        self._commit(self._length, self.checkpoint)

    def close(self) -> None:
        """Close the file, if it is open."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)

    def append(self, data: bytes, checkpoint: str) -> None:
        """Commit data and a checkpoint, both or neither; nothing is written where both are committed already.

        If it fails, the next append cuts off what was written of the data.
        """
        try:
            if self._descriptor == _CLOSED or not self._is_in_place():
                self.close()
                self.open()
            # An append that failed or was cancelled may have been committed all the same.
            if checkpoint != self.checkpoint or _read_before(self._descriptor, self._length, len(data)) != data:
                self._append(data, checkpoint)
        except BaseException:
            # What is on the disk is not known any more: read it again.
            self.close()
            with suppress(ArchiveError, OSError):
                state = self._read_sidecar()
                self.checkpoint = state.checkpoint if state else None
            raise

    def _append(self, data: bytes, checkpoint: str) -> None:
        self._cut_back()
        # Another program may have left the last line without an end.
        newline = b"" if _read_before(self._descriptor, self._length, 1) in {b"", b"\n"} else b"\n"
        rest = memoryview(newline + data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        # The size as it is, since another program may have emptied the file meanwhile.
        self._commit(self._status().st_size, checkpoint)

    def _recover(self, state: _SidecarState | None) -> None:
        status = self._status()
        if not stat.S_ISREG(status.st_mode):
            raise ArchiveError(f"{self._path} is no plain file: events can be kept in a plain file only")
        if state is None and status.st_size:
            raise ArchiveError(
                f"{self._path} has data, and {self._sidecar}, which records its committed length, is missing: put "
                "that back, or move the data away to start again"
            )
        self.checkpoint = state.checkpoint if state else None
        if state is not None:
            if state.is_same(self._descriptor, self._prefix):
                self._length = state.length
                self._cut_back()
                return
            self._cut_back_moved(state)
        # Before there is data: what a killed process leaves in a file that no sidecar names would pass for another's.
        sync_directory(self._path.parent)
        self._commit(status.st_size, self.checkpoint)

    def _cut_back(self) -> None:
        size = self._status().st_size
        if size > self._length:
            os.ftruncate(self._descriptor, self._length)
        elif size == 0 < self._length:
            self._commit(0, self.checkpoint)
        elif size < self._length:
            raise ArchiveError(
                f"{self._path} has {size} bytes, but {self._length} were written: events were taken out of it. Put it "
                "back as it was; or move it away, and a new one goes on after the last event that was written; or "
                f"move {self._sidecar} away too, to begin afresh"
            )

    def _cut_back_moved(self, state: _SidecarState) -> None:
        """Cut off what a killed process left in a file that was renamed since: the new file gets it again."""
        with os.scandir(Path(os.path.realpath(self._path)).parent) as entries:
            candidates = [entry for entry in entries if entry.inode() == state.inode]
        for entry in candidates:
            with suppress(FileNotFoundError):  # compressed or removed meanwhile
                # Where nothing was left, it need not even be readable.
                if entry.is_file(follow_symlinks=False) and entry.stat().st_size > state.length:
                    _cut_back_if_same(Path(entry.path), state, self._prefix)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), self._status())
        except FileNotFoundError:
            return False

    def _status(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def _commit(self, length: int, checkpoint: str | None) -> None:
        status = self._status()
        state = _SidecarState(
            FileNumber(status.st_dev), FileNumber(status.st_ino), length, _tail(self._descriptor, length), checkpoint
        )
        text = json.dumps({"version": _SIDECAR_VERSION, **asdict(state)}) + "\n"
        atomic_write(self._sidecar, text.encode())
        self._length, self.checkpoint = length, checkpoint

    def _read_sidecar(self) -> _SidecarState | None:
        try:
            require_regular(self._sidecar)
            text = self._sidecar.read_text(encoding="utf-8")
            if not text and not self._path.stat().st_size:  # made beforehand, for its mode
                return None
            return read_state(text, _SIDECAR_VERSION, _SidecarState)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ArchiveError(
                f"{self._sidecar} cannot be read, so the committed length of {self._path} is unknown: damaged, of "
                f"a newer version, or something else ({error}). Move both away to start again"
            ) from error


def _cut_back_if_same(path: Path, state: _SidecarState, prefix: bytes) -> None:
    with path.open("rb", buffering=0) as file:  # another's may be read-only
        if not state.is_same(file.fileno(), prefix):
            return
    with path.open("r+b", buffering=0) as file:
        if state.is_same(file.fileno(), prefix):  # the name may be another's by now
            file.truncate(state.length)
            os.fsync(file.fileno())


def _tail(descriptor: int, length: int) -> int:
    return crc32(_read_before(descriptor, length, _TAIL_BYTES))


def _read_before(descriptor: int, end: int, count: int) -> bytes:
    """Read as many bytes as there are, at most some, before a place in a file."""
    start = max(0, end - count)
    os.lseek(descriptor, start, os.SEEK_SET)
    return os.read(descriptor, end - start)
