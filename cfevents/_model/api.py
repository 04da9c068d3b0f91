"""The objects in the API's responses: events, connectors, devices."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Literal, TypeAlias, get_args

from attrs import field, fields, frozen
from attrs.converters import optional

from cfevents._model.checkpoint import EventKey
from cfevents._public import set_module
from cfevents._secrets import MASK, Secret, replace_license_keys
from cfevents._time import EPOCH, parse_moment
from cfevents._validation import short_repr
from cfevents.events import Event

# Not compiled here: importing has to be quick, and re caches what it compiled.
_ID = r"(0|-?[1-9][0-9]{0,18})\.(0|-?[1-9][0-9]{0,18})"

INT64 = range(-(2**63), 2**63)  # what databases and data frames can hold
SUMMARY_FIELDS = ("kind", "recorded_at", "collected_at", "sequence")  # of a listed event in a notebook


def _as_datetime(seconds: float, name: str) -> datetime:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{name}={seconds} lies outside the years 1 to 9999; use the number itself") from None


def whole(value: Any) -> Any:
    """Convert a float without a fraction (``3.0``) to an ``int``; return anything else unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _validate_number(_instance: object, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{attribute.name} must be a number, not {type(value).__name__}")
    if isinstance(value, int) and value not in INT64:
        raise ValueError(f"{attribute.name} must be a number of 64 bits")
    if not math.isfinite(value):
        raise ValueError(f"{attribute.name} must be finite, not {value}")
    if attribute.name == "sequence" and not isinstance(value, int):
        raise ValueError(f"sequence must be a whole number, not {value}")


@set_module("cfevents")
@frozen(order=True)
class EventId:
    """The identity of an event within its connector: when it was recorded, and its sequence number.

    Ordered as recorded. ``str()`` has the form of the API's paths: ``1700000000.3``.

    Raises:
        TypeError: A part is not a number.
        ValueError: A part is not finite or not of 64 bits, or the sequence number is not whole.
    """

    recorded_ts: int | float = field(converter=whole, validator=_validate_number)
    """Time the event was recorded, in seconds since the Unix epoch (``t``)."""

    sequence: int = field(converter=whole, validator=_validate_number)
    """Sequence number, which orders events with the same timestamp (``n``)."""

    def __str__(self) -> str:
        return f"{self.recorded_ts}.{self.sequence}"

    @classmethod
    def _trusted(cls, recorded_ts: int | float, sequence: int) -> "EventId":
        """Return the id of an event, whose numbers were checked: a report makes many."""
        event_id = cls.__new__(cls)
        object.__setattr__(event_id, "recorded_ts", recorded_ts)
        object.__setattr__(event_id, "sequence", sequence)
        return event_id

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Parse an id in the form of the API.

        Args:
            text: ``"{t}.{n}"``, both whole numbers, such as ``"1700000000.3"``.

        Raises:
            TypeError: It is not text. A number will not do: 1700000000.10 and 1700000000.1 are one float.
            ValueError: It is not of that form.
        """
        if not isinstance(text, str):
            raise TypeError(f"an event id is text such as '1700000000.3', not {type(text).__name__}")
        if match := re.fullmatch(_ID, text):
            return cls(int(match[1]), int(match[2]))
        raise ValueError(f"{short_repr(text)} is not an event id: write its t and n as whole numbers, '1700000000.3'")


class _LazyExtra:
    """Creates ``extra`` on first access. Almost no listed event has extra fields, so this saves a dict per event."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, event: Any, cls: Any = None) -> Any:
        if event is None:
            return self
        try:
            return self._slot.__get__(event)
        except AttributeError:
            self._slot.__set__(event, {})
            return self._slot.__get__(event)

    def __set__(self, event: Any, extra: dict[str, Any]) -> None:
        self._slot.__set__(event, extra)


class EventSlots:
    """The slots of `EventMetadata`, which `_protocol.fast_path` fills before an event is frozen."""

    __slots__ = ("__weakref__", "collected_ts", "extra", "kind", "recorded_ts", "sequence")


@set_module("cfevents")
@frozen
class EventMetadata(EventSlots):
    """An event as a listing shows it, without its payload (the schema ``event_metadata``)."""

    kind: str
    """Event kind (``k``), such as ``"Init"``; see `events.KINDS`."""

    recorded_ts: int | float
    """Time the event was recorded, in seconds since the Unix epoch (``t``)."""

    sequence: int
    """Sequence number, which orders events with the same timestamp (``n``)."""

    collected_ts: int | float
    """Time the event was collected, in seconds since the Unix epoch (``a``)."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Fields that are not documented, as they were sent."""

    @property
    def id(self) -> EventId:
        """The event's id."""
        return EventId(self.recorded_ts, self.sequence)

    @property
    def recorded_at(self) -> datetime:
        """Time the event was recorded, aware, in UTC. Raises ValueError outside the years 1 to 9999."""
        return _as_datetime(self.recorded_ts, "recorded_ts")

    @property
    def collected_at(self) -> datetime:
        """Time the event was collected, aware, in UTC. Raises ValueError outside the years 1 to 9999."""
        return _as_datetime(self.collected_ts, "collected_ts")

    @property
    def lag(self) -> timedelta:
        """The time from recording to collection: `collected_at` less `recorded_at`."""
        return self.collected_at - self.recorded_at

    def _repr_html_(self) -> str:
        from cfevents._html import fields_of  # noqa: PLC0415 - for notebooks only

        return fields_of(f"Event {self.id}", {**summary_fields(self), "extra": self.extra or None})


# Not by __getattr__, which would slow down every attribute.
EventMetadata.extra = _LazyExtra(EventSlots.extra)  # type: ignore[assignment, attr-defined]
# Read with getattr and a default, where no dict is to be created.
EventMetadata._extra = EventSlots.extra  # type: ignore[attr-defined]


@set_module("cfevents")
@frozen
class RecordedEvent:
    """An event with its payload (the schema ``recorded_event``)."""

    event: Event
    """The event itself: one attrs class for each kind (``e``)."""

    recorded_ts: int | float
    """Time the event was recorded, in seconds since the Unix epoch (``t``)."""

    sequence: int
    """Sequence number, which orders events with the same timestamp (``n``)."""

    version: str | None = None
    """Version (``v``); the documentation does not say of what."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Fields that are not documented, as they were sent."""

    @property
    def id(self) -> EventId:
        """The event's id."""
        return EventId(self.recorded_ts, self.sequence)

    @property
    def kind(self) -> str:
        """Event kind, such as ``"Init"``; see `events.KINDS`."""
        return self.event.kind

    @property
    def recorded_at(self) -> datetime:
        """Time the event was recorded, aware, in UTC. Raises ValueError outside the years 1 to 9999."""
        return _as_datetime(self.recorded_ts, "recorded_ts")

    def _repr_html_(self) -> str:
        from cfevents._html import fields_of, format_date  # noqa: PLC0415 - for notebooks only

        names = [field.name for field in fields(type(self.event)) if field.name != "kind"]
        values = {
            "kind": self.kind,
            "description": getattr(self.event, "description", "not documented"),
            "recorded_at": format_date(self.recorded_ts),
            "sequence": self.sequence,
            "version": self.version,
            **{f"event.{name}": getattr(self.event, name) or None for name in names},
            "extra": self.extra or None,
        }
        return fields_of(f"Recorded event {self.id}", values)


# The API's names of attributes, where they differ from ours.
WIRE_NAMES: Mapping[type, Mapping[str, str]] = {
    EventMetadata: {"kind": "k", "recorded_ts": "t", "sequence": "n", "collected_ts": "a"},
    RecordedEvent: {"event": "e", "recorded_ts": "t", "sequence": "n", "version": "v"},
}
EventReference: TypeAlias = EventMetadata | RecordedEvent | EventId | str


def event_id(event: EventReference) -> EventId:
    """Return the id of an event; raises as `EventId.parse` does."""
    if isinstance(event, EventMetadata | RecordedEvent):
        return event.id
    return event if isinstance(event, EventId) else EventId.parse(event)


def _with_hidden_keys(extra: dict[str, Any]) -> dict[str, Any]:
    """Return undocumented fields with each licence key among them, however deep, as a `Secret`."""
    hidden: dict[str, Any] = replace_license_keys(extra, lambda key: Secret(key) if isinstance(key, str) else key)
    return hidden


def _with_masked_keys(extra: dict[str, Any]) -> Any:
    return replace_license_keys(extra, lambda key: key and MASK)


@set_module("cfevents")
@frozen
class Device:
    """The appliance behind a connector."""

    id: str | None = None
    """Device identifier."""

    serial_number: str | None = None
    """Serial number of the hardware."""

    extra: dict[str, Any] = field(factory=dict, converter=_with_hidden_keys, hash=False, kw_only=True)
    """Everything else that was sent with it."""


@set_module("cfevents")
@frozen
class Connector:
    """A Magic WAN Connector of the account. Its fields have times as text, as the API sends them."""

    id: str
    """Connector identifier, the ``connector_id`` of the other calls."""

    activated: bool | None = None
    """True where it is in service."""

    device: Device | None = None
    """The appliance, where one is registered."""

    last_heartbeat: str | None = None
    """Time of the last heartbeat, ISO 8601."""

    last_seen_version: str | None = None
    """Version that it last reported."""

    last_updated: str | None = None
    """Time of the last change to its settings, ISO 8601."""

    notes: str | None = None
    """Notes of its owner."""

    timezone: str | None = None
    """Time zone in which its upgrade window is meant."""

    license_key: str | None = field(default=None, converter=optional(Secret))
    """Key by which a virtual appliance is licensed. It is a credential, and stays out of every ``repr``."""

    extra: dict[str, Any] = field(factory=dict, converter=_with_hidden_keys, hash=False, kw_only=True)
    """Everything else that was sent with it, the ``interrupt_window_*`` fields among them."""

    @property
    def last_heartbeat_at(self) -> datetime | None:
        """Time of the last heartbeat, aware, in UTC. None without one, or where the text is no time with an offset."""
        return parse_moment(self.last_heartbeat)

    @property
    def last_updated_at(self) -> datetime | None:
        """Time of the last change to its settings, likewise."""
        return parse_moment(self.last_updated)

    def __repr__(self) -> str:
        values = {"notes": self.notes, "serial_number": self.device and self.device.serial_number}
        shown = [f" {name}={short_repr(value)}" for name, value in values.items() if value]
        return f"<Connector {short_repr(self.id)}{''.join(shown)} last_heartbeat={short_repr(self.last_heartbeat)}>"

    def _repr_html_(self) -> str:
        from cfevents._html import fields_of  # noqa: PLC0415 - for notebooks only

        names = "id", "activated", "notes", "timezone", "last_seen_version"
        device = self.device or Device()
        return fields_of(
            "Connector",
            {name: getattr(self, name) for name in names}
            | {"last_heartbeat": self.last_heartbeat_at or self.last_heartbeat}
            | {"last_updated": self.last_updated_at or self.last_updated}
            | {"device.id": device.id, "device.serial_number": device.serial_number}
            | {"device.extra": _with_masked_keys(device.extra) or None, "extra": _with_masked_keys(self.extra) or None},
        )


@set_module("cfevents")
@frozen
class InterruptOptions:
    """The options of an operation that somebody ordered."""

    purge: bool | None = None
    """True where the connector's persistent state is deleted too."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Everything else that was sent with them."""


InterruptOperation: TypeAlias = Literal["restart", "reboot", "shutdown"]


@set_module("cfevents")
@frozen
class Interrupt:
    """A restart, reboot or shutdown of a connector that somebody ordered. Times are text, as the API sends them."""

    submitted_at: str
    """Time it was ordered, ISO 8601."""

    triggered_at: str | None = None
    """Time the connector executed it, ISO 8601; None while it is pending."""

    restart: InterruptOptions | None = None
    """The options of a restart of its services."""

    reboot: InterruptOptions | None = None
    """The options of a reboot."""

    shutdown: InterruptOptions | None = None
    """The options of a shutdown, which lasts until somebody turns it on again."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Everything else that was sent with it, such as an operation that is not documented."""

    @property
    def operation(self) -> InterruptOperation | None:
        """The operation: ``"restart"``, ``"reboot"`` or ``"shutdown"``; None for one that is not documented."""
        names: tuple[InterruptOperation, ...] = get_args(InterruptOperation)
        return next((name for name in names if getattr(self, name) is not None), None)


@frozen(eq=False, repr=False)
class Listing:
    """The ``result`` of *List Events*, as it is sent."""

    items: tuple[EventMetadata, ...]
    # Strict, unlike other optional fields: a cursor that cannot be followed would lose the rest of the listing.
    cursor: str | None = field(default=None, metadata={"strict": True})
    count: int | None = None
    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)


@frozen(eq=False, repr=False)
class Latest:
    """The ``result`` of *Get latest Events*, as it is sent."""

    items: tuple[RecordedEvent, ...]
    count: int | None = None
    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)


def summary_fields(event: EventMetadata) -> dict[str, Any]:
    from cfevents._html import format_date  # noqa: PLC0415 - for notebooks only

    values = (event.kind, format_date(event.recorded_ts), format_date(event.collected_ts), event.sequence)
    return dict(zip(SUMMARY_FIELDS, values, strict=True))


event_key: Callable[[EventMetadata], EventKey] = attrgetter("recorded_ts", "sequence")
