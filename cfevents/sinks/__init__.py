"""Places that followed events are delivered to: a file, a webhook, a database, or one of your own."""

from cfevents.sinks.forwarding import forward
from cfevents.sinks.sink import KeepingSink, RefusedEvent, Sink
from cfevents.sinks.urls import connect

__all__ = ["KeepingSink", "RefusedEvent", "Sink", "connect", "forward"]
