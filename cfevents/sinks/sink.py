"""The protocol of a sink, which a class of your own follows by one method."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._model.results import FollowedEvent
from cfevents._public import set_module
from cfevents.errors import SinkError

_log = logging.getLogger("cfevents")


@set_module("cfevents.sinks")
class RefusedEvent(NamedTuple):
    """An event that a receiver refuses for good, such as one that is too large."""

    item: FollowedEvent[Any]
    """The event."""

    reason: str
    """The receiver's reason."""


@set_module("cfevents.sinks")
class Sink(Protocol):
    """A place that events are delivered to: an async context manager, which is open while it is written to.

    A class that inherits from it needs no more than ``write``.
    """

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent] | None:
        """Deliver the events of a batch. When it returns, they are there.

        Returns:
            The events that the receiver refuses for good; None or nothing where it has taken all.

        Raises:
            SinkError: They could not be delivered. The same batch may be written again, if the error ``is_temporary``.
        """
        ...

    async def __aenter__(self) -> Self:
        """Open it. What can be known to be wrong is raised here."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        return None  # noqa: RET501 - without a body it would count as abstract


@set_module("cfevents.sinks")
@runtime_checkable
class KeepingSink(Sink, Protocol):
    """A sink that stores the checkpoint of each batch together with its events, so that each event is there once."""

    async def resume(self, start: FollowCheckpoint) -> str | None:
        """Return the checkpoint that is stored for what begins at ``start``; None where none was, and ``start`` is now.

        Raises:
            SinkError: It cannot be read.
        """
        ...


@contextmanager
def outages_logged() -> Iterator[None]:
    """Log an error of the block that may pass by itself: what is opened there is tried again with the first events."""
    try:
        yield
    except SinkError as error:
        if not error.is_temporary:
            raise
        _log.warning("%s; it is tried again with the first events", error)
