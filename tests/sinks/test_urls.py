"""The addresses of sinks: what is wrong with one is known before anything is opened."""

import traceback
from typing import Any

import pytest

from cfevents.sinks import connect
from cfevents.storage import NDJSONFile

SECRET = "header-secret-55dd"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("kafka://broker/topic", "of no known form: write postgresql://, file:, "),
        ("events.ndjson", "of no known form"),
        ("", "of no known form"),
        ("kafka+https://host", "of no known form"),
        ("file:", "names no file"),
        ("file:dir/", "names no file"),
        ("file://host/events.ndjson", "names no file of this machine"),
        ("https:///path", "names no host"),
        ("https://[::1/", "is no URL: write SCHEME://HOST:PORT/PATH"),
        ("https://host:65536/", "is no URL: write SCHEME://HOST:PORT/PATH, with a port below 65536"),
        (f"https://user:{SECRET}@host/", "holds a user or a password: leave it out, and give token= or headers="),
        (f"https://{SECRET}@host/", "holds a user or a password"),
        (f"https://host/#{SECRET}", "has a fragment"),
        ("http://hook.example/", "to hook.example unencrypted: use https, or give insecure=True"),
        ("json+http://10.0.0.1/", "to 10.0.0.1 unencrypted"),
        ("elastic+https://host", "names no index: write elastic+https://HOST/INDEX"),
        ("elastic+https://host/", "names no index"),
        (f"elastic+https://host/wan?op_type={SECRET}", "than pipeline, each once: leave the rest out"),
        (f"elastic+https://{SECRET}@host/wan", "holds a user or a password"),
        ("elastic+http://es.example/wan", "to es.example unencrypted"),
        (f"splunk+https://host?token={SECRET}", "has parameters other than index, source, sourcetype, host"),
        ("splunk+https://host?index=a&index=b", "each once"),
        ("splunk+http://hec.example:8088", "to hec.example unencrypted"),
        ("splunk+https:///x", "names no host"),
        (f"loki+https://host?tenant={SECRET}", "has parameters other than job"),
        ("loki+https://host?job=a&job=b", "each once"),
        (f"loki+https://me:{SECRET}@host", "holds a user or a password"),
        ("loki+http://loki.example:3100", "to loki.example unencrypted"),
        ("loki+https://", "names no host"),
        (f"otlp+https://host?key={SECRET}", "has parameters: leave"),
        (f"otlp+https://{SECRET}@host", "holds a user or a password"),
        ("otlp+http://10.0.0.1:4318", "to 10.0.0.1 unencrypted"),
        ("otlp+https:///v1/logs", "names no host"),
        (f"syslog+tls://{SECRET}@host", "holds a user or a password"),
    ],
)
def test_address_that_cannot_be_meant_is_refused(url: str, says: str) -> None:
    """The message repeats no secret, nor does a traceback with variables."""
    with pytest.raises(ValueError, match=says.replace("+", r"\+")) as caught:
        connect(url)
    shown = traceback.TracebackException(type(caught.value), caught.value, caught.tb.tb_next, capture_locals=True)
    assert SECRET not in "".join(shown.format())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"token": 3}, TypeError),
        ({"token": ""}, ValueError),
        ({"token": "a\nb"}, ValueError),
        ({"headers": "X-Key: a"}, TypeError),
        ({"headers": {"X-Key": 3}}, TypeError),
        ({"headers": {"X-Key": "a\r\nb"}}, ValueError),
        ({"headers": {"": "a"}}, ValueError),
        ({"headers": {"X Key": "a"}}, ValueError),
        ({"timeout": 0}, ValueError),
        ({"max_events": 0}, ValueError),
        ({"max_bytes": -1}, ValueError),
        ({"format": "cef"}, ValueError),
        ({"url": 3}, TypeError),
        ({"headers": {"authorization": SECRET}}, ValueError),
        ({"url": f"https://user:{SECRET}@hook.example", "max_events": 0}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        connect(**{"url": "https://hook.example", "token": SECRET, "headers": {"X-Key": SECRET}, **options})
    shown = traceback.TracebackException(type(caught.value), caught.value, caught.tb.tb_next, capture_locals=True)
    assert SECRET not in "".join(shown.format())


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:/var/a b.ndjson", "/var/a b.ndjson"),
        ("file:///var/a%20b.ndjson", "/var/a b.ndjson"),
        ("FILE:/var/a%20b.ndjson", "/var/a%20b.ndjson"),
    ],
)
def test_file_is_a_file_of_lines(url: str, path: str) -> None:
    sink = connect(url)
    assert isinstance(sink, NDJSONFile)
    assert repr(sink) == f"<NDJSONFile {path!r}, not open>"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://localhost", "HTTPS://Host/", "json+http://[::1]/x", "Splunk+HTTP://[::1]:8088"],
)
def test_address_on_this_machine_may_be_plain(url: str) -> None:
    assert connect(url)


def test_plain_address_may_be_wanted() -> None:
    assert repr(connect("http://hook.example:8080/a", insecure=True)) == "<Webhook http://hook.example:8080>"


@pytest.mark.parametrize(
    ("url", "options", "unused"),
    [
        ("file:events.ndjson", {"gzip": True}, "gzip"),
        ("file:events.ndjson", {"token": SECRET, "headers": {"X-Key": SECRET}}, "token, headers"),
        ("file:events.ndjson", {"insecure": True, "timeout": 3}, "insecure, timeout"),
        ("postgresql:///t?table=e", {"format": "ocsf"}, "format"),
        ("postgresql:///t?table=e", {"gzip": True, "headers": {"X-Key": SECRET}}, "headers, gzip"),
        ("postgres:///t?table=e", {"max_events": 3, "max_bytes": 3}, "max_events, max_bytes"),
    ],
)
def test_argument_without_use_is_refused(url: str, options: dict[str, Any], unused: str) -> None:
    """Who gives it expects something of it."""
    with pytest.raises(ValueError, match=f"where {unused} has no use: leave it out"):
        connect(url, **options)
