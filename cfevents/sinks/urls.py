"""The addresses of sinks: one URL says what a sink is and where."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, cast

from attrs import field, frozen
from yarl import URL

from cfevents._protocol.requests import is_loopback
from cfevents._secrets import NonText, Secret, mask, mask_values, validate_headers
from cfevents._validation import validate_int, validate_seconds
from cfevents.sinks.formats import FORMATS, Format, our_format
from cfevents.sinks.sink import Sink

_TIMEOUT_S = 60.0
_PORTS = 65_536
_ENCRYPTED_SCHEMES = {"http": "https", "tcp": "syslog+tls", "udp": "syslog+tls"}
_HTTP = frozenset({"token", "headers", "insecure", "gzip", "format", "timeout", "max_events", "max_bytes"})
_SYSLOG = frozenset({"format", "timeout", "max_bytes"})

SCHEMES = {
    "postgresql://": ("postgres.postgres_sink", frozenset({"token", "insecure", "timeout"})),
    "file:": ("files.file_sink", frozenset[str]()),
    "elastic+https://": ("elastic.Elastic", _HTTP),
    "splunk+https://": ("splunk.Splunk", _HTTP),
    "https://": ("webhook.Webhook", _HTTP),
    "json+https://": ("webhook.Webhook", _HTTP),
    "loki+https://": ("loki.Loki", _HTTP),
    "otlp+https://": ("otlp.OTLP", _HTTP),
    "syslog+tls://": ("syslog.Syslog", _SYSLOG),
    "syslog+tcp://": ("syslog.Syslog", _SYSLOG | {"insecure"}),
    "syslog+udp://": ("syslog.Syslog", _SYSLOG | {"insecure"}),
}
"""What makes the sink of a `SinkAddress`, and the arguments of `connect` that have a use, by the beginning of a URL.

The order is that in which they are named to users. What begins with https may have http instead.
"""


@frozen(kw_only=True)
class SinkAddress:
    """Where to, and how. It may hold secrets, which are in no ``repr``."""

    text: str = field(repr=False)
    """The URL as it was given."""

    token: Secret | None = None
    headers: Mapping[str, Secret] = {}
    """Headers by their names in lower case."""

    insecure: bool = False
    gzip: bool = False
    timeout_s: float
    """The longest time for one request."""

    max_events: int | None = None
    max_bytes: int | None = None
    format: Format = our_format
    """The form of an event's JSON."""

    def url(self, path: str = "/", parameters: Collection[str] | None = ()) -> URL:
        """Return the URL with the scheme of its transport: that of ``elastic+https://HOST`` is https.

        Args:
            path: The path where the URL has none.
            parameters: The parameters that its query may have; None for any.

        Raises:
            ValueError: It is no URL, holds credentials, has another parameter, or would send everything unencrypted.
        """
        url, fault = URL(), f"is no URL: write SCHEME://HOST:PORT/PATH, with a port below {_PORTS}"
        with suppress(ValueError):
            url = URL(self.text)
            url = url.with_scheme(url.scheme.rpartition("+")[2]) if url.host else url
            fault = _url_fault(url, parameters, insecure=self.insecure)
        if fault:
            url = URL()  # a traceback shows variables, and it may hold a password
            raise ValueError(f"url {fault}")
        return url.with_path(path, keep_query=True) if url.path in {"", "/"} else url


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
    secret, sent = _checked_token(token), validate_headers("headers", headers)
    if isinstance(url, NonText):
        raise TypeError(f"url must be text, not {url.type_name}")
    if secret is not None and "authorization" in sent:
        raise ValueError("headers: the token is sent as Authorization, so give one of the two")
    start, maker, used = _scheme(url)
    given: dict[str, Any] = {"token": secret, "headers": sent, "insecure": insecure, "gzip": gzip}
    limits = {"timeout": timeout, "max_events": max_events, "max_bytes": max_bytes}
    wanted = {**given, "format": format != "cfevents", **limits}
    if unused := [name for name, value in wanted.items() if value and name not in used]:
        raise ValueError(f"url is {start}…, where {', '.join(unused)} has no use: leave it out")
    if format not in FORMATS:
        raise ValueError(f"format is not known: write {', '.join(FORMATS)}")
    address = SinkAddress(
        text=url,
        **given,
        format=FORMATS[format],
        timeout_s=_TIMEOUT_S if timeout is None else validate_seconds("timeout", timeout),
        max_events=None if max_events is None else validate_int("max_events", max_events),
        max_bytes=None if max_bytes is None else validate_int("max_bytes", max_bytes),
    )
    module, _, name = maker.rpartition(".")
    return cast("Sink", getattr(import_module(f"cfevents.sinks.{module}"), name)(address))


def _scheme(url: str) -> tuple[str, str, frozenset[str]]:
    """Return the beginning of a URL as it is listed, its maker and its arguments: of http those of https."""
    name = str(url.partition(":")[0]).lower()
    name = {"postgres": "postgresql"}.get(name, f"{name}s" if name.endswith("http") else name)
    for start, row in SCHEMES.items():
        if start.partition(":")[0] == name:
            return start, *row
    *starts, last = SCHEMES
    raise ValueError(f"url is of no known form: write {', '.join(starts)} or {last}")


def _checked_token(token: Any) -> Secret | None:
    if isinstance(token, NonText):
        raise TypeError(f"token must be text, not {token.type_name}")
    if token is not None and not token:
        raise ValueError("the token is empty")
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ValueError("the token holds a character that no header can have, such as a line end: leave it out")
    return token


def _url_fault(url: URL, parameters: Collection[str] | None, *, insecure: bool) -> str:
    """Return what is wrong with a URL. It does not repeat a parameter, which may be a secret."""
    host, names, known, secure = url.host or "", {*url.query}, parameters or (), _ENCRYPTED_SCHEMES.get(url.scheme)
    has_others = parameters is not None and not (names <= {*known} and len(names) == len(url.query))
    has_credentials = url.raw_user is not None or url.raw_password is not None
    faults = {
        "names no host": not host,
        "holds a user or a password: leave it out, and give token= or headers=": has_credentials,
        "has a fragment, which is never sent: leave out what begins with #": url.raw_fragment,
        f"has parameters other than {', '.join(known)}, each once: leave the rest out": has_others and known,
        "has parameters: leave ? out": has_others,
        f"would send everything to {host} unencrypted: use {secure}, or give insecure=True": (
            secure and not insecure and not is_loopback(host)
        ),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")
