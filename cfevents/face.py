"""The public names, in one list."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfevents import events
from cfevents._client import Client
from cfevents._http.budget import Budget
from cfevents._http.connection import Usage
from cfevents._http.retry import Retry
from cfevents._listing import Details, EventStream, Fleet, FleetStream
from cfevents._model.api import (
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
from cfevents._model.checkpoint import Checkpoint
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

if TYPE_CHECKING:
    from cfevents._following import Batch, ConnectorStatus, FollowCheckpoint, Follower

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
        return getattr(import_module("cfevents._following"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
