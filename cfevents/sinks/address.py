"""The arguments of `connect`: the address of a sink, credentials, and limits."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from attrs import field, frozen
from yarl import URL

from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line
from cfevents._protocol.requests import is_loopback
from cfevents._secrets import Secret

_ENCRYPTED_SCHEMES = {"http": "https", "tcp": "syslog+tls", "udp": "syslog+tls"}


@frozen(kw_only=True)
class SinkAddress:
    """Where to, and how. It may hold secrets, which are in no ``repr``."""

    text: str = field(repr=False)
    """The URL."""

    token: Secret | None = None
    headers: Mapping[str, Secret] = {}
    """Headers by their names in lower case."""

    insecure: bool = False
    gzip: bool = False
    timeout_s: float
    """The longest time for one request."""

    max_events: int | None = None
    max_bytes: int | None = None
    to_json: Callable[[FollowedEvent[Any]], dict[str, Any]] = followed_line
    """The function that returns the fields of an event as JSON."""

    def url(self, path: str = "/", parameters: Collection[str] | None = ()) -> URL:
        """Return the URL with the scheme of its transport: that of ``elastic+https://HOST`` is https.

        Args:
            path: The path where the URL has none.
            parameters: The parameters that its query may have; None for any.

        Raises:
            ValueError: It is no URL, holds credentials, has another parameter, or would send everything unencrypted.
        """
        url, fault = URL(), "is no URL"
        with suppress(ValueError):
            url = URL(self.text)
            fault = _credentials_fault(url) or _query_fault(url, parameters)
            url = url.with_scheme(url.scheme.rpartition("+")[2]) if url.host else url
            secure = _ENCRYPTED_SCHEMES.get(url.scheme)
            if secure and not (fault or self.insecure or is_loopback(url.host or "")):
                fault = f"would send everything to {url.host} unencrypted: use {secure}, or give insecure=True"
        if fault:
            # A traceback shows variables, and it may hold a password.
            url = URL()
            raise ValueError(f"url {fault}")
        return url.with_path(path, keep_query=True) if url.path in {"", "/"} else url


def _credentials_fault(url: URL) -> str:
    if not url.host:
        return "names no host"
    if url.raw_user is not None or url.raw_password is not None:
        return "holds a user or a password: leave it out, and give token= or headers="
    return "has a fragment, which is never sent: leave out what begins with #" if url.raw_fragment else ""


def _query_fault(url: URL, parameters: Collection[str] | None) -> str:
    if parameters is None or (set(url.query) <= {*parameters} and len(url.query) == len(set(url.query))):
        return ""
    # Not repeated: what stands there may be a secret.
    return (
        f"has parameters other than {', '.join(parameters)}, each once" if parameters else "has parameters: leave ? out"
    )
