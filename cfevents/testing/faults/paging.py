"""Faults between the pages of a listing; every other answer is left as it is."""

import itertools

from cfevents.testing.backend import malformed
from cfevents.testing.faults.rules import Exchange, Fault, fault


def cursor_cycle(length: int = 1) -> Fault:
    """Let a listing run in a circle: its first `length` cursors lead to each other for ever; of one, to itself."""
    circles: dict[tuple[object, ...], list[str]] = {}

    def strike(exchange: Exchange) -> None:
        sent = exchange.request.query.get("cursor")
        if sent is None or _next_cursor(exchange) is None:
            return
        query = sorted((name, value) for name, value in exchange.request.query.items() if name != "cursor")
        circle = circles.setdefault((exchange.request.path, *query), [])
        if sent not in circle and len(circle) < length:
            circle.append(sent)
        if len(circle) == length and sent == circle[-1]:
            _set_next_cursor(exchange, circle[0])

    return Fault(f"cursor_cycle({length})", strike)


@fault
def long_cursor(exchange: Exchange, size: int = 10_000, alphabet: str = "+%& /=?#ü€\N{SNOWMAN}") -> None:
    """Send a cursor of `size` bytes of UTF-8, of awkward characters, which leads where the true one leads."""
    cursor = _next_cursor(exchange)
    if cursor is None:
        return
    filler = "".join(itertools.islice(itertools.cycle(alphabet), size)).encode()
    alias = cursor + filler[: max(0, size - len(cursor.encode()))].decode(errors="ignore")
    # A character cut in two is left out above.
    alias += "+" * (size - len(alias.encode()))
    exchange.aliases[alias] = exchange.aliases.get(cursor, cursor)
    _set_next_cursor(exchange, alias)


@fault
def expired_cursor(exchange: Exchange) -> None:
    """Refuse every request with a cursor (400)."""
    if "cursor" in exchange.request.query:
        refusal = malformed("cursor: expired")
        exchange.status, exchange.document = refusal.status, refusal.envelope()


@fault
def overlap(exchange: Exchange, events: int = 1) -> None:
    """End a page with the first events of the next one."""
    cursor = _next_cursor(exchange)
    if cursor is None:
        return
    document = exchange.document
    page = document["result"]
    page["items"] += exchange.follow(cursor)["items"][:events]
    page["count"] = len(page["items"])
    exchange.document = document


def _next_cursor(exchange: Exchange) -> str | None:
    page = exchange.document["result"]
    return page.get("cursor") or None if isinstance(page, dict) else None


def _set_next_cursor(exchange: Exchange, cursor: str) -> None:
    document = exchange.document
    document["result"]["cursor"] = cursor
    exchange.document = document
