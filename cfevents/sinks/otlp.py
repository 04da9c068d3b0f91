"""OpenTelemetry: events as log records, over OTLP/HTTP in JSON."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cfevents._model.api import INT64
from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line
from cfevents._time import to_nanoseconds
from cfevents._version import __version__
from cfevents.errors import SinkError
from cfevents.sinks.address import SinkAddress
from cfevents.sinks.http import HTTPSink, OutgoingEvent, Verdict, http_receiver
from cfevents.sinks.receiver import HTTPAnswer
from cfevents.sinks.severity import event_severity

# As the appendix of OpenTelemetry's log data model maps the severities of syslog.
_SEVERITY_NUMBERS = {"info": 9, "warning": 13, "error": 17, "critical": 18}
_UINT64 = range(2**64)
_RETRYABLE_STATUSES = {429, 502, 503, 504}  # the specification forbids to repeat a request after others
_SCOPE = json.dumps({"name": "cfevents", "version": __version__}).encode()
_NOT_UNDERSTOOD = "it answers no ExportLogsServiceResponse in JSON: check the address, which ends in /v1/logs"

_log = logging.getLogger("cfevents")


class OTLP(HTTPSink):
    """A receiver of OTLP, such as the OpenTelemetry Collector; each connector is a resource.

    An answer with ``partialSuccess`` has the number of records that were rejected, and not which. So the request is
    halved until they are alone; the others arrive again with the same ``log.record.uid``.
    """

    _account_id = _warning = ""

    def encode(self, fields: dict[str, Any], item: FollowedEvent[Any], account_id: str) -> bytes:
        """Return a log record, whose body is the event's fields."""
        line, self._account_id = followed_line(item), account_id
        severity = event_severity(line["kind"])
        attributes = {"log.record.uid": f"{item.connector_id}/{line['id']}"}
        attributes |= {f"cloudflare.event.{name}": line[name] for name in ("kind", "sequence", "late")}
        record = {
            "timeUnixNano": _time(line["recorded_ts"]),
            "observedTimeUnixNano": _time(line["collected_ts"]),
            "severityNumber": _SEVERITY_NUMBERS[severity],
            "severityText": severity,
            "eventName": _text(f"cloudflare.connector.{line['kind']}"),
            "body": _value(fields),
            "attributes": _pairs(attributes),
        }
        return json.dumps(record).encode()

    def body(self, events: Sequence[OutgoingEvent]) -> bytes:
        """Return a request, in which the records of a connector have one resource."""
        records = dict[str, list[bytes]]()
        for event in events:
            records.setdefault(event.item.connector_id, []).append(event.part)
        logs = [
            b'{"resource": %b, "scopeLogs": [{"scope": %b, "logRecords": [%b]}]}'
            % (self._resource(connector_id), _SCOPE, b", ".join(parts))
            for connector_id, parts in records.items()
        ]
        return b'{"resourceLogs": [%b]}' % b", ".join(logs)

    def _resource(self, connector_id: str) -> bytes:
        service = {"name": "magic-wan-connector", "namespace": "cloudflare", "instance.id": connector_id}
        cloud = {"cloud.provider": "cloudflare", "cloud.account.id": self._account_id}
        attributes = {f"service.{name}": value for name, value in service.items()} | cloud
        return json.dumps({"attributes": _pairs(attributes)}).encode()

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        """Return what an answer means: its status, and where that is success what is in it.

        Raises:
            SinkError: Nothing is settled. After a status that must not be repeated, the delivery ends.
        """
        if 200 <= answer.status < 300:
            return self._read_success(answer, events)
        if answer.status in {408, 425, 500} or (answer.status > 500 and answer.status not in _RETRYABLE_STATUSES):
            raise SinkError(f"{self.receiver.describe(answer)}; the protocol forbids to repeat such a request")
        return super().read(answer, events)

    def _read_success(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        try:
            partial = json.loads(answer.body or b"{}").get("partialSuccess") or {}
            rejected, message = int(partial.get("rejectedLogRecords", 0)), str(partial.get("errorMessage", ""))
        except (ValueError, TypeError, AttributeError):
            text = f"{self.receiver.describe(answer)}; {_NOT_UNDERSTOOD}"
            # With events, the answer may have been cut short.
            raise SinkError(text, is_temporary=bool(events)) from None
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


def _time(seconds: float) -> str:
    """Return a time; 0, which stands for an unknown one, before 1970 and after 2554."""
    nanoseconds = to_nanoseconds(seconds)
    return str(nanoseconds if nanoseconds in _UINT64 else 0)


def _pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": _text(name), "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    """Return JSON as an ``AnyValue``. A whole number beyond 64 bits becomes text."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, int) and value in INT64:
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"kvlistValue": {"values": _pairs(value)}} if isinstance(value, dict) else {"stringValue": _text(str(value))}


def _text(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # half of a surrogate pair is no UTF-8


def otlp_sink(address: SinkAddress) -> OTLP:
    """Return the sink at an address such as ``otlp+https://HOST:4318``."""
    return OTLP(http_receiver(address, address.url("/v1/logs")), address)
