"""The addresses of sinks: one URL says what a sink is and where."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from yarl import URL

from cfevents._protocol.requests import is_loopback
from cfevents._secrets import NonText, Secret, mask, mask_values
from cfevents._validation import validate_seconds
from cfevents.sinks.postgres import postgres_sink
from cfevents.sinks.receiver import Receiver
from cfevents.sinks.sink import Sink
from cfevents.sinks.webhook import Webhook
from cfevents.storage import NDJSONFile

SCHEMES = ("postgresql://", "file:", "https://", "json+https://")
"""The beginnings of the addresses that `connect` knows."""


def connect(
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    insecure: bool = False,
    gzip: bool = False,
    timeout: float = 60.0,
    max_events: int = 1000,
    max_bytes: int = 1_000_000,
) -> Sink:
    """Return the sink at an address; nothing is opened.

    Args:
        url: ``postgresql://HOST/DATABASE?table=NAME``, a table, with the extra ``postgres``; ``file:PATH``, a file of
            lines (``NDJSONFile``); ``https://HOST/PATH``, a webhook that takes lines of JSON;
            ``json+https://HOST/PATH``, one that takes an array.
        token: A token that is sent as ``Authorization: Bearer``; the password of a database.
        headers: More headers of each request.
        insecure: Whether ``http://``, or a database without TLS, may be on another machine.
        gzip: Whether bodies are compressed.
        timeout: The longest time for one request, in seconds.
        max_events: The most events in a request.
        max_bytes: The most bytes in a request, before compression. A larger event is sent alone.

    Raises:
        ConfigurationError: An extra is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: The address is of no known form, has a password, or would send everything unencrypted.
    """
    url, token, headers = mask(url), mask(token), mask_values(headers)  # a traceback shows variables
    secret, sent = _checked_token(token), _checked_headers(headers)
    if isinstance(url, NonText):
        raise TypeError(f"url must be text, not {url.type_name}")
    timeout = validate_seconds("timeout", timeout)
    scheme = str(url.partition(":")[0]).lower()
    if scheme == "file":
        return NDJSONFile(_path(str(url[5:])))
    if scheme in {"postgresql", "postgres"}:
        return postgres_sink(url, secret, timeout, insecure=insecure)
    if scheme.removeprefix("json+") not in {"http", "https"}:
        raise ValueError(f"url is of no known form: write {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")
    address, as_array = _address(url, insecure=insecure), scheme.startswith("json+")
    if secret is not None:
        sent["authorization"] = Secret(f"Bearer {secret}")
    receiver = Receiver(address, sent, compress=gzip, timeout_s=timeout)
    return Webhook(receiver, max_events, max_bytes, as_array=as_array)


def _checked_token(token: Any) -> Secret | None:
    if isinstance(token, NonText):
        raise TypeError(f"token must be text, not {token.type_name}")
    if token is not None and not (token and token.isascii() and token.isprintable()):
        raise ValueError("token is empty, or holds a character that no header can have")
    return token


def _checked_headers(headers: Any) -> dict[str, Secret]:
    if isinstance(headers, NonText):
        raise TypeError(f"headers must be a mapping, not {headers.type_name}")
    for name, value in headers.items():
        if isinstance(value, NonText) or not isinstance(name, str):
            raise TypeError(f"headers: name and value of {name!r} must be text")
        if not (name and name.isascii() and name.isprintable() and value.isprintable()):
            raise ValueError(f"headers: name or value of {name!r} has a character that no header can hold")
    return {name.lower(): value for name, value in headers.items()}


def _path(text: str) -> str:
    """Return the path of ``file:events.ndjson``, ``file:/var/events.ndjson`` or ``file:///var/events.ndjson``."""
    path = unquote(text.removeprefix("//")) if text.startswith("///") else text
    if not path or path.startswith("//") or path.endswith("/"):
        raise ValueError("url names no file of this machine: write file:PATH")
    return path


def _address(text: str, *, insecure: bool) -> URL:
    address, fault = URL(), "is no URL"
    with suppress(ValueError):
        address = URL(text)
        fault = _address_fault(address, insecure=insecure)
    if fault:
        # A traceback shows variables, and it may hold a password.
        address = URL()
        raise ValueError(f"url {fault}")
    return address.with_scheme(address.scheme.removeprefix("json+"))


def _address_fault(address: URL, *, insecure: bool) -> str:
    if not address.host:
        return "names no host"
    if address.raw_user is not None or address.raw_password is not None:
        return "holds a user or a password: leave it out, and give token= or headers="
    if address.raw_fragment:
        return "has a fragment, which is never sent: leave out what begins with #"
    if address.scheme.endswith("http") and not (insecure or is_loopback(address.host)):
        return f"would send everything to {address.host} unencrypted: use https, or give insecure=True"
    return ""
