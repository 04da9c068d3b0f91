"""Faults of the answer: its status, its headers, its JSON, and where its cursor leads."""

import itertools
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

from cfevents.testing.backend import Refusal, malformed
from cfevents.testing.faults.rules import Exchange, Fault, fault


class _Absent(Enum):
    ABSENT = "ABSENT"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = _Absent.ABSENT
"""As a field's value, leaves the field out."""

# No answer contains it otherwise.
_PLACEHOLDER = "\N{REPLACEMENT CHARACTER}the number\N{REPLACEMENT CHARACTER}"
_HTML = b"<!DOCTYPE html>\n<html><head><title>%d</title></head><body><h1>Error %d</h1></body></html>\n"


_WRONG_TOKENS: dict[str, tuple[Refusal, list[dict[str, Any]]]] = {
    "malformed": (
        Refusal(400, 6003, "Invalid request headers"),
        [{"code": 6111, "message": "Invalid format for Authorization header"}],
    ),
    "unknown": (Refusal(403, 9109, "Invalid access token"), []),
    "rolled": (Refusal(403, 10000, "Authentication error"), []),
}


def status(
    number: int,
    body: Literal["envelope", "html", "nothing", "problem", "text"] = "envelope",
    *,
    retry_after: str | float | None = None,
    code: int | None = None,
    message: str = "simulated",
    changes: Mapping[str, str | None] | None = None,
) -> Fault:
    """Answer every request with a status.

    Args:
        number: The HTTP status.
        body: An envelope with an error, or what the edge in front of the API sends in its place: a web page, nothing,
            an RFC 9457 document (`"problem"`), or one line (`"text"`: `error code: 1020`).
        retry_after: The `Retry-After` header: seconds, a date, or any text; None leaves it out.
        code: The code; None is 10100 for a 429, else 1000, and of the edge 1015, 1020 for a 403, else the status.
        message: The text of the envelope or the document.
        changes: Other headers; None leaves one out.

    Raises:
        ValueError: There is no such body.
    """
    refusal = Refusal(number, code if code is not None else 10100 if number == 429 else 1000, message)
    edge_code = code if code is not None else {429: 1015, 403: 1020}.get(number, number)
    bodies: dict[str, tuple[str | None, bytes]] = {
        "envelope": ("application/json", json.dumps(refusal.envelope()).encode()),
        "html": ("text/html; charset=utf-8", _HTML % (number, number)),
        "nothing": (None, b""),
        "problem": ("application/json", json.dumps(_problem(number, edge_code, message, retry_after)).encode()),
        "text": ("text/plain; charset=UTF-8", b"error code: %d" % edge_code),
    }
    if body not in bodies:
        raise ValueError(f"body must be one of {', '.join(map(repr, bodies))}, not {body!r}")
    content_type, content = bodies[body]
    retry_header = None if retry_after is None else str(retry_after)

    def strike(exchange: Exchange) -> None:
        exchange.status, exchange.body = number, content
        _set_headers(exchange, {"Content-Type": content_type, "Retry-After": retry_header, **(changes or {})})

    arguments = [str(number)] + [repr(body)] * (body != "envelope")
    arguments += [] if retry_after is None else [f"retry_after={retry_after!r}"]
    return Fault(f"status({', '.join(arguments)})", strike)


def _problem(number: int, code: int, message: str, retry_after: object) -> dict[str, Any]:
    """Return an error of the edge as an RFC 9457 document."""
    retry = {"retry_after": retry_after} if isinstance(retry_after, int) else {}
    return {
        "type": f"https://developers.cloudflare.com/support/troubleshooting/http-status-codes/error-{code}/",
        "title": f"Error {code}: {message}",
        "status": number,
        "detail": f"{message} in detail",
        "error_code": code,
        "error_name": "simulated",
        "retryable": bool(retry),
        **retry,
        "ray_id": "0000000000000000-SIM",
        "cloudflare_error": True,
    }


def wrong_token(reason: Literal["malformed", "unknown", "rolled"] = "malformed") -> Fault:
    """Refuse every request as the API refuses a wrong token: seldom with a 401.

    Args:
        reason: `"malformed"`: 400 with the code 6003, whose `error_chain` has the reason. `"unknown"`: 403 with 9109.
            `"rolled"`: 403 with 10000.

    Raises:
        ValueError: There is no such reason.
    """
    if reason not in _WRONG_TOKENS:
        raise ValueError(f"reason must be one of {', '.join(map(repr, _WRONG_TOKENS))}, not {reason!r}")
    refusal, chain = _WRONG_TOKENS[reason]

    def strike(exchange: Exchange) -> None:
        exchange.status, exchange.document = refusal.status, refusal.envelope()
        if chain:
            document = exchange.document
            document["errors"][0]["error_chain"] = chain
            exchange.document = document

    return Fault(f"wrong_token({reason!r})", strike)


@fault
def redirect(exchange: Exchange, location: str, number: int = 302) -> None:
    """Redirect the client with a status; in `location`, `{path}` is the path and query of the request."""
    exchange.status, exchange.body = number, b""
    _set_headers(exchange, {"Content-Type": None, "Location": location.replace("{path}", exchange.request.path_qs)})


@fault
def headers(exchange: Exchange, changes: Mapping[str, str | None]) -> None:
    """Send the true answer with other headers; None leaves one out."""
    _set_headers(exchange, changes)


def _set_headers(exchange: Exchange, changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        exchange.headers.pop(name, None)
        if value is not None:
            exchange.headers[name] = value


@fault
def envelope(exchange: Exchange, /, **fields: Any) -> None:
    """Change fields of the envelope, as JSON: `envelope(success=False)`, `envelope(result=ABSENT)`."""
    exchange.document = _with_fields(exchange.document, fields)


@fault
def result(exchange: Exchange, /, **fields: Any) -> None:
    """Change fields of the result, as JSON, where that is an object: `result(items=None)`, `result(count=7)`."""
    document = exchange.document
    if isinstance(document["result"], dict):
        document["result"] = _with_fields(document["result"], fields)
    exchange.document = document


@fault
def number(exchange: Exchange, spelling: str, name: str = "t") -> None:
    """Spell a number of the first event, its field `name`, in any way: `"-1"`, `"NaN"`, `'"5"'`, `"9" * 5000`."""
    document = exchange.document
    _first_event(document)[name] = _PLACEHOLDER
    exchange.body = json.dumps(document).replace(json.dumps(_PLACEHOLDER), spelling).encode()


@fault
def duplicate_key(exchange: Exchange, name: str = "result", value: Any = None) -> None:
    """Send a field of the envelope twice: first with another value, as JSON, then with the true one."""
    _prepend_field(exchange, name, json.dumps(value).encode())


@fault
def lone_surrogate(exchange: Exchange) -> None:
    """Add a field `note` to the first event: half of a surrogate pair, which is no character."""
    document = exchange.document
    _first_event(document)["note"] = "\ud800"
    exchange.document = document


@fault
def invalid_utf8(exchange: Exchange) -> None:
    """Add a field `note` to the envelope: a text that is not UTF-8."""
    _prepend_field(exchange, "note", b'"\xc3\x28\xff"')


@fault
def nested(exchange: Exchange, depth: int = 100_000) -> None:
    """Add a field `note` to the envelope: as many lists as `depth` says, one within the other."""
    _prepend_field(exchange, "note", b"[" * depth + b"]" * depth)


@fault
def huge(exchange: Exchange, items: int = 1_500_000) -> None:
    """Send a page of so many generated events, without a cursor: 100 MB with the default."""
    item = b'{"a": 1700000003, "k": "Reconcile", "n": %d, "t": 1700000000}'
    page = b'{"result": {"count": %d, "items": [%b]}, "success": true, "errors": [], "messages": []}'
    exchange.body = page % (items, b", ".join(item % sequence for sequence in range(items)))


def _with_fields(document: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (document | fields).items() if value is not ABSENT}


def _first_event(document: dict[str, Any]) -> dict[str, Any]:
    """Return the first event of any answer; the envelope where there is none."""
    result = document["result"]
    events = result.get("items", [result]) if isinstance(result, dict) else result
    return events[0] if events else document


def _prepend_field(exchange: Exchange, name: str, value: bytes) -> None:
    exchange.body = b"{%b: %b, " % (json.dumps(name).encode(), value) + exchange.body[1:]


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
