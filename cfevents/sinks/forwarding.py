"""The delivery: a batch reaches the sink, and only then its checkpoint is stored."""

import asyncio
import logging
import math
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from cfevents._cancellation import finish
from cfevents._files import is_same_file
from cfevents._following.follower import Batch, Follower, SinkMetrics
from cfevents._following.watch import Watch
from cfevents._http.retry import Retry
from cfevents._time import DurationLike, format_duration, parse_duration
from cfevents._validation import validate_type
from cfevents.errors import SinkError
from cfevents.sinks.files import CheckpointFile, DeadLetters
from cfevents.sinks.sink import KeepingSink, RefusedEvent, Sink

R = TypeVar("R")

_BACKOFF = Retry(backoff_max=60)
_MAX_ASKED_WAIT_S = 3600  # of a receiver
_GRACE_S = 0.5  # in which what is being written may arrive when the delivery is cancelled

_log = logging.getLogger("cfevents")


async def forward(
    follower: Follower[Any] | Watch,
    sink: Sink,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    dead_letters: str | os.PathLike[str] | None = None,
    patience: DurationLike | None = None,
) -> None:
    """Deliver the events of a follower to a sink, batch by batch, until it ends or is cancelled.

    A batch is written, and only then its checkpoint is stored. While the receiver is down it is tried again, with
    growing waits of up to a minute; the follower waits, so that nothing piles up. A delivery that is cancelled lets
    what is being written arrive, for at most half a second.

    Args:
        follower: It goes on where the stored checkpoint ends; where there is none, it begins as it was made. The
            findings of a follower are delivered likewise.
        sink: It must be open.
        checkpoint: The file for the checkpoint, which needs the extra ``storage``. A sink that stores it with the
            events, such as a file or a database, uses none.
        dead_letters: The file for events that the receiver refuses for good: the checkpoint's path and
            ``.dead-letters`` where it is left out. Without either, such an event ends the delivery.
        patience: The longest time in which a batch is tried again; None for no limit.

    Raises:
        SinkError: The receiver refuses the credentials or all events, or is down for longer than the patience.
        ArchiveError: The checkpoint or the dead letters cannot be written.
        CheckpointError: The stored checkpoint is damaged, or of other connectors or kinds.
        CfEventsError: As ``Follower.batches`` does; `FleetError` as ``Follower.once`` does.
        TypeError: It is no follower.
        ValueError: The patience is no length of time, the sink takes no findings, or the two files are one.
    """
    validate_type("follower", follower, Watch if isinstance(follower, Watch) else Follower)
    if isinstance(follower, Watch) and isinstance(sink, KeepingSink):
        raise ValueError("sink stores events with their checkpoint, and takes no findings: use one over HTTP")
    limit_s = None if patience is None else parse_duration("patience", patience)
    if isinstance(sink, KeepingSink) and checkpoint is not None:
        _log.info("the checkpoint is kept with the events: %s is not used", os.fspath(checkpoint))
        checkpoint = None
    if dead_letters is None and checkpoint is not None:
        dead_letters = f"{os.fspath(checkpoint)}.dead-letters"
    if checkpoint is not None and dead_letters is not None and is_same_file(checkpoint, dead_letters):
        raise ValueError("dead_letters and checkpoint are the same file: give each its own")
    store = None if checkpoint is None else CheckpointFile(checkpoint)
    with nullcontext() if store is None else store:
        letters = None if dead_letters is None else DeadLetters(dead_letters)
        delivery = _Delivery(sink, store, letters, limit_s)
        await delivery.begin(follower)
        async with aclosing(follower.batches()) as batches:
            async for batch in batches:
                await delivery.deliver(batch)


class _Delivery:
    def __init__(
        self, sink: Sink, store: CheckpointFile | None, letters: DeadLetters | None, patience_s: float | None
    ) -> None:
        self._sink, self._store, self._letters, self._patience_s = sink, store, letters, patience_s
        self._counts = SinkMetrics()

    async def begin(self, follower: Follower[Any] | Watch) -> None:
        """Let the follower go on after what is stored. Where nothing is, store its beginning: "24h" moves on."""
        known: str | None = None
        if isinstance(follower, Follower):
            follower._sink = self._counts
        if isinstance(self._sink, KeepingSink) and isinstance(follower, Follower):
            known = await self._patiently(partial(self._sink.resume, follower.checkpoint))
        elif self._store is not None and not (known := self._store.read()):
            self._store.store(follower.checkpoint)
        if known:
            follower._resume(known)
            note = "; since= has no effect" if follower._options.has_since else ""
            _log.info("going on where the checkpoint ends%s", note)

    async def deliver(self, batch: Batch[Any]) -> None:
        """Write a batch, and then store its checkpoint."""
        refused: Sequence[RefusedEvent] | None = None
        if batch.items or isinstance(self._sink, KeepingSink):
            refused = await self._patiently(partial(self._write, batch))
        await self._keep(batch, refused or ())

    async def _write(self, batch: Batch[Any]) -> Sequence[RefusedEvent] | None:
        writing = asyncio.ensure_future(self._sink.write(batch))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await finish(asyncio.ensure_future(self._arrive(batch, writing)))
            raise

    async def _arrive(self, batch: Batch[Any], writing: asyncio.Future[Sequence[RefusedEvent] | None]) -> None:
        """Store the checkpoint of what is being written, if it arrives in time."""
        timer = asyncio.get_running_loop().call_later(_GRACE_S, writing.cancel)
        await asyncio.wait([writing])
        timer.cancel()
        if not writing.cancelled() and writing.exception() is None:
            await self._keep(batch, writing.result() or ())

    async def _keep(self, batch: Batch[Any], refused: Sequence[RefusedEvent]) -> None:
        if refused and self._letters is None:
            raise SinkError(f"{refused[0].reason}: name a file for dead letters, which keeps such events")
        self._counts.delivered += len(batch.items) - len(refused)
        self._counts.dead_letters += len(refused)
        if refused or self._store is not None:
            # It ends before the caller does: else the next run could read what is half stored.
            await finish(asyncio.ensure_future(asyncio.to_thread(self._keep_on_disk, batch, refused)))

    def _keep_on_disk(self, batch: Batch[Any], refused: Sequence[RefusedEvent]) -> None:
        if refused and self._letters is not None:
            self._letters.append(refused)
            _log.warning("%d refused, now in %s; the last: %s", len(refused), self._letters.path, refused[-1].reason)
        if self._store is not None:
            self._store.store(batch.checkpoint)

    async def _patiently(self, call: Callable[[], Awaitable[R]]) -> R:
        """Return the result of a call, repeated with back-off while it fails for the moment."""
        loop, failures = asyncio.get_running_loop(), 0
        give_up_at = math.inf if self._patience_s is None else loop.time() + self._patience_s
        while True:
            try:
                result = await call()
            except (SinkError, ConnectionError, TimeoutError) as error:
                failures += 1
                asked_s = min(getattr(error, "retry_after", None) or 0, _MAX_ASKED_WAIT_S)
                wait_s = max(_BACKOFF.wait(failures), asked_s)
                if not getattr(error, "is_temporary", True) or loop.time() + wait_s > give_up_at:
                    raise
                self._log_failure(error, failures, wait_s)
            else:
                if failures:
                    _log.warning("delivered after %d failures", failures)
                return result
            self._counts.retried += 1
            await asyncio.sleep(wait_s)

    def _log_failure(self, error: Exception, failures: int, wait_s: float) -> None:
        """Log it after 1, 2, 4, 8 failures and so on, since an outage may last for days; first with the patience."""
        if failures.bit_count() > 1:
            return
        when = f"in {wait_s:.0f} s" if round(wait_s) else "at once"
        if self._patience_s is not None and failures == 1:
            when += f", for up to {format_duration(timedelta(seconds=self._patience_s))}"
        _log.warning("%s; nothing is lost, trying again %s", error, when)
