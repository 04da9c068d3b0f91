"""Listings as streams of events: of one connector or of many, in slices side by side, with payloads."""

from cfevents._listing.fleet import Fleet, FleetStream
from cfevents._listing.stream import EventStream
from cfevents.streams.payloads import Details

__all__ = ["Details", "EventStream", "Fleet", "FleetStream"]
