"""Events as sinks send them, as JSON: our own, in the Elastic Common Schema (ECS), or in OCSF.

OCSF is the Open Cybersecurity Schema Framework.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line
from cfevents.events import KINDS
from cfevents.operations.rules import Severity
from cfevents.operations.watching import FindingUpdate

Line: TypeAlias = dict[str, Any]
Format: TypeAlias = Callable[[Line], dict[str, Any]]

ECS_VERSION = "9.4.0"
OCSF_VERSION = "1.8.0"

_VENDOR, _PRODUCT = "Cloudflare", "Magic WAN Connector"
_LIFECYCLE, _TUNNEL = 6002, 4014  # classes of OCSF
_OTHER = 0, 99  # the base event, with an activity that is not listed
_SEVERITY_IDS = {"info": 1, "warning": 3, "error": 4, "critical": 5}  # Informational, Medium, High, Critical
_STATUS_IDS = {"success": 1, "failure": 2}

# Kinds by category and type of ECS, class and activity of OCSF.
_KINDS_BY_MEANING = {
    ("process", "start", _LIFECYCLE, 3): "Init",
    ("process", "end", _LIFECYCLE, 4): "Leave",
    ("process", "start", *_OTHER): "HaInit",
    ("process", "end", *_OTHER): "HaLeave",
    ("authentication", "start", *_OTHER): "StartAttestation",
    ("authentication", "end", *_OTHER): "FinishAttestationSuccess FinishAttestationFailure",
    ("configuration", "info", *_OTHER): "StartRotateCryptKey StartRotatePki Reconcile "
    "FinishRotateCryptKeyFailure FinishRotatePkiFailure",
    (
        "configuration",
        "change",
        *_OTHER,
    ): "FinishRotateCryptKeySuccess FinishRotatePkiSuccess ConfigureCloudflaredTunnel",
    ("package", "start", _LIFECYCLE, 8): "StartUpgrade",
    ("package", "change", _LIFECYCLE, 8): "FinishUpgradeSuccess",
    ("package", "info", _LIFECYCLE, 8): "FinishUpgradeFailure",
    ("network", "info", _TUNNEL, 1): "RekeyInstallBoth",
    ("network", "info", _TUNNEL, 3): "RekeyStart RekeyAdvance RekeyComplete RekeyRestart",
    ("network", "info", _TUNNEL, 99): "RekeyReset",
    ("host", "info", *_OTHER): "BlessSlotPending BlessSlotFailure HaError",
    ("host", "change", *_OTHER): "BlessSlotSuccess HaTransition",
}
_MEANINGS = {kind: meaning for meaning, kinds in _KINDS_BY_MEANING.items() for kind in kinds.split()}


class FormattedEvent(NamedTuple):
    """An event, or a finding, in the parts that sinks need."""

    line: Line
    """The fields of the line that ``follow`` prints."""

    fields: dict[str, Any]
    """What is sent as its JSON."""

    severity: Severity
    account_id: str


def format_event(item: FollowedEvent[Any], account_id: str, format_: Format) -> FormattedEvent:
    """Return an event with its JSON in one of `FORMATS`. In ours, a finding has the JSON that ``watch`` prints."""
    line = followed_line(item)
    if not isinstance(item, FindingUpdate):
        return FormattedEvent(line, format_(line), event_severity(line["kind"]), account_id)
    fields = item.to_dict() if format_ is our_format else format_(line)
    return FormattedEvent(line, fields, item.finding.severity, account_id)


def event_severity(kind: str) -> Severity:
    """Return the severity of the finding that an event of this kind leads to by itself; else ``"info"``.

    A kind that is not documented is judged by its name, as the documented ones are named.
    """
    if kind == "RekeyReset":
        return "critical"
    if kind.endswith("Failure"):
        return "error"
    return "warning" if kind.endswith("Error") else "info"


def our_format(line: Line) -> dict[str, Any]:
    """Return the line itself."""
    return line


def ecs_format(line: Line) -> dict[str, Any]:
    """Return an event in ECS. A field of our line that has no place there is under ``cfevents``."""
    line = {**line}
    connector_id, event_id, kind = (line.pop(name) for name in ("connector_id", "id", "kind"))
    # Without a date there are milliseconds, which Elasticsearch takes as well.
    time, created = (line.pop(f"{name}_at") or round(line[f"{name}_ts"] * 1000) for name in ("recorded", "collected"))
    category, type_ = _MEANINGS[kind][:2] if kind in _MEANINGS else (None, None)
    event = {"module": "cloudflare", "dataset": "cloudflare.connector", "kind": "event", "action": kind, "code": kind}
    event |= {"category": category and [category], "type": type_ and [type_], "outcome": _outcome(kind)}
    event |= {"id": f"{connector_id}/{event_id}", "sequence": line.pop("sequence"), "created": created}
    return {
        "@timestamp": time,
        "ecs": {"version": ECS_VERSION},
        "message": getattr(KINDS.get(kind), "description", kind),
        "log": {"level": event_severity(kind)},
        "event": _known(event),
        "host": {"id": connector_id},
        "observer": _known({"vendor": _VENDOR, "product": _PRODUCT, "version": line.get("version")}),
        "related": {"hosts": [connector_id]},
        "cfevents": line,
    }


def ocsf_format(line: Line) -> dict[str, Any]:
    """Return an event in OCSF. A field of our line that has no place there is under ``unmapped``."""
    line = {**line}
    connector_id, event_id, kind = (line.pop(name) for name in ("connector_id", "id", "kind"))
    class_uid, activity_id = _MEANINGS[kind][2:] if kind in _MEANINGS else _OTHER
    product = _known({"vendor_name": _VENDOR, "name": _PRODUCT, "version": line.get("version")})
    metadata = {"version": OCSF_VERSION, "profiles": ["host"], "product": product, "event_code": kind}
    metadata |= {"uid": f"{connector_id}/{event_id}", "original_event_uid": event_id, "sequence": line.pop("sequence")}
    tunnel_id = (line.get("event") or {}).get("tunnel_id") if class_uid == _TUNNEL else None
    event = {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity_id,
        "activity_name": kind if activity_id == 99 else None,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": _SEVERITY_IDS[event_severity(kind)],
        "status_id": _STATUS_IDS.get(_outcome(kind) or ""),
        "time": round(line["recorded_ts"] * 1000),
        "message": getattr(KINDS.get(kind), "description", kind),
        "device": {"uid": connector_id, "type_id": 99, "type": _PRODUCT},
        "app": product if class_uid == _LIFECYCLE else None,
        "tunnel_type_id": 0 if class_uid == _TUNNEL else None,
        "tunnel_interface": {"uid": tunnel_id} if isinstance(tunnel_id, str) else None,
        "metadata": metadata | {"logged_time": round(line["collected_ts"] * 1000)},
        "unmapped": line,
    }
    return _known(event)


FORMATS: Mapping[str, Format] = {"cfevents": our_format, "ecs": ecs_format, "ocsf": ocsf_format}
"""The formats of an event as JSON, as functions of our line."""


def _outcome(kind: str) -> str | None:
    if kind.endswith("Success"):
        return "success"
    return None if event_severity(kind) == "info" else "failure"


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
