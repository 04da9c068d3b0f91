"""Events in requests of bounded size; a batch that was interrupted goes on where it stopped."""

import logging
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal, Self, TypeAlias

from attrs import frozen

from cfevents._following.follower import Batch
from cfevents._model.results import FollowedEvent
from cfevents._validation import validate_int
from cfevents.errors import SinkError
from cfevents.sinks.receiver import Receiver
from cfevents.sinks.sink import RefusedEvent

# A receiver that has refused so many events and taken none expects something else.
_MAX_FIRST_REFUSALS = 5

_log = logging.getLogger("cfevents")

Outcome: TypeAlias = str | Literal[True] | None
"""Of an event: None where it was delivered, True where it is sent again, or the reason for which it is refused."""


@frozen
class RequestLimits:
    """The bounds of one request; an event is sent alone where it is larger."""

    max_events: int
    max_bytes: int  # before compression

    def __attrs_post_init__(self) -> None:
        validate_int("max_events", self.max_events)
        validate_int("max_bytes", self.max_bytes)


class RefusedRequest(Exception):  # noqa: N818 - it leaves no public call
    """A request that the receiver refuses as a whole: for its size, or for some event in it."""

    def __init__(self, reason: str, *, is_too_large: bool) -> None:
        super().__init__(reason)
        self.reason, self.is_too_large = reason, is_too_large


class RequestSink(ABC):
    """A sink that sends events in requests.

    A request that is refused as a whole is halved until the event is alone that it was refused for: a binary search, of
    O(log n) more requests for each such event among n. Where the size was the reason, the bound stays halved.
    """

    def __init__(self, receiver: Receiver, limits: RequestLimits) -> None:
        self._receiver, self._limits = receiver, limits
        self._max_bytes = limits.max_bytes
        self._suspects = 0  # the first events that wait, among which is one that a request was refused for
        self._batch: Batch[Any] | None = None
        self._waiting = list[tuple[FollowedEvent[Any], bytes]]()
        self._refused = list[RefusedEvent]()
        self._has_taken = False

    @abstractmethod
    def encode(self, account_id: str, item: FollowedEvent[Any]) -> bytes:
        """Return an event as it is sent."""

    @abstractmethod
    async def send(self, events: Sequence[bytes]) -> Sequence[Outcome]:
        """Send a request with encoded events, or with none, and return what became of each.

        Raises:
            RefusedRequest: It is refused as a whole, and a part of it may not be.
            SinkError: It could not be delivered.
        """

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent]:
        """Deliver a batch; the same batch once more goes on where it stopped."""
        if batch is not self._batch:
            account_id = batch.checkpoint.account_id
            self._waiting = [(item, self.encode(account_id, item)) for item in batch.items]
            self._batch, self._refused = batch, []
        while self._waiting:
            await self._send_some()
        return self._refused

    async def _send_some(self) -> None:
        most = max(1, self._suspects // 2) if self._suspects else self._limits.max_events
        sizes = [len(encoded) for _, encoded in self._waiting[:most]]
        count = max(1, bisect_right([*accumulate(sizes)], self._max_bytes))
        try:
            outcomes = await self.send([encoded for _, encoded in self._waiting[:count]])
        except RefusedRequest as refusal:
            if count > 1 and refusal.is_too_large:
                self._max_bytes = sum(sizes[:count]) // 2
                return
            self._suspects = count
            outcomes = [refusal.reason] if count == 1 else []
        self._suspects = max(0, self._suspects - len(outcomes))
        self._settle(outcomes)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        some, rest = self._waiting[: len(outcomes)], self._waiting[len(outcomes) :]
        pairs = [*zip(some, outcomes, strict=True)]
        self._waiting = [entry for entry, outcome in pairs if outcome is True] + rest
        self._refused += [RefusedEvent(item, outcome) for (item, _), outcome in pairs if isinstance(outcome, str)]
        self._has_taken = self._has_taken or None in outcomes
        if not self._has_taken and len(self._refused) >= _MAX_FIRST_REFUSALS:
            raise SinkError(f"the receiver refuses every event so far: {self._refused[-1].reason}")

    async def __aenter__(self) -> Self:
        """Open the session, and send a request without events, which shows whether the credentials are taken."""
        await self._receiver.open()
        try:
            await self.send([])
        except RefusedRequest:
            pass  # for want of events
        except SinkError as error:
            if not error.is_temporary:
                await self._receiver.close()
                raise
            _log.warning("%s; it is tried again with the first events", error)
        except BaseException:
            await self._receiver.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._receiver.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._receiver.name}>"
