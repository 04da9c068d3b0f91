"""The public names, in one list."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfevents import events
from cfevents._client import Client
from cfevents._http.budget import Budget
from cfevents._http.connection import Usage
from cfevents._http.retry import Retry
from cfevents._listing.fleet import Fleet, FleetStream
from cfevents._listing.stream import EventStream
from cfevents._model.api import Connector, Device, EventId, EventMetadata, RecordedEvent
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import EventDetail, FleetEvent, FollowedEvent, Page
from cfevents._protocol.converter import structure, unstructure
from cfevents.errors import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    ArchiveError,
    AuthenticationError,
    BadRequestError,
    CfEventsError,
    CheckpointError,
    CodedMessage,
    ConfigurationError,
    FleetError,
    InternalServerError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ResponseTooLargeError,
)
from cfevents.streams.payloads import Details

if TYPE_CHECKING:
    from cfevents._following.checkpoint import FollowCheckpoint
    from cfevents._following.follower import Batch, Follower
    from cfevents._following.status import ConnectorStatus

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "ArchiveError",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "Budget",
    "CfEventsError",
    "Checkpoint",
    "CheckpointError",
    "Client",
    "CodedMessage",
    "ConfigurationError",
    "Connector",
    "ConnectorStatus",
    "Details",
    "Device",
    "EventDetail",
    "EventId",
    "EventMetadata",
    "EventStream",
    "Fleet",
    "FleetError",
    "FleetEvent",
    "FleetStream",
    "FollowCheckpoint",
    "FollowedEvent",
    "Follower",
    "InternalServerError",
    "NotFoundError",
    "Page",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordedEvent",
    "ResponseTooLargeError",
    "Retry",
    "Usage",
    "events",
    "structure",
    "unstructure",
]


def __getattr__(name: str) -> Any:
    # The rest: most programs never follow, and need not wait for what does.
    if name in __all__:
        home = {"ConnectorStatus": "status", "FollowCheckpoint": "checkpoint"}.get(name, "follower")
        return getattr(import_module(f"cfevents._following.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
