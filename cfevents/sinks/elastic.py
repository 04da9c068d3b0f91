"""Elasticsearch and OpenSearch: documents by `_bulk`, each created once by an id of its own."""

import json
from base64 import b64encode
from collections.abc import Sequence
from operator import attrgetter

from attrs import evolve

from cfevents._secrets import Secret
from cfevents.errors import SinkError
from cfevents.sinks.formats import FormattedEvent
from cfevents.sinks.http import HTTPSink, OutgoingEvent, Verdict
from cfevents.sinks.receiver import HTTPAnswer
from cfevents.sinks.urls import SinkAddress

_STATUSES = range(200, 600)
_EXISTS = 409  # the document is there already
_REFUSES_ALL = {401, 403, 404}  # the credentials, the right to write, or the index


class Elastic(HTTPSink):
    """An index or a data stream. Made by `connect`."""

    content_type = "application/x-ndjson"

    def __init__(self, address: SinkAddress) -> None:
        """Set the index of ``elastic+https://HOST/INDEX``; the token is an API key, encoded or as ``ID:KEY``."""
        url = address.url(parameters=["pipeline"])
        if url.path in {"/", "/_bulk"}:
            raise ValueError("url names no index: write elastic+https://HOST/INDEX")
        if url.name != "_bulk":
            url = (url / "_bulk").with_query(url.query)
        if address.token is not None and ":" in address.token:
            address = evolve(address, token=Secret(b64encode(address.token.encode()).decode()))
        super().__init__(address, url, "ApiKey")

    def encode(self, event: FormattedEvent) -> bytes:
        """Return the lines of an action and its document, which has the ``@timestamp`` that a data stream needs."""
        line, time = event.line, event.line["recorded_at"]
        action = {"create": {"_id": f"{event.account_id}/{line['connector_id']}/{line['id']}"}}
        fields = {"@timestamp": time, **event.fields} if time else event.fields
        return f"{json.dumps(action)}\n{json.dumps(fields)}".encode()

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        """Return what became of each event; raise SinkError where the request failed as a whole."""
        if answer.status != 200:
            return super().read(answer, events)
        items = _items(answer.body)
        if items is None or len(items) != len(events):
            raise self.misunderstood(answer, events, "that is no whole answer of _bulk: check the address")
        refused, errors = dict[int, str](), dict[int, SinkError]()
        for place, (status, body) in enumerate(items):
            if status < 300 or status == _EXISTS:
                continue
            error = self.receiver.refusal(part := HTTPAnswer(status, body, answer.retry_after))
            if error.is_temporary or status in _REFUSES_ALL:
                errors[place] = error
            else:
                refused[place] = self.receiver.describe(part)
        worst = min(errors.values(), key=attrgetter("is_temporary"), default=None)
        return Verdict(refused=refused, unsettled=errors, error=worst)


def _items(body: bytes) -> list[tuple[int, bytes]] | None:
    """Return the status of each document, and its error as JSON; None where it is no answer of `_bulk`."""
    items = list[tuple[int, bytes]]()
    try:
        for item in json.loads(body)["items"]:
            (result,) = item.values()
            items.append((result["status"], json.dumps(result.get("error")).encode()))
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
    return items if all(status in _STATUSES for status, _ in items) else None
