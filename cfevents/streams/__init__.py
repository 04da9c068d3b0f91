"""Listings as streams of events."""

from cfevents.streams.stream import EventStream

__all__ = ["EventStream"]
