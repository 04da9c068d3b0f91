"""Local receivers of events: real HTTP servers that answer as the documentation of Splunk and Elasticsearch says."""

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeAlias

from aiohttp import web

from cfevents._public import set_module

JSON: TypeAlias = dict[str, Any]
ReceiverAnswer: TypeAlias = tuple[int, Any]  # status and JSON; text is sent as HTML

# The codes of Splunk's HTTP Event Collector, from 0 on, and their statuses where that is not 400.
_HEC_TEXTS = (  # noqa: SIM905 - a list would be a page
    "Success|Token disabled|Token is required|Invalid authorization|Invalid token|No data|Invalid data format|"
    "Incorrect index|Internal server error|Server is busy|Data channel is missing|Invalid data channel|"
    "Event field is required|Event field cannot be blank|ACK is disabled|Error in handling indexed fields|"
    "Query string authorization is not enabled|HEC is healthy|HEC is unhealthy, queues are full|"
    "HEC is unhealthy, ack service unavailable|HEC is unhealthy, queues are full, ack service unavailable|"
    "Invalid token|Token disabled|Server is shutting down|HEC queue is approaching capacity|"
    "HEC ack channel is approaching capacity|HEC queue is at capacity|HEC ack channel is at capacity"
).split("|")
_HEC_CODES = {200: {0, 17, 24, 25}, 401: {2, 3}, 403: {1, 4}, 429: {26, 27}, 500: {8}, 503: {9, 18, 19, 20, 23}}
_HEC_STATUSES = {code: status for status, codes in _HEC_CODES.items() for code in codes}
_HEC_PATHS = {"/services/collector", "/services/collector/event", "/services/collector/event/1.0"}
_BULK_ERRORS = {401: "security", 403: "security", 404: "index_not_found", 429: "es_rejected_execution"}
_BULK_ERRORS |= {400: "document_parsing", 409: "version_conflict_engine", 503: "unavailable_shards"}


@set_module("cfevents.testing")
class EventReceiver:
    """A local receiver of events; an async context manager, such as `SplunkReceiver`.

    Attributes:
        token: The token that it accepts.
        max_bytes: The largest body that it takes.
        events: The events that have arrived, as they were sent.
        requests: The paths of the requests that have arrived, with their queries.
        refuses: A function that returns the number with which an event is refused, None for one that is taken.
        url: Where it listens.
    """

    def __init__(self, *, max_bytes: int = 1_000_000) -> None:
        self.token, self.max_bytes, self.url = "simulated-receiver-token", max_bytes, ""
        self.events: list[JSON] = []
        self.requests: list[str] = []
        self.refuses: Callable[[JSON], int | None] = lambda _: None
        self._planned, self._port = deque[int | str](), 0
        self._runner: web.AppRunner | None = None

    def plan(self, *answers: int | str) -> None:
        """Let the next requests be answered so, one after the other; those after them as usual.

        Args:
            answers: The number of a documented refusal, with which nothing is taken; ``"reset"``: the connection ends
                before anything is taken; ``"cut"``, ``"garbled"`` or ``"silent"``: everything is taken, but the answer
                ends half-way with its connection or without, or never comes; ``""``: as usual.
        """
        self._planned += answers

    def refusal(self, number: int) -> ReceiverAnswer:
        """Return the documented refusal with a number: an HTTP status, or a code where the receiver has those."""
        return number, "<html>refused</html>"

    def receive(self, request: web.Request, body: bytes) -> ReceiverAnswer:
        """Return the answer to a request, and store the events that it takes."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start to listen, on the same port as before where it was stopped."""
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Close every connection and stop listening; what has arrived stays."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(request.path_qs)
        planned = self._planned.popleft() if self._planned else ""
        if isinstance(planned, int) or len(body) > self.max_bytes:
            status, content = self.refusal(planned if isinstance(planned, int) else 413)
        else:
            status, content = self.receive(request, body) if planned != "reset" else (0, "")
        kind = "text/html" if isinstance(content, str) else "application/json"
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        if planned == "silent":
            await asyncio.Event().wait()
        if planned in {"reset", "cut"}:
            response = web.StreamResponse(headers={"Content-Length": str(len(data) + 1)})
            if planned == "cut":
                await response.prepare(request)
                await response.write(data[: len(data) // 2])
            if request.transport is not None:
                request.transport.abort()
            return response
        return web.Response(status=status, body=data[:-1] if planned == "garbled" else data, content_type=kind)


@set_module("cfevents.testing")
class SplunkReceiver(EventReceiver):
    """Splunk's HTTP Event Collector. Its refusals have the collector's codes; from 100 on, HTTP statuses.

    Attributes:
        confirms: Whether the token has indexer acknowledgement; then an event is in ``events`` once it is indexed.
        indexes: Whether what arrives is indexed; else it is lost, as by an indexer that crashes.
    """

    def __init__(self, *, confirms: bool = False, max_bytes: int = 1_000_000) -> None:
        super().__init__(max_bytes=max_bytes)
        self.confirms, self.indexes = confirms, True
        self._unconfirmed: list[list[JSON] | None] = []

    def refusal(self, number: int, **more: int) -> ReceiverAnswer:
        """Return the answer with a code."""
        if number >= len(_HEC_TEXTS):
            return super().refusal(number)
        return _HEC_STATUSES.get(number, 400), {"text": _HEC_TEXTS[number], "code": number, **more}

    def receive(self, request: web.Request, body: bytes) -> ReceiverAnswer:
        """Return the answer, and store the events before the first that is invalid."""
        is_query = request.path == "/services/collector/ack"
        code = self._request_fault(request, is_query=is_query)
        if not is_query and request.path not in _HEC_PATHS:
            return 404, {"text": "The requested URL was not found on this server.", "code": 404}
        if code or not body.strip():
            return self.refusal(code or 5)
        if is_query:
            return 200, {"acks": {str(ack): self._is_indexed(ack) for ack in json.loads(body)["acks"]}}
        events: list[JSON] = []
        for number, event in enumerate(_concatenated(body.decode())):
            if code := _hec_fault(event) or self.refuses(event):
                self.events += events
                return self.refusal(code, **{"invalid-event-number": number})
            events.append(event)
        if not self.confirms:
            self.events += events
            return self.refusal(0)
        self._unconfirmed.append(events if self.indexes else None)
        return self.refusal(0, ackId=len(self._unconfirmed) - 1)

    def _request_fault(self, request: web.Request, *, is_query: bool) -> int | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if token != self.token or scheme != "Splunk":
            return 2 if not scheme else 3 if scheme != "Splunk" else 4
        if not self.confirms:
            return 14 if is_query else None
        channel = request.headers.get("X-Splunk-Request-Channel") or request.query.get("channel", "")
        try:
            return None if uuid.UUID(channel) else 11
        except ValueError:
            return 11 if channel else 10

    def _is_indexed(self, ack: int) -> bool:
        """Return whether a request's events are indexed; what was confirmed once is forgotten."""
        events = self._unconfirmed[ack] if ack < len(self._unconfirmed) else None
        if events is not None:
            self.events += events
            self._unconfirmed[ack] = None
        return events is not None


def _concatenated(text: str) -> Iterator[Any]:
    """Yield the JSON values that stand one behind the other; None where one is invalid."""
    decoder, end = json.JSONDecoder(), 0
    while text := text[end:].lstrip():
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            value, end = None, len(text)
        yield value


def _hec_fault(event: Any) -> int | None:
    if not isinstance(event, dict) or not isinstance(event.get("time", 0), int | float | str):
        return 6
    if event.get("event", "") in (None, ""):
        return 13 if "event" in event else 12
    return 15 if any(isinstance(value, dict) for value in event.get("fields", {}).values()) else None


@set_module("cfevents.testing")
class ElasticReceiver(EventReceiver):
    """The `_bulk` of Elasticsearch and OpenSearch. Its refusals are HTTP statuses; ``token`` is an encoded API key.

    Attributes:
        is_data_stream: Whether documents need ``@timestamp`` and the action ``create``, as in a data stream.
        documents: The documents by their ids; ``events`` has them in the order of arrival.
    """

    def __init__(self, *, is_data_stream: bool = False, max_bytes: int = 1_000_000) -> None:
        super().__init__(max_bytes=max_bytes)
        self.is_data_stream = is_data_stream
        self.documents: dict[str, JSON] = {}

    def refusal(self, number: int) -> ReceiverAnswer:
        """Return the refusal of a whole request; that of a body that is too large comes before its JSON is read."""
        return (number, {"error": _bulk_error(number), "status": number}) if number != 413 else super().refusal(413)

    def receive(self, request: web.Request, body: bytes) -> ReceiverAnswer:
        """Return the answer, which has the status of each document, and store those that are valid."""
        if request.headers.get("Authorization") != f"ApiKey {self.token}":
            return self.refusal(401)
        index, _, call = request.path.strip("/").rpartition("/")
        if not index or call != "_bulk":
            return self.refusal(405)
        if request.content_type not in {"application/json", "application/x-ndjson"}:
            return self.refusal(406)
        if not body.endswith(b"\n"):
            return self.refusal(400)
        lines = [json.loads(line) for line in body.splitlines()]
        items = [self._item(index, action, source) for action, source in zip(lines[::2], lines[1::2], strict=True)]
        has_errors = any("error" in result for item in items for result in item.values())
        return 200, {"took": 1, "errors": has_errors, "items": items}

    def _item(self, index: str, action: dict[str, JSON], source: JSON) -> dict[str, JSON]:
        ((name, target),) = action.items()
        id_ = str(target.get("_id") or uuid.uuid4())
        is_valid = not self.is_data_stream or (name == "create" and "@timestamp" in source)
        exists = name == "create" and id_ in self.documents
        status = 400 if not is_valid else 409 if exists else self.refuses(source) or 201
        result: JSON = {"_index": index, "_id": id_, "status": status}
        if status != 201:
            return {name: {**result, "error": _bulk_error(status)}}
        self.documents[id_] = source
        self.events.append(source)
        return {name: {**result, "result": "created"}}


def _bulk_error(status: int) -> JSON:
    return {"type": f"{_BULK_ERRORS.get(status, 'status')}_exception", "reason": f"refused with status {status}"}
