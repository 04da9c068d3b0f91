"""The public names, in one list."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfevents import events
from cfevents.budget import Budget
from cfevents.checkpoint import Checkpoint
from cfevents.client import Client
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
from cfevents.models import (
    Connector,
    Device,
    EventDetail,
    EventId,
    EventMetadata,
    FleetEvent,
    FollowedEvent,
    Page,
    RecordedEvent,
)
from cfevents.retry import Retry
from cfevents.session import Usage
from cfevents.streams import Details, EventStream, Fleet, FleetStream
from cfevents.wire import structure, unstructure

if TYPE_CHECKING:
    from cfevents.following import Batch, ConnectorStatus, FollowCheckpoint, Follower

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
        return getattr(import_module("cfevents.following"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
