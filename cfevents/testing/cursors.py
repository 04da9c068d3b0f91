"""Cursors: a place in a listing as a text that tells nothing and works only where it came from."""

import base64
import binascii
import hashlib
import json

from attrs import frozen

from cfevents.testing.store import Number

__all__ = ["Position", "SortKey", "decode", "encode"]

SortKey = tuple[str | Number, ...]

# A query put together without percent-encoding loses these, and with them the cursor.
_PREFIX = "1+&/"
_CHECK_SIZE = 6


@frozen
class Position:
    """A place in a listing.

    Attributes:
        after: The sort key of the last event delivered; None before the first.
        empties_left: How many empty pages come before the next page of items.
    """

    after: SortKey | None
    empties_left: int


def encode(position: Position, bound_to: str) -> str:
    """Spell a position; `bound_to` is everything that must be the same when it comes back."""
    content = json.dumps([position.after, position.empties_left]).encode()
    return _PREFIX + base64.b64encode(_check(content, bound_to) + content).decode()


def decode(cursor: str, bound_to: str) -> Position:
    """Understand a cursor.

    Raises:
        ValueError: It did not come from here, was changed, or belongs to another query.
    """
    if not cursor.startswith(_PREFIX):
        raise ValueError("unknown cursor")
    try:
        packed = base64.b64decode(cursor[len(_PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("damaged cursor") from error
    # Base64 has several spellings of some texts; only one of them was given out.
    if base64.b64encode(packed).decode() != cursor[len(_PREFIX) :]:
        raise ValueError("damaged cursor")
    check, content = packed[:_CHECK_SIZE], packed[_CHECK_SIZE:]
    if check != _check(content, bound_to):
        raise ValueError("damaged cursor, or a cursor of another query")
    after, empties_left = json.loads(content)
    return Position(None if after is None else tuple(after), empties_left)


def _check(content: bytes, bound_to: str) -> bytes:
    salted = content + b"\0" + bound_to.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(salted, digest_size=_CHECK_SIZE).digest()
