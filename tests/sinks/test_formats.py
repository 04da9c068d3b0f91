"""Events in other schemas: as these are published, and with nothing lost."""

import json
import math
import os
import re
import shutil
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from support import ecs_schema
from support.batches import BEGIN, details, listed

from cfevents import EventDetail, EventMetadata, RecordedEvent, events, structure
from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line, json_times
from cfevents.sinks.formats import _MEANINGS, ECS_VERSION, OCSF_VERSION, ecs_format, event_severity, ocsf_format

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def followed(kind: str, payload: dict[str, Any] | None = None) -> FollowedEvent[EventDetail]:
    raw = {"t": BEGIN, "n": 3, "v": "2025.1.0", "e": {"k": kind, **(payload or {})}}
    return FollowedEvent("c1", EventDetail(listed(BEGIN, 3, kind), structure(raw, RecordedEvent)), late=True)


KINDS = [followed(kind) for kind in [*events.KINDS, "NewKind", "NewFailure", ""]]
ODD = structure({"k": "StartUpgrade", "t": BEGIN, "n": 3, "a": BEGIN + 3, "new": True}, EventMetadata)


def ecs_line(item: FollowedEvent[Any]) -> dict[str, Any]:
    return ecs_format(followed_line(item))


def ocsf_line(item: FollowedEvent[Any]) -> dict[str, Any]:
    return ocsf_format(followed_line(item))


NAMES = [item.event.metadata.kind for item in KINDS]


def line_of_ecs(event: dict[str, Any]) -> dict[str, Any]:
    """Return our line, as a receiver can put it together again."""
    rest: dict[str, Any] = event["cfevents"]
    connector_id = event["host"]["id"]
    return rest | {
        "connector_id": connector_id,
        "id": event["event"]["id"].removeprefix(f"{connector_id}/"),
        "kind": event["event"]["code"],
        "sequence": event["event"]["sequence"],
        **times(rest),
    }


def line_of_ocsf(event: dict[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = event["unmapped"]
    metadata = event["metadata"]
    return rest | {
        "connector_id": event["device"]["uid"],
        "id": metadata["original_event_uid"],
        "kind": metadata["event_code"],
        "sequence": metadata["sequence"],
        **times(rest),
    }


def times(rest: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}_at": json.loads(json_times([rest[f"{name}_ts"]])[0]) for name in ("recorded", "collected")}


@pytest.mark.once
@settings(max_examples=20)
@given(details())
def test_our_line_can_be_put_together_again(event: EventDetail) -> None:
    """Whatever the API sends, no field of it is lost, and none is another."""
    for item in FollowedEvent("c/1", event, late=True), FollowedEvent("c/1", event.metadata):
        line = json.loads(json.dumps(followed_line(item)))
        in_ecs, in_ocsf = (json.loads(json.dumps(format_(item))) for format_ in (ecs_line, ocsf_line))
        assert line_of_ecs(in_ecs) == line_of_ocsf(in_ocsf) == line
        assert in_ecs["@timestamp"] == line["recorded_at"] or line["recorded_at"] is None
        assert in_ecs["event"]["created"] == line["collected_at"] or line["collected_at"] is None
        assert math.isclose(in_ocsf["time"], line["recorded_ts"] * 1000, abs_tol=1)


def leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return the fields by their dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        path: leaf
        for key, item in value.items()
        if f"{name}{key}" != "cfevents"
        for path, leaf in leaves(item, f"{name}.{key}" if name else key).items()
    }


@pytest.mark.parametrize("item", KINDS, ids=NAMES)
def test_ecs_as_published(item: FollowedEvent[EventDetail]) -> None:
    """Each field is one of the schema, of its type; categories and types belong together."""
    fields, values = ecs_schema.stored()["fields"], leaves(ecs_line(item))
    assert values["ecs.version"] == ECS_VERSION == ecs_schema.stored()["version"]
    assert {name for name, facts in fields.items() if "required" in facts} <= values.keys()
    for name, value in values.items():
        facts = fields[name]
        assert isinstance(value, list) is ("array" in facts), name
        for one in value if isinstance(value, list) else [value]:
            assert isinstance(one, int if facts["type"] == "long" else str), name
            assert one in facts.get("values", [one]), name
    if category := values.get("event.category"):
        assert {*values["event.type"]} <= {*fields["event.category"]["values"][category[0]]}


def test_ecs_facts_are_those_of_the_package() -> None:
    """The file is as the package of this version makes it; `nox -s sinks` asks npm."""
    if not (os.environ.get("CFEVENTS_POSTGRESQL") and shutil.which("npm") and shutil.which("node")):
        pytest.skip("'nox -s sinks' runs it, with npm")
    assert ecs_schema.stored() == ecs_schema.published(ECS_VERSION)


@cache
def ocsf_schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION))


@cache
def validator(class_uid: int) -> Draft202012Validator:
    name = ocsf_schema().lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(ocsf_schema().get_class_schema(class_name=name, profiles=["host"]))


@pytest.mark.once
@pytest.mark.parametrize("item", KINDS, ids=NAMES)
def test_ocsf_as_published(item: FollowedEvent[EventDetail]) -> None:
    """Each event is one of its class, with no other attribute, and the ids agree."""
    for event in ocsf_line(item), ocsf_line(FollowedEvent("c1", item.event.metadata)):
        validator(event["class_uid"]).validate(event)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert ("activity_name" in event) is (event["activity_id"] == 99)


def test_payload_in_ocsf() -> None:
    """A tunnel has its id; one of another type stays where it came from."""
    assert ocsf_line(followed("RekeyStart", {"tunnel_id": "t1"}))["tunnel_interface"] == {"uid": "t1"}
    odd = ocsf_line(followed("RekeyStart", {"tunnel_id": 7}))
    assert "tunnel_interface" not in odd
    assert odd["unmapped"]["event"]["tunnel_id"] == 7
    assert ocsf_line(followed("Init"))["app"]["version"] == "2025.1.0"


def rows(heading: str) -> list[list[str]]:
    """Return the rows of a table of the page, cell by cell, without the marks of code."""
    text = DOCS.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_kinds() -> None:
    """It has each documented kind, and what the events have."""
    table = rows("Kinds")
    assert [row[0] for row in table] == [*events.KINDS]
    assert _MEANINGS.keys() == events.KINDS.keys()
    for row in table:
        event, in_ocsf = ecs_line(followed(row[0]))["event"], ocsf_line(followed(row[0]))
        ids = str(in_ocsf["class_uid"]), str(in_ocsf["activity_id"])
        in_ecs = event["category"][0], event["type"][0], event.get("outcome", "")
        assert row[1:] == [event_severity(row[0]), *in_ecs, *ids], row[0]
        assert in_ocsf.get("status_id") == {"": None, "success": 1, "failure": 2}[row[4]]


def test_the_table_of_fields() -> None:
    """Where it names a field, there is our value."""
    item = FollowedEvent("c1", evolve(followed("StartUpgrade", {"url": "u"}).event, metadata=ODD), late=True)
    line, in_schema = followed_line(item), (ecs_line(item), ocsf_line(item))
    table = rows("Fields")
    assert [row[0] for row in table] == [*followed_line(KINDS[0]), "extra"]
    for ours, *cells in table:
        value = line[ours]
        derived = [value, [value], f"c1/{value}", value * 1000 if ours.endswith("_ts") else None]
        for event, cell in zip(in_schema, cells, strict=True):
            places = re.findall(r"(?:^|, |; )([@\w]+(?:\.\w+)*)(?=$|[,;])", cell)
            assert places, cell
            assert all(reduce(getitem, place.split("."), event) in derived for place in places), cell
