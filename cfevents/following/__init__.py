"""New events of connectors as they come, and late ones, once each. Loaded when it is first asked for."""

from cfevents.following.follow import Batch, Follower
from cfevents.following.state import FollowCheckpoint
from cfevents.following.status import ConnectorStatus

__all__ = ["Batch", "ConnectorStatus", "FollowCheckpoint", "Follower"]
