"""JSON to classes and back, by the one cattrs converter.

Strict about the identity of an event, tolerant about the rest: an undocumented field is kept in ``extra``; an optional
field of another type than documented is None, and its original value is kept there.
"""

import json
import logging
import math
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, TypeAlias, TypeVar, cast, get_args, get_origin, overload

import attrs
from cattrs import AttributeValidationNote, BaseValidationError, Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from cfevents._model.api import INT64, WIRE_NAMES, Connector, EventMetadata, Interrupt, Listing, RecordedEvent, whole
from cfevents._protocol.fast_path import listing_hook
from cfevents._secrets import hide
from cfevents.errors import APIResponseError, CodedMessage
from cfevents.events import KINDS, DocumentedEvent, Event, UnknownEvent

T = TypeVar("T")
_Hook: TypeAlias = Callable[[Any, Any], Any]

_KIND = "k"
_LARGE_ARRAY_ITEMS = 10_000
_MAX_VALUE_CHARS = 60  # of a value in a message
_STRUCTURED = (EventMetadata, RecordedEvent, Connector, Interrupt, CodedMessage, Event)

_log = logging.getLogger("cfevents")


@overload
def structure(raw: Any, cls: type[T]) -> T: ...
@overload
def structure(raw: Any, cls: UnionType) -> Event: ...
def structure(raw: Any, cls: Any) -> Any:
    """Return an instance of a class from the JSON that the API sends for it.

    Args:
        raw: A JSON value as ``json.loads`` returns it.
        cls: `EventMetadata`, `RecordedEvent`, `Connector`, `Interrupt`, `CodedMessage`, or `events.Event`, or a list
            of one.

    Raises:
        APIResponseError: The value is not of the documented shape; ``place`` says where.
        TypeError: The class is none of those.
    """
    if (get_args(cls)[0] if get_origin(cls) is list else cls) not in _STRUCTURED:
        raise TypeError(f"{cls!r} is none of the classes that JSON is structured into; for an event's, events.Event")
    return structure_at("", [*raw] if isinstance(raw, list) else raw, cls)


def structure_at(place: str, raw: Any, cls: type[T]) -> T:
    """Structure a value at a place in a larger response; raises as `structure` does."""
    result = structured_or_fault(place, raw, cls)
    if isinstance(result, APIResponseError):
        raise result
    return result


def structured_or_fault(place: str, raw: Any, cls: type[T]) -> T | APIResponseError:
    """Return the structured value, or the error to raise where no variable holds the value: a traceback shows those.

    The first fault ends the work: a response can hold a million. A large array in the value is empty afterwards.
    """
    try:
        return converter().structure(raw, cls)
    except _FAULTS as error:
        where, why = _first_fault(error)
        where = (place + where).removeprefix(".")
        return APIResponseError(f"{where or 'the value'}: {why}", place=where)


def unstructure(value: Any) -> Any:
    """Return the API's JSON for an instance, or a list of instances, of the classes of `structure`.

    Equal to the original as a JSON value: ``3.0`` may have become ``3``, a null optional field may be left out.
    Objects and arrays inside a payload are the instance's own, not copies.
    """
    return converter().unstructure(value)


def _wire_name(cls: type, attribute: str) -> str:
    return WIRE_NAMES.get(cls, {}).get(attribute, attribute)


def _exactly(cls: type, what: str) -> _Hook:
    """Return a hook that takes a JSON value of one type alone, and returns it unchanged."""

    def check_type(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            raise TypeError(f"{what} was expected, not {_json_repr(value)}")
        return value

    return check_type


_to_text = _exactly(str, "text")
_to_object = _exactly(dict, "an object")
_to_array = _exactly(list, "an array")


def _to_number(value: Any, _: Any) -> int | float:
    if type(value) not in (int, float):
        raise TypeError(f"a number was expected, not {_json_repr(value)}")
    number: int | float = whole(value)
    if isinstance(number, int) and number not in INT64:
        raise ValueError(f"a number of 64 bits was expected, not {_json_repr(value)}")
    if not math.isfinite(number):
        raise ValueError(f"a finite number was expected, not {_json_repr(value)}")
    return number


def _to_int(value: Any, _: Any) -> int:
    number = _to_number(value, _)
    if isinstance(number, float):
        raise ValueError(f"a whole number was expected, not {_json_repr(value)}")
    return number


class _KindError(ValueError):
    """A kind that is missing or not text."""


class _ItemError(ValueError):
    """The first item of an array that is not of its documented shape."""

    def __init__(self, index: int, fault: BaseException) -> None:
        super().__init__(index)
        self.index, self.fault = index, fault


_FAULTS = (BaseValidationError, KeyError, TypeError, ValueError, RecursionError)


def _event_hook(converter: Converter) -> _Hook:
    """Return the hook for ``e``: our own table by kind, which unknown kinds neither grow nor break."""

    def structure_event(raw: Any, _: Any) -> Event:
        if _KIND not in _to_object(raw, dict):
            raise _KindError("is missing")
        try:
            kind = _to_text(raw[_KIND], str)
        except TypeError as error:
            raise _KindError(str(error)) from None
        payload = {name: value for name, value in raw.items() if name != _KIND}
        if cls := KINDS.get(kind):
            return cast("Event", converter.get_structure_hook(cls)(payload, cls))
        return UnknownEvent(kind, payload)

    return structure_event


def _array_hook(cls: Any, converter: Converter) -> _Hook:
    """Return the hook for an array, which ends at the first fault: cattrs would make an error of each.

    A large array is emptied: both forms of it together would take more than ten times the size of the response.
    """
    make, element = get_origin(cls), get_args(cls)[0]
    hook = converter.get_structure_hook(element)

    def structure_array(raw: Any, _: Any) -> Any:
        items: list[Any] = []
        # cattrs takes any iterable here: an object would become the tuple of its names.
        array = _to_array(raw, list)
        is_large = len(array) > _LARGE_ARRAY_ITEMS
        try:
            for index, item in enumerate(array):
                items.append(hook(item, element))
                if is_large:
                    array[index] = None
        except _FAULTS as error:
            raise _ItemError(len(items), error) from None
        return items if make is list else make(items)

    return structure_array


def _tolerant(hook: _Hook, cls: type, name: str) -> _Hook:
    """Return a hook that returns None for what an optional attribute cannot hold."""

    def structure_or_none(value: Any, kind: Any) -> Any:
        try:
            return hook(value, kind)
        except (BaseValidationError, KeyError, TypeError, ValueError):
            _warn_once(cls, name)
            return None

    return structure_or_none


@cache
def _warn_once(cls: type, name: str) -> None:
    _log.warning("%s: %s is not of its documented type; it is None, its value is kept in extra", cls.__name__, name)


def _object_hook(cls: type, converter: Converter) -> _Hook:
    """Return the hook for a class whose ``extra`` takes the fields without an attribute of their own."""
    attributes = {_wire_name(cls, attribute.name): attribute for attribute in attrs.fields(attrs.resolve_types(cls))}
    del attributes["extra"]
    overrides = {attribute.name: _override(attribute, name, cls, converter) for name, attribute in attributes.items()}
    build: _Hook = make_dict_structure_fn(cls, converter, extra=override(omit=True), **overrides)

    def structure_object(raw: Any, _: Any) -> Any:
        instance = build(_to_object(raw, dict), cls)
        extra = {
            name: value
            for name, value in raw.items()
            if name not in attributes or (value is not None and getattr(instance, attributes[name].name) is None)
        }
        return attrs.evolve(instance, extra=extra) if extra else instance

    return structure_object


def _override(attribute: "attrs.Attribute[Any]", name: str, cls: type, converter: Converter) -> Any:
    if attribute.default is attrs.NOTHING or attribute.metadata.get("strict"):
        return override(rename=name)
    return override(rename=name, struct_hook=_tolerant(converter.get_structure_hook(attribute.type), cls, name))


def _object_unstructure_hook(cls: type, converter: Converter) -> Callable[[Any], dict[str, Any]]:
    """Return the hook that converts an instance to JSON, with its ``extra``, and its kind where it has one."""
    names: dict[str, Any] = {name: override(rename=_wire_name(cls, name)) for name in attrs.fields_dict(cls)}
    names["extra"] = override(omit=True)
    spread: Any = make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, **names)
    kind = {_KIND: cls.kind} if issubclass(cls, DocumentedEvent) else {}

    def unstructure_object(instance: Any) -> dict[str, Any]:
        known: dict[str, Any] = kind | spread(instance)
        extra: dict[str, Any] = instance.extra
        return known | extra | known

    return unstructure_object


def _unknown_event_json(event: UnknownEvent) -> dict[str, Any]:
    return {_KIND: event.kind} | event.payload | {_KIND: event.kind}


@cache
def converter() -> Converter:
    """Return the one converter, made when it is first needed, since importing has to be quick."""
    made = Converter(detailed_validation=True)
    made.register_structure_hook(str, _to_text)
    made.register_structure_hook(bool, _exactly(bool, "true or false"))
    made.register_structure_hook(int, _to_int)
    made.register_structure_hook(int | float, _to_number)
    made.register_structure_hook_factory(_is_array, _array_hook)
    made.register_structure_hook_factory(_keeps_extra, _object_hook)
    made.register_unstructure_hook_factory(_keeps_extra, _object_unstructure_hook)
    made.register_structure_hook(Event, _event_hook(made))
    made.register_structure_hook(Listing, listing_hook(WIRE_NAMES[EventMetadata], _object_hook(Listing, made)))
    made.register_unstructure_hook(Event, made.unstructure)
    made.register_unstructure_hook(UnknownEvent, _unknown_event_json)
    return made


def _keeps_extra(cls: Any) -> bool:
    return attrs.has(cls) and "extra" in attrs.fields_dict(cls)


def _is_array(cls: Any) -> bool:
    return get_origin(cls) in (list, tuple)


def _first_fault(error: BaseException) -> tuple[str, str]:
    """Return the place of the first fault in cattrs' error, and what was wrong there."""
    if isinstance(error, KeyError):
        return "", "is missing"
    if isinstance(error, _ItemError):
        where, why = _first_fault(error.fault)
        return f"[{error.index}]{where}", why
    if not isinstance(error, BaseValidationError):
        return f".{_KIND}" if isinstance(error, _KindError) else "", str(error)
    fault = error.exceptions[0]
    where, why = _first_fault(fault)
    for note in getattr(fault, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{_wire_name(error.cl, note.name)}{where}", why
    return where, why


def _json_repr(value: Any) -> str:
    """Return what a value is in JSON's terms, in one short line."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and value not in INT64:
        return "a longer one"
    # Masked first: a part of a secret is one too.
    text = json.dumps(hide(value)[:_MAX_VALUE_CHARS] if isinstance(value, str) else value, default=repr)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[: _MAX_VALUE_CHARS - 3]}..."
