"""The event classes: the catalogue, and that nothing of an event is lost."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.json_values import json_values, same_json

from cfevents import CodedMessage, Connector, EventMetadata, RecordedEvent, events, structure, unstructure
from cfevents._protocol import converter

# Kinds of each edition of the API's documentation, by the number of the first that has them.
EDITIONS = {
    1: "Init Leave StartAttestation FinishAttestationSuccess FinishAttestationFailure StartRotateCryptKey "
    "FinishRotateCryptKeySuccess FinishRotateCryptKeyFailure StartRotatePki FinishRotatePkiSuccess "
    "FinishRotatePkiFailure StartUpgrade FinishUpgradeSuccess FinishUpgradeFailure Reconcile "
    "ConfigureCloudflaredTunnel",
    2: "RekeyInstallBoth RekeyStart RekeyAdvance RekeyComplete RekeyReset",
    3: "RekeyRestart BlessSlotSuccess BlessSlotPending BlessSlotFailure HaTransition HaError HaInit HaLeave",
}
CATALOGUE = " ".join(EDITIONS.values()).split()
whole = st.integers(-(2**63), 2**63 - 1)
numbers = whole | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
kinds = st.sampled_from(CATALOGUE) | st.text()
names = st.text() | st.sampled_from(["k", "url", "tunnel_id", "extra", "kind", "payload", "t", "n", "a", "v", "e"])
objects = st.dictionaries(names, json_values, max_size=6)


def test_the_catalogue_holds_the_documented_kinds_in_their_order() -> None:
    assert list(events.KINDS) == CATALOGUE
    assert all(cls.kind == name == cls.__name__ for name, cls in events.KINDS.items())
    assert set(get_args(events.Event)) == {*events.KINDS.values(), events.UnknownEvent}


def test_kind_has_description_and_payload() -> None:
    """A kind has its description, and its documented payload as fields."""
    assert events.StartUpgrade.description == "Started upgrade"
    assert events.StartUpgrade.__doc__ == "Started upgrade."
    assert all(cls.__doc__ == f"{cls.description}." for cls in events.KINDS.values())
    assert events.StartUpgrade(url="https://example.com/bundle").url == "https://example.com/bundle"
    assert events.RekeyReset(tunnel_id="t1").tunnel_id == "t1"


@settings(max_examples=examples(300))
@given(kind=st.sampled_from(CATALOGUE), payload=objects)
def test_documented_kind_round_trips_as_its_class(kind: str, payload: dict[str, Any]) -> None:
    """Every documented kind becomes its class with any payload, and gives the JSON back."""
    raw = payload | {"k": kind}
    event = structure(raw, events.Event)
    assert type(event) is events.KINDS[kind]
    assert same_json(raw, unstructure(event), nullable={"url", "tunnel_id"})


@given(kind=st.text().filter(lambda name: name not in CATALOGUE), payload=objects)
def test_an_unknown_kind_is_kept_whole(kind: str, payload: dict[str, Any]) -> None:
    raw = payload | {"k": kind}
    event = structure(raw, events.Event)
    assert type(event) is events.UnknownEvent
    assert event.kind == kind
    assert "k" not in event.payload
    assert unstructure(event) == raw


@given(item=st.fixed_dictionaries({"k": kinds, "t": numbers, "n": whole, "a": numbers}), more=objects)
def test_a_listed_event_gives_back_the_json_it_came_from(item: dict[str, Any], more: dict[str, Any]) -> None:
    raw = more | item
    event = structure(raw, EventMetadata)
    assert same_json(raw, unstructure(event))
    assert structure(unstructure(event), EventMetadata) == event


@given(
    recorded=st.fixed_dictionaries(
        {"e": st.builds(lambda kind, more: more | {"k": kind}, kinds, objects), "t": numbers, "n": whole},
        optional={"v": st.none() | st.text() | json_values},
    ),
    more=objects,
)
def test_a_recorded_event_gives_back_the_json_it_came_from(recorded: dict[str, Any], more: dict[str, Any]) -> None:
    raw = more | recorded
    event = structure(raw, RecordedEvent)
    assert same_json(raw, unstructure(event), nullable={"v", "url", "tunnel_id"})
    assert structure(unstructure(event), RecordedEvent) == event


@given(more=objects)
def test_a_connector_gives_back_the_json_it_came_from(more: dict[str, Any]) -> None:
    raw = more | {"id": "c1", "device": {"id": "d1", "rack": 7}, "interrupt_window_hour_of_day": 3}
    connector = structure(raw, Connector)
    assert connector.id == "c1"
    assert connector.extra["interrupt_window_hour_of_day"] == 3
    assert same_json(raw, unstructure(connector))


@given(more=objects)
def test_a_coded_message_gives_back_the_json_it_came_from(more: dict[str, Any]) -> None:
    raw = {"code": 1000, "message": "no", "documentation_url": "https://example.com"} | more
    assert same_json(raw, unstructure(structure(raw, CodedMessage)), nullable={"code", "message"})


def test_mistyped_field_is_kept_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A documented field of another type is None, kept in `extra`, and logged once."""
    raw = {"k": "StartUpgrade", "url": 5}
    for _ in range(3):
        event = structure(raw, events.Event)
        assert event == events.StartUpgrade(url=None, extra={"url": 5})
    structure({"k": "RekeyStart", "tunnel_id": ["x"]}, events.Event)
    assert [record.getMessage().split(" is not")[0] for record in caplog.records] == [
        "StartUpgrade: url",
        "RekeyStart: tunnel_id",
    ]


@pytest.mark.parametrize("cls", [events.Init, events.StartUpgrade, events.UnknownEvent, events.DocumentedEvent])
def test_kind_decides_the_class(cls: Any) -> None:
    """An event becomes the class of its kind; no other class can be requested."""
    with pytest.raises(TypeError, match=r"for an event's, events\.Event"):
        structure({"k": "Init"}, cls)


def test_lists_are_structured_and_back() -> None:
    raw = [{"k": "Init", "t": 1, "n": 0, "a": 2}]
    result = structure(raw, list[EventMetadata])
    assert result == [EventMetadata("Init", 1, 0, 2)]
    assert unstructure(result) == raw


def test_unknown_kinds_leave_nothing_behind_in_the_converter() -> None:
    table = converter.converter()._structure_func._function_dispatch._handler_pairs
    before = len(table)
    for number in range(1000):
        structure({"k": f"Kind{number}"}, events.Event)
    assert len(table) == before


def test_extra_counts_for_equality_only() -> None:
    """`extra` and `payload` take part in equality, but not in the hash."""
    plain, more = events.Init(), events.Init(extra={"x": [1]})
    assert plain != more
    assert hash(plain) == hash(more)
    assert hash(events.UnknownEvent("X", {"x": [1]})) == hash(events.UnknownEvent("X"))
    assert {EventMetadata("Init", 1, 0, 1, extra={"x": {}}): True}


def test_events_match_by_class_and_field() -> None:
    def sample(event: events.Event) -> str:
        match event:
            case events.StartUpgrade(url=url):
                return f"upgrade {url}"
            case events.RekeyStart(tunnel_id=tunnel):
                return f"rekey {tunnel}"
            case events.UnknownEvent(kind=kind, payload=payload):
                return f"{kind} {payload}"
            case _:
                return event.description

    assert sample(events.StartUpgrade(url="u")) == "upgrade u"
    assert sample(events.RekeyStart(tunnel_id="t")) == "rekey t"
    assert sample(events.UnknownEvent("New", {"x": 1})) == "New {'x': 1}"
    assert sample(events.Init()) == "Initialized process"


def test_events_are_frozen() -> None:
    with pytest.raises(AttributeError):
        events.StartUpgrade().url = "x"  # type: ignore[misc]


def test_extra_does_not_replace_fields() -> None:
    """A field is not replaced by an extra of its wire name."""
    event = EventMetadata("Init", 1, 0, 2, extra={"k": "Leave", "t": 9, "more": 5})
    assert unstructure(event) == {"k": "Init", "t": 1, "n": 0, "a": 2, "more": 5}
    assert unstructure(events.UnknownEvent("New", {"k": "Init", "x": 1})) == {"k": "New", "x": 1}
