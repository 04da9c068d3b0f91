"""What goes wrong from page to page of a listing; every other answer is left as it is."""

import itertools

from cfevents.testing.envelope import failure, malformed
from cfevents.testing.faults.exchange import Exchange, Fault

__all__ = ["cursor_cycle", "expired_cursor", "long_cursor", "overlap"]


def cursor_cycle(length: int = 1) -> Fault:
    """Let a listing run in a circle: the first cursors that are asked for lead to each other for ever.

    Args:
        length: How many cursors the circle has; 1 gives out the cursor that was asked for.
    """
    circles: dict[tuple[object, ...], list[str]] = {}

    def strike(exchange: Exchange) -> None:
        asked = exchange.request.query.get("cursor")
        if asked is None or _cursor(exchange) is None:
            return
        circle = circles.setdefault(_listing_key(exchange), [])
        if asked not in circle and len(circle) < length:
            circle.append(asked)
        if len(circle) == length and asked == circle[-1]:
            _set_cursor(exchange, circle[0])

    return Fault(f"cursor_cycle({length})", strike)


def long_cursor(size: int = 10_000, alphabet: str = "+%& /=?#ü€\N{SNOWMAN}") -> Fault:
    """Give out a long cursor of awkward characters; it leads where the true one leads.

    Args:
        size: How many bytes it has in UTF-8.
        alphabet: The characters.
    """

    def strike(exchange: Exchange) -> None:
        true = _cursor(exchange)
        if true is None:
            return
        filler = "".join(itertools.islice(itertools.cycle(alphabet), size)).encode()
        room = max(0, size - len(true.encode()))
        alias = true + filler[:room].decode(errors="ignore")
        # A character cut in two is left out above.
        alias += "+" * (size - len(alias.encode()))
        exchange.aliases[alias] = exchange.aliases.get(true, true)
        _set_cursor(exchange, alias)

    return Fault(f"long_cursor({size})", strike)


def expired_cursor() -> Fault:
    """Refuse a request that goes on from a cursor (400)."""

    def strike(exchange: Exchange) -> None:
        if "cursor" in exchange.request.query:
            refusal = malformed("cursor: expired")
            exchange.status, exchange.document = refusal.status, failure(refusal)

    return Fault("expired_cursor()", strike)


def overlap(events: int = 1) -> Fault:
    """End a page with events with which the next one begins.

    Args:
        events: How many.
    """

    def strike(exchange: Exchange) -> None:
        cursor = _cursor(exchange)
        if cursor is None:
            return
        document = exchange.document
        page = document["result"]
        page["items"] += exchange.follow(cursor)["items"][:events]
        page["count"] = len(page["items"])
        exchange.document = document

    return Fault(f"overlap({events})", strike)


def _cursor(exchange: Exchange) -> str | None:
    """Find the next page's cursor."""
    page = exchange.document["result"]
    cursor = page.get("cursor") if isinstance(page, dict) else None
    return cursor or None


def _set_cursor(exchange: Exchange, cursor: str) -> None:
    document = exchange.document
    document["result"]["cursor"] = cursor
    exchange.document = document


def _listing_key(exchange: Exchange) -> tuple[object, ...]:
    query = sorted((name, value) for name, value in exchange.request.query.items() if name != "cursor")
    return (exchange.request.path, *query)
