"""Faults for a simulator's answers, to add to ``Simulator.faults``.

::

    from cfevents.testing import Simulator, faults

    simulator.faults.add(faults.status(503), on=3)
"""

from cfevents.testing.faults.answers import (
    ABSENT,
    cursor_cycle,
    duplicate_key,
    envelope,
    expired_cursor,
    headers,
    huge,
    invalid_utf8,
    lone_surrogate,
    long_cursor,
    nested,
    number,
    overlap,
    redirect,
    result,
    status,
    wrong_token,
)
from cfevents.testing.faults.rules import Exchange, Fault, Faults
from cfevents.testing.faults.transfer import (
    body,
    byte_order_mark,
    chunks_cut,
    empty_body,
    gzip_bomb,
    gzip_corrupt,
    gzip_cut,
    hang_up,
    reset,
    short_body,
    stall,
    trickle,
    wrong_charset,
)

__all__ = [
    "ABSENT", "Exchange", "Fault", "Faults", "body", "byte_order_mark", "chunks_cut", "cursor_cycle",
    "duplicate_key", "empty_body", "envelope", "expired_cursor", "gzip_bomb", "gzip_corrupt", "gzip_cut", "hang_up",
    "headers", "huge", "invalid_utf8", "lone_surrogate", "long_cursor", "nested", "number", "overlap", "redirect",
    "reset", "result", "short_body", "stall", "status", "trickle", "wrong_charset", "wrong_token",
]  # fmt: skip
