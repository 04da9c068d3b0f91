"""Read the telemetry events of Cloudflare Magic WAN Connectors.

Everything public is here: ``from cfevents import Client, events``.

A name is loaded when it is first used, not before: pytest imports this package in every project that has it installed,
for the fixture's entry point, and ``cfevents --version`` needs no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfevents._version import __version__ as __version__

if TYPE_CHECKING:
    from cfevents import events as events
    from cfevents._client import Client
    from cfevents._following.checkpoint import FollowCheckpoint
    from cfevents._following.follower import Batch, Follower, FollowerMetrics, SinkMetrics
    from cfevents._following.poll import ConnectorStatus
    from cfevents._following.watch import Watch, WatchCheckpoint
    from cfevents._http.budget import Budget
    from cfevents._http.connection import Usage
    from cfevents._http.retry import Retry
    from cfevents._listing.details import Details
    from cfevents._listing.fleet import Fleet, FleetStream
    from cfevents._listing.stream import EventStream
    from cfevents._model.api import (
        Connector,
        Device,
        EventId,
        EventMetadata,
        Interrupt,
        InterruptOptions,
        RecordedEvent,
    )
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
        SinkError,
    )

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
    "FollowerMetrics",
    "InternalServerError",
    "Interrupt",
    "InterruptOptions",
    "NotFoundError",
    "Page",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordedEvent",
    "ResponseTooLargeError",
    "Retry",
    "SinkError",
    "SinkMetrics",
    "Usage",
    "Watch",
    "WatchCheckpoint",
    "events",
    "structure",
    "unstructure",
]

_MODULES = {
    "_client": ["Client"],
    "_following.checkpoint": ["FollowCheckpoint"],
    "_following.follower": ["Batch", "Follower", "FollowerMetrics", "SinkMetrics"],
    "_following.poll": ["ConnectorStatus"],
    "_following.watch": ["Watch", "WatchCheckpoint"],
    "_http.budget": ["Budget"],
    "_http.connection": ["Usage"],
    "_http.retry": ["Retry"],
    "_listing.details": ["Details"],
    "_listing.fleet": ["Fleet", "FleetStream"],
    "_listing.stream": ["EventStream"],
    "_model.api": ["Connector", "Device", "EventId", "EventMetadata", "Interrupt", "InterruptOptions", "RecordedEvent"],
    "_model.checkpoint": ["Checkpoint"],
    "_model.results": ["EventDetail", "FleetEvent", "FollowedEvent", "Page"],
    "_protocol.converter": ["structure", "unstructure"],
    "errors": ["CodedMessage", *(name for name in __all__ if name.endswith("Error"))],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "events":
        return import_module("cfevents.events")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cfevents' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"cfevents.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
