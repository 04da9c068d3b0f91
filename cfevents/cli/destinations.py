"""Where events go that are followed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from cfevents.cli.console.errors import file_named
from cfevents.cli.console.output import View
from cfevents.cli.console.signals import hangup_calls
from cfevents.cli.console.writer import writer

if TYPE_CHECKING:
    from cfevents._following.checkpoint import FollowCheckpoint
    from cfevents._following.follower import Batch


class Destination(Protocol):
    """Where events go, and where it is kept how far it came."""

    @property
    def checkpoint(self) -> str | None:
        """How far it came; None at the beginning."""

    async def begin(self, checkpoint: "FollowCheckpoint") -> None:
        """Keep where it begins, if nothing is kept yet: the first event may come long after."""

    async def write(self, batch: "Batch[Any]") -> None:
        """Take a batch, and then keep that it came."""


class Printed:
    """Stdout. A batch may come there once more after a crash: it is kept that it came after it has left."""

    def __init__(self, view: View[Any], format_: str | None, path: str | None) -> None:
        """Take how events are shown, and the file for the checkpoint, if there is to be one.

        Raises:
            ArchiveError: The file is no plain one.
            Failure: It cannot be read, or its directory is not there.
        """
        self._write, self._path = writer(view, format_), path
        self.checkpoint = None if path is None else _read(path)
        # A table's header shows that it began: the first event may take its time.
        self._write(())

    async def begin(self, checkpoint: "FollowCheckpoint") -> None:
        """Store where it begins; raises as `write` does."""
        if self.checkpoint is None:
            self._store(checkpoint)

    async def write(self, batch: "Batch[Any]") -> None:
        """Print a batch, and then store its checkpoint.

        Raises:
            Failure: The checkpoint cannot be stored.
            OSError: The events cannot be printed; their checkpoint is not stored.
        """
        self._write(batch.items)
        self._store(batch.checkpoint)

    def _store(self, checkpoint: "FollowCheckpoint") -> None:
        from pathlib import Path  # noqa: PLC0415 - not needed for --help

        from cfevents.storage.files import replace_durably  # noqa: PLC0415 - not needed for --help

        if self._path is not None:
            with file_named(self._path):
                replace_durably(Path(self._path), checkpoint.to_json().encode())


def _read(path: str) -> str | None:
    from pathlib import Path  # noqa: PLC0415 - not needed for --help

    from cfevents.storage.files import require_plain  # noqa: PLC0415 - not needed for --help

    with file_named(path):
        try:
            require_plain(Path(path))
            # What is no text is found to be no checkpoint.
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            # Told before anything is printed that it cannot be kept how far it came.
            Path(path).parent.stat()
            return None


@asynccontextmanager
async def opened(output: str, checkpoint: str | None) -> AsyncIterator[Destination]:
    """Open a file for events, each of which is there exactly once; SIGHUP opens it anew.

    Raises:
        ArchiveError: It cannot be written, or another process writes it.
    """
    from cfevents.storage import NDJSONFile  # noqa: PLC0415 - not needed for --help

    async with NDJSONFile(output, checkpoint=checkpoint) as file:
        with hangup_calls(file.reopen):
            yield file
