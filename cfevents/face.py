"""The public names, in one list."""

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
from cfevents.streams import Batch, ConnectorStatus, EventStream, Fleet, FleetStream, FollowCheckpoint, Follower
from cfevents.wire import structure, unstructure

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
