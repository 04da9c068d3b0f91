"""Listings as streams of events: of one connector or of many, in slices side by side, with payloads; and following."""

from cfevents.streams.fleet import Fleet, FleetStream
from cfevents.streams.follow import Batch, Follower
from cfevents.streams.state import FollowCheckpoint
from cfevents.streams.status import ConnectorStatus
from cfevents.streams.stream import EventStream

__all__ = ["Batch", "ConnectorStatus", "EventStream", "Fleet", "FleetStream", "FollowCheckpoint", "Follower"]
