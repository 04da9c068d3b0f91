"""A webhook: events as lines of JSON, or as an array."""

from collections.abc import Sequence

from cfevents.sinks.http import HTTPSink, OutgoingEvent
from cfevents.sinks.urls import SinkAddress


class Webhook(HTTPSink):
    """Any HTTP server that takes the lines that ``follow`` prints. Made by `connect`."""

    def __init__(self, address: SinkAddress) -> None:
        """Set the form of a body: an array for ``json+https://HOST/PATH``, else lines."""
        super().__init__(address, address.url(parameters=None))
        self._as_array = address.text.lower().startswith("json+")
        self.content_type = "application/json" if self._as_array else "application/x-ndjson"

    def body(self, events: Sequence[OutgoingEvent]) -> bytes:
        """Return an array, or lines."""
        if not self._as_array:
            return super().body(events)
        return b"[" + b",\n".join(event.part for event in events) + b"]"
