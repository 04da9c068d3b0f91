"""OpenTelemetry's instrumentation of aiohttp traces the client's requests, and no secret is in a span."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.batches import BEGIN, batch, listed
from support.receivers import Hook

from cfevents import CfEventsError, Client, Retry
from cfevents.sinks import connect
from cfevents.testing import Simulator

pytest.importorskip("opentelemetry.instrumentation.aiohttp_client")

from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = pytest.mark.once

WRONG = "wrong-token-0123456789"
# The docs name both: the first alone would show the token.
CAPTURE = {
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": ".*",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "authorization,x-auth-.*",
}


@pytest.fixture(params=[{}, CAPTURE], ids=["", "with headers"])
async def exporter(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[InMemorySpanExporter]:
    """Trace all requests of aiohttp, with their headers or without, and yield what gets the spans."""
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    AioHttpClientInstrumentor().instrument(tracer_provider=provider)
    yield exporter
    AioHttpClientInstrumentor().uninstrument()


async def test_each_request_has_a_span_without_secrets(exporter: InMemorySpanExporter) -> None:
    """One that succeeds, one that is refused, those of a sink, and two attempts without an answer."""
    async with Simulator() as simulator, Hook() as hook:
        options: dict[str, Any] = {**simulator.client_options}
        wrong: dict[str, Any] = {**options, "api_token": WRONG}
        async with Client(**options) as client:
            await client.list_connectors()
        async with Client(**wrong) as client:
            with pytest.raises(CfEventsError, match="401"):
                await client.list_connectors()
        async with connect(f"http://127.0.0.1:{hook.port}", token=WRONG) as sink:
            await sink.write(batch([listed(BEGIN)]))
    async with Client(**options, retry=Retry(attempts=2, backoff_initial=0.01)) as client:
        with pytest.raises(CfEventsError):
            await client.list_connectors()
    spans = exporter.get_finished_spans()
    statuses = [(span.name, dict(span.attributes or {}).get("http.status_code")) for span in spans]
    assert statuses == [("GET", 200), ("GET", 401), ("POST", 200), ("POST", 200), ("GET", None), ("GET", None)]
    shown = "".join(span.to_json() for span in spans)
    assert f"{options['base_url']}/accounts/{simulator.account_id}/magic/connectors" in shown
    assert [text for text in (WRONG, simulator.api_token) if text in shown] == []
