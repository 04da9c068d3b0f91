"""A webhook: events as lines of JSON, or as an array, in the body of a POST."""

import json
from collections.abc import Sequence
from typing import Any

from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line
from cfevents.sinks.receiver import Receiver, reason_in
from cfevents.sinks.requests import Outcome, RefusedRequest, RequestLimits, RequestSink


class Webhook(RequestSink):
    """Any HTTP server that takes the lines that ``follow`` prints."""

    def __init__(self, receiver: Receiver, limits: RequestLimits, *, as_array: bool) -> None:
        super().__init__(receiver, limits)
        self._as_array = as_array

    def encode(self, account_id: str, item: FollowedEvent[Any]) -> bytes:
        """Return the line of an event."""
        return json.dumps(followed_line(item)).encode()

    async def send(self, events: Sequence[bytes]) -> Sequence[Outcome]:
        """Send events as one body."""
        if self._as_array:
            body, content_type = b"[" + b",\n".join(events) + b"]", "application/json"
        else:
            body, content_type = b"".join(line + b"\n" for line in events), "application/x-ndjson"
        answer = await self._receiver.post(body, content_type)
        if 200 <= answer.status < 300:
            return [None] * len(events)
        if answer.status in {400, 413, 422}:
            reason = f"{self._receiver.name} answers {answer.status}: {reason_in(answer.body)}"
            raise RefusedRequest(reason, is_too_large=answer.status == 413)
        raise self._receiver.refusal(answer)
