"""Splunk: events to the HTTP Event Collector, which count as delivered once they are indexed, where it says so."""

import asyncio
import json
import re
import uuid
from collections.abc import Sequence
from itertools import chain
from typing import Any

from attrs import evolve

from cfevents._following.follower import Batch
from cfevents._secrets import Secret
from cfevents.errors import SinkError
from cfevents.sinks.formats import FormattedEvent
from cfevents.sinks.http import HTTPSink, OutgoingEvent, Verdict
from cfevents.sinks.receiver import HTTPAnswer
from cfevents.sinks.sink import RefusedEvent
from cfevents.sinks.urls import SinkAddress

_PATH = "/services/collector/event"
_METADATA = ("index", "source", "sourcetype", "host")
_CHANNEL = "x-splunk-request-channel"
_ACK_ID = "[0-9]{1,19}"
_ACK_WAITS_S = (0.5, 1, 2, 4, 8, *[10] * 29)  # five minutes

# The codes of the collector's answers.
_TAKEN = {0, 24, 25}  # the latter two: its queues are nearly full
_NO_DATA = 5
_INVALID_EVENT = {6, 12, 13, 15}
_WRONG_INDEX = 7
_BUSY = {8, 9, 18, 19, 20, 23, 26, 27}


class Splunk(HTTPSink):
    """The HTTP Event Collector. Made by `connect`.

    It takes the events of a request one after the other, and stops at the first that it refuses. With indexer
    acknowledgement an answer has a number, and the events count as delivered once the collector confirms it: what it
    does not confirm in time is sent again.
    """

    def __init__(self, address: SinkAddress) -> None:
        """Set the collector of ``splunk+https://HOST:8088``, with a channel of its own for acknowledgements."""
        url, channel = address.url(_PATH, _METADATA), {_CHANNEL: Secret(uuid.uuid4())}
        address = evolve(address, headers={**address.headers, **channel})
        super().__init__(address, url.with_query(None), "Splunk")
        self._metadata = dict(url.query)
        self._ack_path = url.path.rstrip("/").removesuffix("/1.0").removesuffix("/event") + "/ack"
        self._unconfirmed = dict[int, Sequence[OutgoingEvent]]()
        self._last_number, self._sent = -1, 0  # requests since that number, some of which may have one too
        self._forgotten = list[OutgoingEvent]()  # by the collector
        self._confirms: bool | None = None  # None until it has taken something

    def encode(self, event: FormattedEvent) -> bytes:
        """Return an event with its time and its host, which is the connector if the address names none."""
        envelope = {"time": event.line["recorded_ts"], "host": event.line["connector_id"]}
        return json.dumps({**envelope, **self._metadata, "event": event.fields}).encode()

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        """Return what an answer means by its code; by its status where it has none."""
        said = _said(answer)
        code, place = (_number(said.get(name)) for name in ("code", "invalid-event-number"))
        if code in _TAKEN and answer.status == 200:
            self._confirms = "ackId" in said
            if self._confirms and not re.fullmatch(_ACK_ID, str(said["ackId"])):
                raise self.misunderstood(answer, events, "its ackId is no number")
            if self._confirms:
                self._wait_for(int(said["ackId"]), events)
            return Verdict()
        if code == _NO_DATA and not events:
            return Verdict()
        text = self.receiver.describe(answer)
        if place is not None and 0 <= place < len(events) and code in _INVALID_EVENT | _BUSY:
            return self._stopped(answer, place, len(events), is_invalid=code in _INVALID_EVENT)
        if code in _BUSY:
            raise self.receiver.busy(answer)
        if code == _WRONG_INDEX:
            raise SinkError(f"{text}; check index= in the address, and the indexes that the token may write to")
        if answer.status == 200:
            raise self.misunderstood(answer, events, "check the address")
        if answer.status == 400 and code is not None and code not in _INVALID_EVENT:
            raise SinkError(f"{text}; check the address")
        return super().read(answer, events)

    async def _exchange(self, events: Sequence[OutgoingEvent]) -> tuple[HTTPAnswer, Verdict]:
        self._sent += 1
        return await super()._exchange(events)

    def _stopped(self, answer: HTTPAnswer, place: int, count: int, *, is_invalid: bool) -> Verdict:
        """Return what it means that events are taken up to a place; where they have to be confirmed, nothing will."""
        text, unsettled = self.receiver.describe(answer), range(place if self._confirms is False else 0, count)
        if not is_invalid:
            return Verdict(unsettled=unsettled, error=self.receiver.busy(answer))
        self._has_taken |= place > 0
        # Half of so many, which are those before it, go alone then, and are confirmed.
        self._suspects = 0 if self._confirms is False else 2 * place + 1
        return Verdict(refused={place: text}, unsettled=[other for other in unsettled if other != place])

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent]:
        """Deliver a batch, and wait until it is indexed where the collector says so."""
        refused = await super().write(batch)
        for wait_s in _ACK_WAITS_S if self._unconfirmed else ():
            await asyncio.sleep(wait_s)
            if not await self._confirm() or not self._unconfirmed:
                break
        self._forget()
        unconfirmed, self._forgotten = self._forgotten, []
        if unconfirmed:
            self.put_back(unconfirmed)
            text = f"{self.receiver.name} has not confirmed that {len(unconfirmed)} events are indexed"
            raise SinkError(f"{text}: they are sent again", is_temporary=True)
        return refused

    def _wait_for(self, number: int, events: Sequence[OutgoingEvent]) -> None:
        if number <= self._last_number or number < self._sent:  # it may count from 0 again, as after a restart
            self._forget()
        self._unconfirmed[number], self._last_number, self._sent = events, number, 0

    def _forget(self) -> None:
        """Let no number stand for the events that are not confirmed: it may be that of a request without an answer."""
        self._forgotten += chain(*self._unconfirmed.values())
        self._unconfirmed = {}

    async def _confirm(self) -> bool:
        """Forget the events that are indexed; return False where the collector no longer knows the others."""
        body = json.dumps({"acks": [*self._unconfirmed]}).encode()
        answer = await self.receiver.post(body, self.content_type, self._ack_path)
        acks = _said(answer).get("acks")
        if answer.status == 200 and isinstance(acks, dict):
            self._unconfirmed = {n: events for n, events in self._unconfirmed.items() if acks.get(str(n)) is not True}
        elif answer.status not in {200, 400}:  # 400 is for a token that no longer has acknowledgement
            raise self.receiver.refusal(answer)
        return answer.status == 200


def _said(answer: HTTPAnswer) -> dict[str, Any]:
    try:
        said = json.loads(answer.body)
    except (RecursionError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _number(value: Any) -> int | None:
    return value if type(value) is int else None
