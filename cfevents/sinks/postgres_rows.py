"""Events as rows of PostgreSQL, in the text format of ``COPY``."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from functools import cache, lru_cache
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
_HOUR_S = 3600
_CLOCKS_OF_HOUR = [f":{second // 60:02}:{second % 60:02}+00" for second in range(_HOUR_S)]


async def copy_text(account_id: str, items: Sequence[FollowedEvent[Any]]) -> AsyncGenerator[bytes, None]:
    """Yield rows of the columns of the table of events, in their order."""
    escaped = cache(_escaped_text)  # a batch has few texts, each of them many times
    account = escaped(account_id)
    for begin in range(0, len(items), _CHUNK_EVENTS):
        yield "".join([f"{account}\t{_row(item, escaped)}\n" for item in items[begin : begin + _CHUNK_EVENTS]]).encode()


def _row(item: FollowedEvent[Any], escaped: Callable[[str | None], str]) -> str:
    event, version, payload, recorded = item.event, None, _NULL, None
    if not isinstance(event, EventMetadata):
        event, recorded = event.metadata, event.recorded
    extra: dict[str, Any] = getattr(event, "_extra", None) or {}
    if recorded is not None:
        version, payload, extra = recorded.version, _escaped_json(unstructure(recorded.event)), extra | recorded.extra
    time, number, collected = event.recorded_ts, event.sequence, event.collected_ts
    return (
        f"{escaped(item.connector_id)}\t{time}.{number}\t{escaped(event.kind)}\t"
        f"{_date(time)}\t{_date(collected)}\t{time}\t{number}\t{collected}\t{item.late}\t"
        f"{escaped(version)}\t{payload}\t{_escaped_json(extra) if extra else _NULL}"
    )


def _date(seconds: float) -> str:
    try:
        if isinstance(seconds, int):  # almost always
            return _hour(seconds // _HOUR_S) + _CLOCKS_OF_HOUR[seconds % _HOUR_S]
        return str(EPOCH + timedelta(seconds=seconds))
    except OverflowError:  # outside the years 1 to 9999
        return _NULL


@lru_cache(maxsize=1000)
def _hour(number: int) -> str:
    # A whole date takes ten times as long, and an appliance has many events an hour, but few a second.
    return str(EPOCH + timedelta(hours=number))[:13]


def _escaped_text(text: str | None) -> str:
    if text is None:
        return _NULL
    return re.sub(_UNSTORABLE, lambda match: f"\\u{ord(match[0]):04x}", text).translate(_ESCAPES)


def _escaped_json(value: Any) -> str:
    text = json.dumps(value)
    if r"\u0000" in text or r"\ud" in text:
        text = re.sub(_JSON_ESCAPE, lambda match: f"\\{match[0]}" if match[1] else match[0], text)
    return text.translate(_ESCAPES)
