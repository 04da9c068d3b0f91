"""What an export has gathered so far, in a folder beside its target: data that grows, and how far it came.

How far is written after the data, so after a crash the data may be longer than it says, and is cut back. All of it
blocks.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from attrs import asdict, field, frozen
from attrs.validators import deep_iterable, instance_of, optional

from cfevents.errors import ArchiveError
from cfevents.storage.files import lock, replace_durably, sync_directory

_VERSION = 1
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
# What is in the folder, in the order in which it can go: as long as there is progress, it is known that all was done.
_DATA, _PROGRESS, _LOCK = "data", "progress.json", "lock"
_FILES = (_DATA, "whole.parquet", "whole.parquet.part", _PROGRESS, f"{_PROGRESS}.new", _LOCK)


def _tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen
class Progress:
    """What an export is of, and how far it came."""

    asked: Mapping[str, Any] = field(validator=instance_of(dict))
    """What was asked for, in the words of who asks."""

    connectors: tuple[str, ...] = field(converter=_tuple, validator=deep_iterable(instance_of(str)))
    """Whose events, one connector after the other."""

    since: int = field(validator=instance_of(int))
    """The window's lower bound, in seconds since the Unix epoch."""

    until: int = field(validator=instance_of(int))
    """Its upper bound."""

    done: int = field(default=0, validator=instance_of(int))
    """How many connectors have been gathered whole."""

    after: str | None = field(default=None, validator=optional(instance_of(str)))
    """What of the next one has been gathered; None for nothing."""

    events: int = field(default=0, validator=instance_of(int))
    """How many events have been gathered."""

    length: int = field(default=0, validator=instance_of(int))
    """How many bytes of the data count."""

    @property
    def is_whole(self) -> bool:
        """Whether everything has been gathered."""
        return self.done == len(self.connectors)


class Staging:
    """What has been gathered for a target, which appears only when it is whole. A context manager."""

    progress: Progress | None = None
    """How far it came; None where there is nothing yet."""

    def __init__(self, target: Path) -> None:
        """Take where the whole is to be; nothing is opened."""
        self._target = target.absolute()
        self.folder = self._target.with_name(f"{self._target.name}.export")
        self.data = self.folder / _DATA
        self._beside = self.folder / _PROGRESS
        self._file: BinaryIO | None = None
        self._lock: int | None = None
        self._is_empty = False

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            ArchiveError: Another process is at it, or it cannot be written.
        """
        if self._target.exists() and not self._target.is_file():
            raise ArchiveError(f"{self._target} is no plain file: name one, or - for stdout")
        with self._named():
            self._is_empty = not self.folder.exists()
            self.folder.mkdir(exist_ok=True)
            try:
                self._lock = lock(self.folder / _LOCK, owner=Path(self._target.name))
            except BlockingIOError as error:
                raise ArchiveError(f"another process exports to {self._target}: wait for it, or end it") from error
        return self

    def read(self) -> Progress | None:
        """Find how far it came.

        Raises:
            ArchiveError: That is damaged.
        """
        try:
            told = json.loads(self._beside.read_bytes())
            if told.pop("version") != _VERSION:
                raise ValueError("another version")
            progress = Progress(**told)
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise self._damaged(f"{self._beside.name}: {error}") from error
        # As long as there is no event, nothing is lost by beginning afresh.
        self._is_empty = not progress.events
        self.progress = None if self._is_empty else progress
        return self.progress

    def is_published(self) -> bool:
        """Whether all was done the last time, but for removing the folder."""
        is_whole = self.progress is not None and self.progress.is_whole
        return is_whole and not self.data.exists() and self._target.exists()

    def begin(self, progress: Progress) -> None:
        """Begin afresh, or go on, with the data that counts.

        Raises:
            ArchiveError: There is less data than was written, or it cannot be written.
        """
        with self._named():
            self._file = os.fdopen(os.open(self.data, _OPEN, 0o666), "r+b", 0)
            if os.fstat(self._file.fileno()).st_size < progress.length:
                raise self._damaged(f"{self.data.name} is shorter than what was written")
            self._file.truncate(progress.length)
            self._file.seek(progress.length)
            sync_directory(self.folder.parent)
        self.progress = progress

    def add(self, data: bytes, progress: Progress) -> None:
        """Append data, and then note how far it came. When it returns, both are on the disk.

        Raises:
            ArchiveError: They cannot be written. What was gathered before stays.
        """
        assert self._file is not None  # noqa: S101 - it has begun
        with self._named():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            if data:
                os.fsync(self._file.fileno())
            text = json.dumps({"version": _VERSION, **asdict(progress)})
            replace_durably(self._beside, text.encode())
        self.progress, self._is_empty = progress, not progress.events

    def finish(self, whole: Path | None) -> None:
        """Put a file in the target's place, and remove the folder.

        Args:
            whole: The file, in the folder; None where it is in its place already.

        Raises:
            ArchiveError: It cannot be done. What was gathered stays.
        """
        self._close()
        with self._named():
            if whole is not None:
                _sync(whole)
                whole.replace(self._target)
                sync_directory(self._target.parent)
            self._remove()

    def throw_away(self) -> None:
        """Forget what was gathered."""
        self._is_empty = True
        with self._named():
            self._beside.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if self._lock is not None and self._is_empty:
            with self._named():
                self._remove()
        self._unlock()

    def _remove(self) -> None:
        # Before the folder: a file that is open cannot be removed everywhere.
        self._unlock()
        for name in _FILES:
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # there is something else in it, which is not ours
            self.folder.rmdir()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _unlock(self) -> None:
        descriptor, self._lock = self._lock, None
        if descriptor is not None:
            os.close(descriptor)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Tell which file cannot be written."""
        try:
            yield
        except OSError as error:
            path = error.filename or self.data
            raise ArchiveError(f"{path} cannot be written: {error.strerror or error}") from error

    def _damaged(self, why: str) -> ArchiveError:
        return ArchiveError(f"{self.folder} is damaged ({why}): --restart throws it away")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
