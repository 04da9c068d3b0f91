"""An event of a listing is made at once, and is what the general way would make of it."""

import copy
import pickle
from functools import cache
from typing import Any

import attrs
import pytest
from cattrs import Converter
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.json_values import json_values

from cfevents import APIResponseError, EventMetadata, events
from cfevents._model.api import WIRE_NAMES, Listing
from cfevents._protocol import converter as wire
from cfevents._protocol.fast_path import OWN_TEXT, listing_hook

LETTERS = WIRE_NAMES[EventMetadata]
ITEM = {"k": "Init", "t": 1700000000, "n": 0, "a": 1700000003}
BOUNDS = [
    0,
    -1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    10**400,
    True,
    False,
    -0.0,
    3.0,
    1.5,
    -1e-300,
    5e-324,
    2.0**63,
]
numbers = st.sampled_from([*BOUNDS, 1e22, float("nan"), float("inf"), -float("inf")]) | st.integers() | st.floats()
names = st.sampled_from([*events.KINDS]) | st.text(max_size=3)
letters = st.fixed_dictionaries({}, optional={"k": names} | dict.fromkeys("tna", numbers | json_values))
nearly = st.builds(
    lambda changed, more: ITEM | changed | more,
    st.dictionaries(st.sampled_from("tna"), numbers, max_size=3),
    st.dictionaries(st.sampled_from(["k", "x", "extra", "kind", ""]), json_values, max_size=1),
)
items = letters | nearly


@cache
def general_way() -> Converter:
    """A converter that knows no other."""
    made = wire.converter.__wrapped__()
    made.register_structure_hook(Listing, wire._object_hook(Listing, made))
    return made


def structured_text(raw: Any, cls: type, converter: Converter) -> str:
    """What becomes of a value, to the last type and word."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "converter", lambda: converter)
        try:
            result: Any = wire.structure_at("result", raw, cls)
        except APIResponseError as error:
            return f"{error.place} {error}"
    return repr((result.items, result.cursor, result.count, result.extra) if cls is Listing else result)


def refused(raw: Any, _: Any) -> Any:
    raise AssertionError(f"{raw} went the general way")


@pytest.mark.once
@settings(max_examples=examples(1000))
@given(items | json_values)
@example(ITEM | {"t": -(2**70), "n": 2**70 - 1})
@example(ITEM | {"t": 2**70 - 1, "a": -(2**70)})
def test_any_event_is_the_same_by_both_decoders(raw: Any) -> None:
    """Both decoders give the same event, or the same error."""
    assert structured_text({"items": [raw]}, Listing, wire.converter()) == structured_text(
        {"items": [raw]}, Listing, general_way()
    )


@settings(max_examples=examples(300))
@given(st.lists(items | st.just(ITEM) | json_values, max_size=4), json_values)
def test_any_listing_is_the_same_by_both_decoders(raw: list[Any], cursor: Any) -> None:
    """Both decoders give the same listing, or an error at the same place."""
    result = {"items": raw, "cursor": cursor, "count": cursor}
    assert structured_text(result, Listing, wire.converter()) == structured_text(result, Listing, general_way())


@pytest.mark.parametrize("kind", ["Init", "NotYetDocumented"])
@pytest.mark.parametrize("number", [0, 1700000000, 2**63 - 1])
def test_an_event_as_documented_is_made_at_once(kind: str, number: int) -> None:
    hook = listing_hook(LETTERS, refused)
    (event,) = hook({"items": [{"k": kind, "t": number, "n": number, "a": number}]}, Listing).items
    assert repr(event) == repr(EventMetadata(kind, number, number, number))


def listed(*raw: Any) -> tuple[EventMetadata, ...]:
    return wire.structure_at("", {"items": [*raw]}, Listing).items


def test_an_event_made_at_once_is_like_any_other() -> None:
    for use in (
        hash,
        repr,
        attrs.asdict,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        lambda one: one.extra,
        structure_back,
    ):
        one, other = listed(ITEM, ITEM)
        made = EventMetadata("Init", 1700000000, 0, 1700000003)
        assert use(one) == use(made)
        assert one == other == made == pickle.loads(pickle.dumps(one)) == attrs.evolve(one)
        assert one.extra == {}
        assert one.extra is one.extra is not other.extra
    with pytest.raises(AttributeError):
        one.kind = "Leave"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="'EventMetadata' object has no attribute 'nothing'"):
        getattr(one, "nothing")  # noqa: B009


def structure_back(event: EventMetadata) -> Any:
    return wire.unstructure(event)


def test_the_kinds_of_a_listing_are_the_catalogues_own_text() -> None:
    (event,) = listed(ITEM | {"k": "".join(["In", "it"])})
    assert event.kind is OWN_TEXT["Init"] is events.Init.kind


def test_nothing_would_happen_in_the_init_that_is_passed_by() -> None:
    fields = attrs.fields_dict(EventMetadata)
    assert [*fields] == [*LETTERS, "extra"]
    assert not any(field.converter or field.validator for field in fields.values())
    assert not hasattr(EventMetadata, "__attrs_pre_init__")
    assert not hasattr(EventMetadata, "__attrs_post_init__")
