"""Listings as streams of events."""

from cfevents.streams.slices import list_slices
from cfevents.streams.stream import EventStream

__all__ = ["EventStream", "list_slices"]
