"""The addresses of sinks: one URL says what a sink is and where."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, cast

from cfevents._secrets import NonText, Secret, mask, mask_values
from cfevents._validation import validate_int, validate_seconds
from cfevents.sinks.address import SinkAddress
from cfevents.sinks.formats import FORMATS
from cfevents.sinks.sink import Sink

_TIMEOUT_S = 60.0
_HTTP = frozenset({"token", "headers", "insecure", "gzip", "format", "timeout", "max_events", "max_bytes"})
_SYSLOG = frozenset({"format", "timeout", "max_bytes"})


class SinkScheme(NamedTuple):
    """The beginning of an address, and what makes its sink."""

    start: str
    """The beginning as it is written."""

    maker: str
    """The function that makes the sink of a `SinkAddress`, and its module, which is imported then."""

    arguments: frozenset[str]
    """The arguments of `connect` that have a use."""


# In the order in which they are named to users. What begins with https may have http instead.
SCHEMES = {
    "postgresql": SinkScheme("postgresql://", "postgres.postgres_sink", frozenset({"token", "insecure", "timeout"})),
    "file": SinkScheme("file:", "files.file_sink", frozenset()),
    "elastic+https": SinkScheme("elastic+https://", "elastic.elastic_sink", _HTTP),
    "splunk+https": SinkScheme("splunk+https://", "splunk.splunk_sink", _HTTP),
    "https": SinkScheme("https://", "webhook.webhook_sink", _HTTP),
    "json+https": SinkScheme("json+https://", "webhook.webhook_sink", _HTTP),
    "loki+https": SinkScheme("loki+https://", "loki.loki_sink", _HTTP),
    "otlp+https": SinkScheme("otlp+https://", "otlp.otlp_sink", _HTTP),
    "syslog+tls": SinkScheme("syslog+tls://", "syslog.syslog_sink", _SYSLOG),
    "syslog+tcp": SinkScheme("syslog+tcp://", "syslog.syslog_sink", _SYSLOG | {"insecure"}),
    "syslog+udp": SinkScheme("syslog+udp://", "syslog.syslog_sink", _SYSLOG | {"insecure"}),
}
"""What `connect` knows, by the scheme of a URL."""


def connect(
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    insecure: bool = False,
    gzip: bool = False,
    format: str = "cfevents",  # noqa: A002 - as the command's option
    timeout: float | None = None,
    max_events: int | None = None,
    max_bytes: int | None = None,
) -> Sink:
    """Return the sink at an address; nothing is opened.

    Args:
        url: ``postgresql://HOST/DATABASE?table=NAME``, a table, with the extra ``postgres``; ``file:PATH``, a file of
            lines (``NDJSONFile``); ``elastic+https://HOST/INDEX``, Elasticsearch or OpenSearch;
            ``splunk+https://HOST:8088``, Splunk's HTTP Event Collector; ``https://HOST/PATH``, a webhook that takes
            lines of JSON; ``json+https://HOST/PATH``, one that takes an array; ``loki+https://HOST``, Grafana
            Loki; ``otlp+https://HOST:4318``, a receiver of OpenTelemetry's logs; ``syslog+tls://HOST``,
            ``syslog+tcp://HOST`` or ``syslog+udp://HOST``, a syslog server.
        token: A token that is sent as ``Authorization``; the password of a database.
        headers: More headers of each request.
        insecure: Whether ``http://``, plain syslog or a database without TLS may be on another machine.
        gzip: Whether bodies are compressed.
        format: What the JSON of an event is: ``"cfevents"`` for our line, ``"ecs"`` for the Elastic Common Schema,
            ``"ocsf"`` for the Open Cybersecurity Schema Framework.
        timeout: The longest time for one request, in seconds; 60 by default.
        max_events: The most events in a request; 1,000 by default.
        max_bytes: The most bytes in a request, before compression; 1,000,000 by default. A larger event is sent alone.
            In a message of syslog; 65,507 by default over UDP. A larger event is refused.

    Raises:
        ConfigurationError: An extra is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: The address is of no known form, has a password, or would send everything unencrypted; or an
            argument has no use there.
    """
    url, token, headers = mask(url), mask(token), mask_values(headers)  # a traceback shows variables
    secret, sent = _checked_token(token), _checked_headers(headers)
    if isinstance(url, NonText):
        raise TypeError(f"url must be text, not {url.type_name}")
    if secret is not None and "authorization" in sent:
        raise ValueError("headers: the token is sent as Authorization, so give one of the two")
    given: dict[str, Any] = {"token": secret, "headers": sent, "insecure": insecure, "gzip": gzip}
    formatted = {"format": None if format == "cfevents" else format}
    limits = {"timeout": timeout, "max_events": max_events, "max_bytes": max_bytes}
    scheme = _scheme(url)
    unused = [
        name for name, value in {**given, **formatted, **limits}.items() if value and name not in scheme.arguments
    ]
    if unused:
        raise ValueError(f"url is {scheme.start}…, where {', '.join(unused)} has no use: leave it out")
    if format not in FORMATS:
        raise ValueError(f"format is not known: write {', '.join(FORMATS)}")
    given["to_json"] = FORMATS[format]
    given["timeout_s"] = validate_seconds("timeout", _TIMEOUT_S if timeout is None else timeout)
    given["max_events"] = None if max_events is None else validate_int("max_events", max_events)
    given["max_bytes"] = None if max_bytes is None else validate_int("max_bytes", max_bytes)
    module, _, maker = scheme.maker.rpartition(".")
    make = getattr(import_module(f"cfevents.sinks.{module}"), maker)
    return cast("Sink", make(SinkAddress(text=url, **given)))


def _scheme(url: str) -> SinkScheme:
    """Return the row of a URL: that of https for http, which may be on this machine."""
    name = str(url.partition(":")[0]).lower()
    name = {"postgres": "postgresql"}.get(name, f"{name}s" if name.endswith("http") else name)
    if name not in SCHEMES:
        *starts, last = [scheme.start for scheme in SCHEMES.values()]
        raise ValueError(f"url is of no known form: write {', '.join(starts)} or {last}")
    return SCHEMES[name]


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
