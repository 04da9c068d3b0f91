"""Batches as following yields them, made by hand."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from cfevents import EventDetail, EventMetadata, RecordedEvent, events, structure
from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._model.results import FollowedEvent
from support.json_values import json_values
from support.scripted import ACCOUNT

BEGIN = 1_700_000_000

_SURROGATES = st.characters(categories=["Cs"])
texts = st.text(st.characters() | _SURROGATES, max_size=5) | st.sampled_from(["\0", "a\0b", "\ud800", "\u2028\n"])
_whole = st.integers(-(2**63), 2**63 - 1)
_dated = st.integers(-62_135_596_801, 253_402_300_800)  # the years 1 to 9999, and a second more at both ends
_numbers = _whole | _dated | st.floats(-1e12, 1e12).filter(lambda number: not number.is_integer())
_kinds = st.sampled_from([*events.KINDS]) | texts
_values = json_values | texts
_more = st.dictionaries(st.sampled_from(["x", "extra", "\ud800", "\0"]), _values, max_size=2)


@st.composite
def details(draw: st.DrawFn) -> EventDetail:
    """Draw any event that the API could send, with or without its payload."""
    kind, time, number = draw(_kinds), draw(_numbers), draw(_whole)
    listed = structure({"k": kind, "t": time, "n": number, "a": draw(_numbers)} | draw(_more), EventMetadata)
    if draw(st.booleans()):
        return EventDetail(listed, None)
    payload = draw(st.dictionaries(st.sampled_from(["url", "tunnel_id", "new"]), _values, max_size=3))
    raw: dict[str, Any] = {"e": payload | {"k": kind}, "t": time, "n": number, "v": draw(st.none() | texts)}
    return EventDetail(listed, structure(raw | draw(_more), RecordedEvent))


def listed(time: float, sequence: int = 0, kind: str = "Init") -> EventMetadata:
    """Return an event without its payload."""
    return EventMetadata(kind, time, sequence, time + 3)


def with_payload(event: EventMetadata, url: str = "https://u") -> EventDetail:
    """Return the same event with a payload."""
    return EventDetail(event, RecordedEvent(events.StartUpgrade(url), event.recorded_ts, event.sequence, "1.2"))


def batch(
    events: Iterable[EventMetadata] | Iterable[EventDetail],
    connector_id: str = "c1",
    *,
    account_id: str = ACCOUNT,
    after: FollowCheckpoint | None = None,
    since: int = BEGIN,
) -> Batch[Any]:
    """Return the batch that following would yield after a checkpoint."""
    items = tuple(FollowedEvent[Any](connector_id, event) for event in events)
    bare = [event.metadata if isinstance(event, EventDetail) else event for event in events]
    before = after or FollowCheckpoint(account_id, (connector_id,), None, since)
    return Batch(items, before.with_connector(connector_id, before.of(connector_id).after(bare)))
