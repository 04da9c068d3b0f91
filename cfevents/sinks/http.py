"""The base of sinks over HTTP: a batch goes in requests of bounded size, and their answers settle its events."""

import json
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Self

from yarl import URL

from cfevents._following.follower import Batch
from cfevents._model.results import FollowedEvent
from cfevents.errors import SinkError
from cfevents.sinks.formats import FormattedEvent, format_event
from cfevents.sinks.receiver import HTTPAnswer, Receiver
from cfevents.sinks.sink import RefusedEvent, outages_logged
from cfevents.sinks.urls import SinkAddress

_MAX_REQUEST_EVENTS = 1000
_MAX_REQUEST_BYTES = 1_000_000  # before compression
# A receiver that has refused so many events and taken none expects something else.
_MAX_FIRST_REFUSALS = 5


class OutgoingEvent(NamedTuple):
    """An event that waits to be delivered, and its part of a request's body."""

    item: FollowedEvent[Any]
    part: bytes


class Verdict(NamedTuple):
    """The meaning of an answer for the events of its request, by their places in it. By default all are taken."""

    refusal: str = ""
    """The reason for which the request is refused as a whole, although a part of it may not be."""

    refused: Mapping[int, str] = {}
    """The events that are refused for good, each with the receiver's reason."""

    unsettled: Collection[int] = ()
    """The events that are neither taken nor refused: they are sent again."""

    error: SinkError | None = None
    """The error that is raised once the other events are settled. The unsettled ones wait until it has passed."""


class HTTPSink:
    """A sink that sends requests; a subclass says what is sent, and what an answer means.

    A request that is refused as a whole is halved until the event is alone that it was refused for: a binary search, of
    O(log n) more requests for each such event among n. Where the size was the reason, the bound stays halved. A batch
    that was interrupted goes on where it stopped, so that nothing that was taken is sent twice.
    """

    content_type = "application/json"
    _name = "without an address"  # while that is checked: a traceback may show it

    def __init__(self, address: SinkAddress, url: URL, scheme: str = "Bearer") -> None:
        """Set where requests go to, as for a `Receiver`, and their bounds; a larger event is sent alone."""
        self.receiver = Receiver(address, url, scheme)
        self._name, self._format = self.receiver.name, address.format
        self._max_events = address.max_events or _MAX_REQUEST_EVENTS
        self._max_bytes = address.max_bytes or _MAX_REQUEST_BYTES
        self._suspects = 0  # the first events that wait, among which is one that a request was refused for
        self._batch: Batch[Any] | None = None
        self._waiting = list[OutgoingEvent]()
        self._refused = list[RefusedEvent]()
        self._has_taken = False

    def encode(self, event: FormattedEvent) -> bytes:
        """Return an event's part of a body."""
        return json.dumps(event.fields).encode()

    def body(self, events: Sequence[OutgoingEvent]) -> bytes:
        """Return the body of a request; without events, of the one that is sent when the sink is opened."""
        return b"".join(event.part + b"\n" for event in events)

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        """Return what an answer means for the events of its request; raise SinkError where it settles none of them."""
        if 200 <= answer.status < 300:
            return Verdict()
        if answer.status in {400, 413, 422}:
            return Verdict(self.receiver.describe(answer))
        raise self.receiver.refusal(answer)

    def misunderstood(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent], text: str) -> SinkError:
        """Return the error for a success that is none: it may be cut. Without events yet, another server answers so."""
        return SinkError(f"{self.receiver.describe(answer)}; {text}", is_temporary=bool(events))

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent]:
        """Deliver a batch; the same batch once more goes on where it stopped."""
        if batch is not self._batch:
            events = [format_event(item, batch.checkpoint.account_id, self._format) for item in batch.items]
            self.put_back([*map(OutgoingEvent, batch.items, map(self.encode, events))])
            self._batch, self._refused = batch, []
        while self._waiting:
            await self._send_some()
        return self._refused

    def put_back(self, events: Sequence[OutgoingEvent]) -> None:
        """Let these events wait to be sent, and no others."""
        self._waiting, self._suspects = [*events], 0

    async def _send_some(self) -> None:
        most = max(1, self._suspects // 2) if self._suspects else self._max_events
        sizes = [len(event.part) for event in self._waiting[:most]]
        count = max(1, bisect_right([*accumulate(sizes)], self._max_bytes))
        answer, verdict = await self._exchange(self._waiting[:count])
        if verdict.refusal and answer.status == 413 and count > 1:
            self._max_bytes = sum(sizes[:count]) // 2
            return
        if verdict.refusal:
            self._suspects = count
            if count > 1:
                return
            verdict = Verdict(refused={0: verdict.refusal})
        self._settle(count, verdict)
        if verdict.error is not None:
            raise verdict.error

    async def _exchange(self, events: Sequence[OutgoingEvent]) -> tuple[HTTPAnswer, Verdict]:
        answer = await self.receiver.post(self.body(events), self.content_type)
        return answer, self.read(answer, events)

    def _settle(self, count: int, verdict: Verdict) -> None:
        """Let those of the first events wait on that are not settled."""
        unsettled = [self._waiting[place] for place in sorted(verdict.unsettled)]
        settled = count - len(unsettled)
        self._refused += [RefusedEvent(self._waiting[place].item, why) for place, why in verdict.refused.items()]
        self._waiting[:count] = unsettled
        self._suspects = max(0, self._suspects - settled)
        self._has_taken |= settled > len(verdict.refused)
        if not self._has_taken and len(self._refused) >= _MAX_FIRST_REFUSALS:
            raise SinkError(f"the receiver refuses every event so far: {self._refused[-1].reason}")

    async def __aenter__(self) -> Self:
        """Open the session, and send a request without events, which shows whether the credentials are taken."""
        await self.receiver.open()
        try:
            with outages_logged():
                _, verdict = await self._exchange([])  # it may be refused for want of events
                if verdict.error is not None:
                    raise verdict.error
        except BaseException:
            await self.receiver.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.receiver.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"
