"""Answers of another status, and with other headers."""

import json
from collections.abc import Mapping
from typing import Literal, TypeAlias

from cfevents.testing.envelope import Refusal, failure
from cfevents.testing.faults.exchange import Exchange, Fault

__all__ = ["headers", "redirect", "status"]

Filling: TypeAlias = Literal["envelope", "html", "nothing"]

_HTML = b"<!DOCTYPE html>\n<html><head><title>%d</title></head><body><h1>Error %d</h1></body></html>\n"


def status(
    number: int,
    body: Filling = "envelope",
    *,
    retry_after: str | float | None = None,
    code: int | None = None,
    message: str = "simulated",
    changes: Mapping[str, str | None] | None = None,
) -> Fault:
    """Answer with a status, whatever was asked.

    Args:
        number: The HTTP status.
        body: An envelope that tells of a failure, a web page as the edge sends it, or nothing.
        retry_after: The `Retry-After` header: seconds, a date, or any text; None leaves it out.
        code: The envelope's code; None takes 10100 for a 429, else 1000.
        message: The envelope's text.
        changes: Other headers; None leaves one out.

    Raises:
        ValueError: There is no such body.
    """
    refusal = Refusal(number, code if code is not None else 10100 if number == 429 else 1000, message)
    bodies: dict[str, tuple[str | None, bytes]] = {
        "envelope": ("application/json", json.dumps(failure(refusal)).encode()),
        "html": ("text/html; charset=utf-8", _HTML % (number, number)),
        "nothing": (None, b""),
    }
    if body not in bodies:
        raise ValueError(f"body must be one of {', '.join(map(repr, bodies))}, not {body!r}")
    kind, content = bodies[body]
    waiting = None if retry_after is None else str(retry_after)

    def strike(exchange: Exchange) -> None:
        exchange.status, exchange.body = number, content
        _set_headers(exchange, {"Content-Type": kind, "Retry-After": waiting, **(changes or {})})

    return Fault(_status_name(number, body, retry_after), strike)


def redirect(location: str, number: int = 302) -> Fault:
    """Send the client elsewhere.

    Args:
        location: Where to; `{path}` stands for the path and query that was asked for.
        number: The HTTP status: 301, 302, 303, 307 or 308.
    """

    def strike(exchange: Exchange) -> None:
        exchange.status, exchange.body = number, b""
        where = location.replace("{path}", exchange.request.path_qs)
        _set_headers(exchange, {"Content-Type": None, "Location": where})

    return Fault(f"redirect({location!r}, {number})", strike)


def headers(changes: Mapping[str, str | None]) -> Fault:
    """Send the true answer with other headers.

    Args:
        changes: The headers; None leaves one out.
    """
    return Fault(f"headers({dict(changes)!r})", lambda exchange: _set_headers(exchange, changes))


def _set_headers(exchange: Exchange, changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        exchange.headers.pop(name, None)
        if value is not None:
            exchange.headers[name] = value


def _status_name(number: int, body: str, retry_after: str | float | None) -> str:
    more = [] if body == "envelope" else [repr(body)]
    more += [] if retry_after is None else [f"retry_after={retry_after!r}"]
    return f"status({', '.join([str(number), *more])})"
