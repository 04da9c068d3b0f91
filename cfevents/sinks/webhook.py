"""A webhook: events as lines of JSON, or as an array, in POSTs of bounded size."""

import json
import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Self

from cfevents._following.follower import Batch
from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line
from cfevents._validation import validate_int
from cfevents.errors import SinkError
from cfevents.sinks.receiver import Receiver
from cfevents.sinks.sink import RefusedEvent

# A receiver that has refused so many events and taken none expects something else.
_MAX_FIRST_REFUSALS = 5

_log = logging.getLogger("cfevents")


class Webhook:
    """Any HTTP server that takes the lines that ``follow`` prints. Made by `connect`.

    A request that is refused as a whole is halved until the event is alone that it was refused for: a binary search, of
    O(log n) more requests for each such event among n. Where the size was the reason, the bound stays halved. A batch
    that was interrupted goes on where it stopped.
    """

    def __init__(self, receiver: Receiver, max_events: int, max_bytes: int, *, as_array: bool) -> None:
        """Set the bounds of a request; an event is sent alone where it is larger."""
        self._receiver, self._as_array = receiver, as_array
        self._max_events = validate_int("max_events", max_events)
        self._max_bytes = validate_int("max_bytes", max_bytes)
        self._suspects = 0  # the first events that wait, among which is one that a request was refused for
        self._batch: Batch[Any] | None = None
        self._waiting = list[tuple[FollowedEvent[Any], bytes]]()
        self._refused = list[RefusedEvent]()
        self._has_taken = False

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent]:
        """Deliver a batch; the same batch once more goes on where it stopped."""
        if batch is not self._batch:
            self._waiting = [(item, json.dumps(followed_line(item)).encode()) for item in batch.items]
            self._batch, self._refused = batch, []
        while self._waiting:
            await self._send_some()
        return self._refused

    async def _send_some(self) -> None:
        most = max(1, self._suspects // 2) if self._suspects else self._max_events
        sizes = [len(line) for _, line in self._waiting[:most]]
        count = max(1, bisect_right([*accumulate(sizes)], self._max_bytes))
        status, reason = await self._post([line for _, line in self._waiting[:count]])
        if not reason:
            self._has_taken, settled = True, count
        elif status == 413 and count > 1:
            self._max_bytes = sum(sizes[:count]) // 2
            return
        else:
            self._suspects, settled = count, int(count == 1)
            self._refused += [RefusedEvent(item, reason) for item, _ in self._waiting[:settled]]
        self._suspects = max(0, self._suspects - settled)
        self._waiting = self._waiting[settled:]
        if not self._has_taken and len(self._refused) >= _MAX_FIRST_REFUSALS:
            raise SinkError(f"the receiver refuses every event so far: {reason}")

    async def _post(self, lines: Sequence[bytes]) -> tuple[int, str]:
        """Return the status, and the reason where the request is refused as a whole and a part of it may not be."""
        if self._as_array:
            answer = await self._receiver.post(b"[" + b",\n".join(lines) + b"]", "application/json")
        else:
            answer = await self._receiver.post(b"".join(line + b"\n" for line in lines), "application/x-ndjson")
        if 200 <= answer.status < 300:
            return answer.status, ""
        if answer.status in {400, 413, 422}:
            return answer.status, self._receiver.describe(answer)
        raise self._receiver.refusal(answer)

    async def __aenter__(self) -> Self:
        """Open the session, and send a request without events, which shows whether the credentials are taken."""
        await self._receiver.open()
        try:
            await self._post([])  # 400 is for want of events
        except BaseException as error:
            if not getattr(error, "is_temporary", False):
                await self._receiver.close()
                raise
            _log.warning("%s; it is tried again with the first events", error)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._receiver.close()

    def __repr__(self) -> str:
        return f"<Webhook {self._receiver.name}>"
