"""The faults that a simulator can show, for ``Simulator.faults``.

::

    from cfevents.testing import Simulator, faults

    simulator.faults.add(faults.status(503), on=3)
"""

from cfevents.testing.faults.bodies import (
    body,
    byte_order_mark,
    chunks_cut,
    empty_body,
    gzip_bomb,
    gzip_corrupt,
    gzip_cut,
    short_body,
    wrong_charset,
)
from cfevents.testing.faults.connections import hang_up, reset, stall, trickle
from cfevents.testing.faults.envelopes import (
    ABSENT,
    duplicate_key,
    envelope,
    huge,
    invalid_utf8,
    lone_surrogate,
    nested,
    number,
    result,
)
from cfevents.testing.faults.exchange import Exchange, Fault
from cfevents.testing.faults.paging import cursor_cycle, expired_cursor, long_cursor, overlap
from cfevents.testing.faults.rules import Faults
from cfevents.testing.faults.statuses import headers, redirect, status

__all__ = [
    "ABSENT",
    "Exchange",
    "Fault",
    "Faults",
    "body",
    "byte_order_mark",
    "chunks_cut",
    "cursor_cycle",
    "duplicate_key",
    "empty_body",
    "envelope",
    "expired_cursor",
    "gzip_bomb",
    "gzip_corrupt",
    "gzip_cut",
    "hang_up",
    "headers",
    "huge",
    "invalid_utf8",
    "lone_surrogate",
    "long_cursor",
    "nested",
    "number",
    "overlap",
    "redirect",
    "reset",
    "result",
    "short_body",
    "stall",
    "status",
    "trickle",
    "wrong_charset",
]
