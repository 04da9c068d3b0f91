"""Events as flat JSON records, one per line. Nothing else is imported before there is an event."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import repeat
from typing import TYPE_CHECKING, Any, cast

from cfevents._time import EPOCH, format_iso

if TYPE_CHECKING:
    from cfevents._model.api import EventMetadata, RecordedEvent
    from cfevents._model.results import EventColumns, EventDetail, FollowedEvent

_END = "}\n"


def listed_line(connector_id: str, event: "EventMetadata") -> dict[str, Any]:
    """Return the record of a listed event."""
    return {
        "connector_id": connector_id,
        "id": str(event.id),
        "kind": event.kind,
        "recorded_at": _iso(event, "recorded_at"),
        "collected_at": _iso(event, "collected_at"),
        "recorded_ts": event.recorded_ts,
        "sequence": event.sequence,
        "collected_ts": event.collected_ts,
        **_extra(event.extra),
    }


def recorded_line(connector_id: str, event: "RecordedEvent") -> dict[str, Any]:
    """Return the record of an event with its payload."""
    from cfevents._protocol.converter import unstructure  # noqa: PLC0415 - not needed for --help

    return {
        "connector_id": connector_id,
        "id": str(event.id),
        "kind": event.kind,
        "recorded_at": _iso(event, "recorded_at"),
        "recorded_ts": event.recorded_ts,
        "sequence": event.sequence,
        "version": event.version,
        "event": unstructure(event.event),
        **_extra(event.extra),
    }


def followed_line(item: "FollowedEvent[EventMetadata] | FollowedEvent[EventDetail]") -> dict[str, Any]:
    """Return the record of a followed event: as listed or detailed, and whether it was late."""
    from cfevents._model.api import EventMetadata  # noqa: PLC0415 - not needed for --help

    event = item.event
    if isinstance(event, EventMetadata):
        return {**listed_line(item.connector_id, event), "late": item.late}
    line = {**listed_line(item.connector_id, event.metadata), "late": item.late}
    return _with_payload(line, item.connector_id, event.recorded)


def detailed_line(connector_id: str, event: "EventDetail") -> dict[str, Any]:
    """Return the record of a listed event; ``version`` and ``event`` are null where there is no payload."""
    return _with_payload(listed_line(connector_id, event.metadata), connector_id, event.recorded)


def _with_payload(line: dict[str, Any], connector_id: str, recorded: "RecordedEvent | None") -> dict[str, Any]:
    payload = {} if recorded is None else recorded_line(connector_id, recorded)
    extra = _extra(line.get("extra", {}) | payload.get("extra", {}))
    return line | {name: payload.get(name) for name in ("version", "event")} | extra


def time_of(event: "EventMetadata | RecordedEvent", name: str) -> datetime | None:
    """Return a time of an event; None outside the years 1 to 9999."""
    with suppress(ValueError):
        return cast("datetime", getattr(event, name))
    return None


def _extra(fields: dict[str, Any]) -> dict[str, Any]:
    # Rarely present, and then not to be lost.
    return {"extra": fields} if fields else {}


def _iso(event: "EventMetadata | RecordedEvent", name: str) -> str | None:
    time = time_of(event, name)
    return None if time is None else format_iso(time)


def event_lines(columns: "EventColumns") -> str:
    """Return events as lines of JSON, just as json.dumps writes `listed_line`, or `detailed_line` with payloads.

    Algorithm: what is the same in many events, such as a kind or an hour, is written once and then copied. It takes a
    tenth of the time.
    """
    from cfevents._model.api import whole  # noqa: PLC0415 - not needed for --help

    texts, ids, recorded = _JSONTexts(), columns.connector_ids, columns.recorded_ts
    rows = zip(
        repeat(texts[ids]) if isinstance(ids, str) else map(texts.__getitem__, ids),
        recorded if {*map(type, recorded)} <= {int} else map(whole, recorded),
        map(texts.__getitem__, columns.kinds),
        json_times(recorded),
        json_times(columns.collected_ts),
        recorded,
        columns.sequences,
        columns.collected_ts,
        _line_ends(columns),
        strict=False,  # what is the same in all rows is repeated for ever
    )
    return "".join(
        [
            f'{{"connector_id": {name}, "id": "{second}.{n}", "kind": {kind}, "recorded_at": {recorded_at}, '
            f'"collected_at": {collected_at}, "recorded_ts": {t}, "sequence": {n}, "collected_ts": {a}{end}'
            for name, second, kind, recorded_at, collected_at, t, n, a, end in rows
        ]
    )


def json_times(times: Sequence[Any]) -> list[str]:
    """Return times as JSON: text in ISO 8601, or null outside the years 1 to 9999. In seconds since the Unix epoch."""
    hours, clock = _Hours(), [f'{second // 60:02}:{second % 60:02}Z"' for second in range(3600)]
    try:
        return [f"{hours[hour]}{clock[second]}" for hour, second in [divmod(time, 3600) for time in times]]
    except (OverflowError, TypeError):  # one has no date, or is fractional
        return [_json_time(time) for time in times]


class _Hours(dict[int, str]):
    """The beginning of the times in each hour since the Unix epoch, as JSON."""

    def __missing__(self, hour: int) -> str:
        text = self[hour] = f'"{(EPOCH + timedelta(hours=hour)).isoformat()[:14]}'
        return text


def _json_time(seconds: float) -> str:
    try:
        return f'"{format_iso(EPOCH + timedelta(seconds=seconds))}"'
    except OverflowError:
        return "null"


class _JSONTexts(dict[str, str]):
    """Texts as JSON."""

    def __missing__(self, text: str) -> str:
        value = self[text] = json.dumps(text)
        return value


def _line_ends(columns: "EventColumns") -> Iterable[str]:
    """Return what follows an event's documented fields in its line."""
    if columns.recorded is not None:
        return _detailed_ends(columns, columns.recorded)
    if not columns.extra:
        return repeat(_END)
    ends = [_END] * columns.length
    for row, extra in columns.extra.items():
        ends[row] = f', "extra": {json.dumps(extra)}{_END}'
    return ends


def _detailed_ends(columns: "EventColumns", payloads: Sequence["RecordedEvent | None"]) -> list[str]:
    from cfevents._protocol.converter import unstructure  # noqa: PLC0415 - not needed for --help

    # By identity: many rows of an archive share a payload.
    events = {id(recorded.event): recorded.event for recorded in payloads if recorded is not None}
    texts, ends = {key: json.dumps(unstructure(event)) for key, event in events.items()}, list[str]()
    for row, recorded in enumerate(payloads):
        listed = columns.extra.get(row, {})
        version, event, extra = "null", "null", listed
        if recorded is not None:
            version, event, extra = json.dumps(recorded.version), texts[id(recorded.event)], listed | recorded.extra
        more = f', "extra": {json.dumps(extra)}' if extra else ""
        before, after = (more, "") if listed else ("", more)
        ends.append(f'{before}, "version": {version}, "event": {event}{after}{_END}')
    return ends
