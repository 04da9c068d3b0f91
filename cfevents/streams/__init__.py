"""Listings as streams of events: of one connector or of many, in slices side by side, with payloads."""

from cfevents.streams.fleet import Fleet, FleetStream
from cfevents.streams.payloads import Details
from cfevents.streams.stream import EventStream

__all__ = ["Details", "EventStream", "Fleet", "FleetStream"]
