"""OpenTelemetry: events as log records, over OTLP/HTTP in JSON."""

import json
import logging
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from cfevents._model.api import INT64
from cfevents._time import to_nanoseconds
from cfevents._validation import escape_surrogates
from cfevents.errors import SinkError
from cfevents.sinks.formats import FormattedEvent
from cfevents.sinks.http import HTTPSink, OutgoingEvent, Verdict
from cfevents.sinks.receiver import HTTPAnswer
from cfevents.sinks.urls import SinkAddress

# As the appendix of OpenTelemetry's log data model maps the severities of syslog.
_SEVERITY_NUMBERS = {"info": 9, "warning": 13, "error": 17, "critical": 18}
_UINT64 = range(2**64)
_RETRYABLE_STATUSES = {429, 502, 503, 504}  # the specification forbids to repeat a request after others
_NOT_UNDERSTOOD = "it answers no ExportLogsServiceResponse in JSON: check the address, which ends in /v1/logs"

_log = logging.getLogger("cfevents")


class OTLP(HTTPSink):
    """A receiver of OTLP, such as the OpenTelemetry Collector; each connector is a resource.

    An answer with ``partialSuccess`` has the number of records that were rejected, and not which. So the request is
    halved until they are alone; the others arrive again with the same ``log.record.uid``.
    """

    def __init__(self, address: SinkAddress) -> None:
        """Set the receiver at an address such as ``otlp+https://HOST:4318``."""
        super().__init__(address, address.url("/v1/logs"))
        self._account_id = self._warning = ""

    def encode(self, event: FormattedEvent) -> bytes:
        """Return a log record, whose body is the event's JSON."""
        line, self._account_id = event.line, event.account_id
        attributes = {"log.record.uid": f"{line['connector_id']}/{line['id']}"}
        attributes |= {f"cloudflare.event.{name}": line[name] for name in ("kind", "sequence", "late")}
        record = {
            "timeUnixNano": _time(line["recorded_ts"]),
            "observedTimeUnixNano": _time(line["collected_ts"]),
            "severityNumber": _SEVERITY_NUMBERS[event.severity],
            "severityText": event.severity,
            "eventName": escape_surrogates(f"cloudflare.connector.{line['kind']}"),
            "body": _value(event.fields),
            "attributes": _pairs(attributes),
        }
        return json.dumps(record).encode()

    def body(self, events: Sequence[OutgoingEvent]) -> bytes:
        """Return a request, in which the records of a connector have one resource."""
        logs = list[bytes]()
        for connector_id, some in groupby(events, attrgetter("item.connector_id")):
            resource = {"service.name": "magic-wan-connector", "service.namespace": "cloudflare"}
            resource |= {"service.instance.id": connector_id, "cloud.account.id": self._account_id}
            attributes = json.dumps(_pairs(resource | {"cloud.provider": "cloudflare"})).encode()
            records = b", ".join(event.part for event in some)
            scopes = b'[{"scope": {"name": "cfevents"}, "logRecords": [%b]}]' % records
            logs.append(b'{"resource": {"attributes": %b}, "scopeLogs": %b}' % (attributes, scopes))
        return b'{"resourceLogs": [%b]}' % b", ".join(logs)

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        """Return what an answer means: its status, and where that is success what is in it."""
        if 200 <= answer.status < 300:
            return self._read_success(answer, events)
        if answer.status in {408, 425, 500} or (answer.status > 500 and answer.status not in _RETRYABLE_STATUSES):
            raise SinkError(f"{self.receiver.describe(answer)}; the protocol forbids to repeat such a request")
        return super().read(answer, events)

    def _read_success(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        try:
            rejected, message = _partial_success(json.loads(answer.body or b"{}"))
        except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError):
            raise self.misunderstood(answer, events, _NOT_UNDERSTOOD) from None
        reason = self.receiver.describe(answer)
        if rejected <= 0:
            if message and message != self._warning:
                _log.warning("%s", reason)
            self._warning = message
            return Verdict()
        if rejected >= len(events):
            return Verdict(refused=dict.fromkeys(range(len(events)), reason))
        self._has_taken = True
        return Verdict(reason)


def _partial_success(response: dict[str, Any]) -> tuple[int, str]:
    """Return the number of rejected records and the message of a response in proto3's JSON.

    There a field may have its original name too, null is a field that is missing, and an int64 may be text. For what is
    no such response, the error is any that `_read_success` expects.
    """

    def field(message: dict[str, Any], name: str, original: str, default: Any) -> Any:
        value = message.get(name, message.get(original))
        return default if value is None else value

    partial = field(response, "partialSuccess", "partial_success", {})
    rejected = field(partial, "rejectedLogRecords", "rejected_log_records", 0)
    rejected = json.loads(rejected) if isinstance(rejected, str) else rejected
    message = field(partial, "errorMessage", "error_message", "")
    if isinstance(rejected, bool) or int(rejected) != rejected or int(rejected) not in INT64:
        raise ValueError("no int64")
    if not isinstance(message, str):
        raise TypeError("no text")
    return int(rejected), message


def _time(seconds: float) -> str:
    """Return a time; 0, which stands for an unknown one, before 1970 and after 2554."""
    nanoseconds = to_nanoseconds(seconds)
    return str(nanoseconds if nanoseconds in _UINT64 else 0)


def _pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": escape_surrogates(name), "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    """Return JSON as an ``AnyValue``. A whole number beyond 64 bits becomes text."""
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _pairs(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [*map(_value, value)]}}
    if isinstance(value, bool | float):
        return {"boolValue" if isinstance(value, bool) else "doubleValue": value}
    if isinstance(value, int) and value in INT64:
        return {"intValue": str(value)}
    return {} if value is None else {"stringValue": escape_surrogates(str(value))}
