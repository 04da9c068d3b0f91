"""Answers whose JSON is not what the documentation says."""

import json
from enum import Enum
from typing import Any, Final

from cfevents.testing.faults.exchange import Exchange, Fault

__all__ = [
    "ABSENT", "duplicate_key", "envelope", "huge", "invalid_utf8", "lone_surrogate", "nested", "number", "result",
]  # fmt: skip


class _Absent(Enum):
    ABSENT = "ABSENT"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = _Absent.ABSENT
"""Given as a field's value, leaves the field out."""

# No answer contains it otherwise.
_PLACEHOLDER = "\N{REPLACEMENT CHARACTER}the number\N{REPLACEMENT CHARACTER}"


def envelope(**fields: Any) -> Fault:
    """Change fields of the envelope: `envelope(success=False)`, `envelope(result=ABSENT)`.

    Args:
        **fields: The fields, as JSON.
    """

    def strike(exchange: Exchange) -> None:
        exchange.document = _with_fields(exchange.document, fields)

    return Fault(f"envelope({_format_fields(fields)})", strike)


def result(**fields: Any) -> Fault:
    """Change fields of the result, where that is an object: `result(items=None)`, `result(count=7)`.

    Args:
        **fields: The fields, as JSON.
    """

    def strike(exchange: Exchange) -> None:
        document = exchange.document
        if isinstance(document["result"], dict):
            document["result"] = _with_fields(document["result"], fields)
        exchange.document = document

    return Fault(f"result({_format_fields(fields)})", strike)


def number(spelling: str, name: str = "t") -> Fault:
    """Spell a number of the first event in another way.

    Args:
        spelling: Any JSON text, or none: `'"1700000000"'`, `"-1"`, `"NaN"`, `str(2**64)`, `"9" * 5000`.
        name: The field.
    """

    def strike(exchange: Exchange) -> None:
        document = exchange.document
        _first_event(document)[name] = _PLACEHOLDER
        exchange.body = json.dumps(document).replace(json.dumps(_PLACEHOLDER), spelling).encode()

    shown = spelling if len(spelling) <= 24 else f"{spelling[:8]}... {len(spelling)} characters"
    return Fault(f"number({shown!r}, {name!r})", strike)


def duplicate_key(name: str = "result", value: Any = None) -> Fault:
    """Name a field of the envelope twice: first with another value, then with the true one.

    Args:
        name: The field.
        value: The other value, as JSON.
    """
    first = json.dumps({name: value}).encode()

    def strike(exchange: Exchange) -> None:
        exchange.body = first[:-1] + b", " + exchange.body[1:]

    return Fault(f"duplicate_key({name!r}, {value!r})", strike)


def lone_surrogate() -> Fault:
    """Add a field `note` to the first event: half of a surrogate pair, which is no character."""

    def strike(exchange: Exchange) -> None:
        document = exchange.document
        _first_event(document)["note"] = "\ud800"
        exchange.document = document

    return Fault("lone_surrogate()", strike)


def invalid_utf8() -> Fault:
    """Add a field `note` to the envelope: a text that is not UTF-8."""
    return Fault("invalid_utf8()", lambda exchange: _add_note(exchange, b'"\xc3\x28\xff"'))


def nested(depth: int = 100_000) -> Fault:
    """Add a field `note` to the envelope: lists within lists.

    Args:
        depth: How many.
    """
    return Fault(f"nested({depth})", lambda exchange: _add_note(exchange, b"[" * depth + b"]" * depth))


def huge(items: int = 1_500_000) -> Fault:
    """Send a page of a great many made-up events, without a cursor: 100 MB with the default.

    Args:
        items: How many.
    """
    one = b'{"a": 1700000003, "k": "Reconcile", "n": %d, "t": 1700000000}'
    template = b'{"result": {"count": %d, "items": [%b]}, "success": true, "errors": [], "messages": []}'

    def strike(exchange: Exchange) -> None:
        exchange.body = template % (items, b", ".join(one % number for number in range(items)))

    return Fault(f"huge({items})", strike)


def _with_fields(document: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (document | fields).items() if value is not ABSENT}


def _first_event(document: dict[str, Any]) -> dict[str, Any]:
    """Find the first event of any answer; the envelope where there is none."""
    found = document["result"]
    if isinstance(found, dict):
        found = found.get("items", [found])
    return found[0] if found else document


def _add_note(exchange: Exchange, note: bytes) -> None:
    exchange.body = b'{"note": ' + note + b", " + exchange.body[1:]


def _format_fields(fields: dict[str, Any]) -> str:
    shown = {name: repr(value) for name, value in fields.items()}
    return ", ".join(f"{name}={text if len(text) <= 24 else text[:20] + '...'}" for name, text in shown.items())
