"""New events of connectors as they come, and late ones, once each. Loaded when it is first asked for."""

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch, Follower
from cfevents._following.status import ConnectorStatus

__all__ = ["Batch", "ConnectorStatus", "FollowCheckpoint", "Follower"]
