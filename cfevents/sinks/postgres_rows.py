"""Events as rows of PostgreSQL, in the text format of ``COPY``."""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from cfevents._model.api import EventMetadata
from cfevents._model.results import FollowedEvent
from cfevents._protocol.converter import unstructure
from cfevents._time import EPOCH

_CHUNK_EVENTS = 500  # the server reads one while the next is made
_NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
# What PostgreSQL cannot store: NUL, and half of a surrogate pair.
_UNSTORABLE = "[\0\ud800-\udfff]"
# The same as json escapes it: a pair, which is kept; one that cannot be stored; any other escape.
_JSON_ESCAPE = r"\\u(?:d[89ab]..\\ud[c-f]..|(0000|d[89a-f]..))|\\."


async def copy_text(account_id: str, items: Sequence[FollowedEvent[Any]]) -> AsyncGenerator[bytes, None]:
    """Yield rows of the columns `EVENT_TABLE` has, in their order."""
    account = _escaped_text(account_id)
    for begin in range(0, len(items), _CHUNK_EVENTS):
        yield "".join([f"{account}\t{_row(item)}\n" for item in items[begin : begin + _CHUNK_EVENTS]]).encode()


def _row(item: FollowedEvent[Any]) -> str:
    event, version, payload, recorded = item.event, None, _NULL, None
    if not isinstance(event, EventMetadata):
        event, recorded = event.metadata, event.recorded
    extra = event.extra
    if recorded is not None:
        version, payload, extra = recorded.version, _escaped_json(unstructure(recorded.event)), extra | recorded.extra
    time, number, collected = event.recorded_ts, event.sequence, event.collected_ts
    return (
        f"{_escaped_text(item.connector_id)}\t{time}.{number}\t{_escaped_text(event.kind)}\t"
        f"{_date(time)}\t{_date(collected)}\t{time}\t{number}\t{collected}\t{item.late}\t"
        f"{_escaped_text(version)}\t{payload}\t{_escaped_json(extra) if extra else _NULL}"
    )


@lru_cache(maxsize=10_000)  # others were recorded, or collected, in the same second
def _date(seconds: float) -> str:
    try:
        return str(EPOCH + timedelta(seconds=seconds))
    except OverflowError:  # outside the years 1 to 9999
        return _NULL


def _escaped_text(text: str | None) -> str:
    if text is None:
        return _NULL
    if text.isascii() and text.isalnum():  # almost always
        return text
    return re.sub(_UNSTORABLE, lambda match: f"\\u{ord(match[0]):04x}", text).translate(_ESCAPES)


def _escaped_json(value: Any) -> str:
    text = json.dumps(value)
    if r"\u0000" in text or r"\ud" in text:
        text = re.sub(_JSON_ESCAPE, lambda match: f"\\{match[0]}" if match[1] else match[0], text)
    return text.translate(_ESCAPES)
