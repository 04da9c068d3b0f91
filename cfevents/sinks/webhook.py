"""A webhook: events as lines of JSON, or as an array."""

from collections.abc import Sequence

from cfevents.sinks.address import SinkAddress
from cfevents.sinks.http import HTTPSink, OutgoingEvent, http_receiver
from cfevents.sinks.receiver import Receiver


class Webhook(HTTPSink):
    """Any HTTP server that takes the lines that ``follow`` prints. Made by `connect`."""

    def __init__(self, receiver: Receiver, address: SinkAddress, *, as_array: bool) -> None:
        """Set the form of a body: an array, or lines."""
        super().__init__(receiver, address)
        self._as_array = as_array
        self.content_type = "application/json" if as_array else "application/x-ndjson"

    def body(self, events: Sequence[OutgoingEvent]) -> bytes:
        """Return an array, or lines."""
        if not self._as_array:
            return super().body(events)
        return b"[" + b",\n".join(event.part for event in events) + b"]"


def webhook_sink(address: SinkAddress) -> Webhook:
    """Return the webhook at ``https://HOST/PATH``, or ``json+https://HOST/PATH``."""
    receiver = http_receiver(address, address.url(parameters=None))
    return Webhook(receiver, address, as_array=address.text.lower().startswith("json+"))
