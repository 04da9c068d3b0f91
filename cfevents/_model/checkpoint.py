"""Where a listing stands, as text that another process can resume from; and the strict reader of saved state."""

import functools
import json
import operator
from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NewType, TypeAlias, TypeVar, cast

from attrs import NOTHING, asdict, fields, frozen, has

from cfevents._public import set_module
from cfevents._secrets import hide
from cfevents._validation import short_repr
from cfevents.errors import CheckpointError

if TYPE_CHECKING:
    from cattrs import Converter

S = TypeVar("S")

# The key of an event of one connector: its recording time, and its sequence number.
FileNumber = NewType("FileNumber", int)
"""The number of a device or an inode, which some file systems give 128 bits."""

EventKey: TypeAlias = tuple[int | float, int]
StateHooks: TypeAlias = tuple[tuple[type, Callable[[Any, Any], Any]], ...]

_LISTING_VERSION = 1
_MAX_REASON_CHARS = 300


@set_module("cfevents")
@frozen(repr=False)
class Checkpoint:
    """The part of a listing that was delivered: `Client.list_events` resumes after it and lists only the rest.

    Every page and every error of a listing has one. `to_json` converts it to a line of text, `from_json` parses that.
    A checkpoint belongs to its listing: resume with the same connector, bounds and kinds::

        checkpoint = Checkpoint.from_json(text)
        client.list_events(checkpoint.connector_id, since=checkpoint.since, until=checkpoint.until,
                           kind=checkpoint.kind, checkpoint=checkpoint)
    """

    connector_id: str
    """The listing's connector."""

    since: int
    """The lower bound, in seconds since the Unix epoch."""

    until: int
    """The upper bound, in seconds since the Unix epoch."""

    kind: str | tuple[str, ...] | None = None
    """The kind or kinds that the listing is limited to."""

    cursor: str | None = None
    """Cursor of the next page, where the listing follows one."""

    reached: int | None = None
    """The progress of a concurrent listing, in seconds since the Unix epoch: everything earlier was delivered."""

    delivered: tuple[EventKey, ...] = ()
    """The events around ``reached`` that were delivered, and will be listed again."""

    finished: bool = False
    """Whether everything was delivered."""

    account_id: str | None = None
    """The connector's account."""

    def to_json(self) -> str:
        """Return the checkpoint as one line of JSON. Fields at their default are left out."""
        state = asdict(self, filter=lambda attribute, value: value != attribute.default)
        return json.dumps({"version": _LISTING_VERSION, **state}, separators=(",", ":"))

    def __str__(self) -> str:
        return self.to_json()

    def __repr__(self) -> str:
        return f"<Checkpoint {hide(str(self))}>"

    @classmethod
    def from_json(cls, text: str) -> "Checkpoint":
        """Parse the text that `to_json` returned.

        Raises:
            CheckpointError: The text is no checkpoint, is damaged, or is of a newer version of this library.
            TypeError: The argument is not text.
        """
        try:
            checkpoint = read_state(text, _LISTING_VERSION, cls, partial=True)
        except ValueError as error:
            raise CheckpointError(f"invalid checkpoint: {error}") from None
        if checkpoint.reached is not None and not checkpoint.since <= checkpoint.reached <= checkpoint.until:
            raise CheckpointError("invalid checkpoint: reached lies outside its window")
        return checkpoint


def read_state(text: str, version: int, cls: type[S], *, partial: bool = False, hooks: StateHooks = ()) -> S:
    """Parse saved state: a JSON object with the fields of an attrs class, and its ``version``.

    Nothing is converted and nothing is ignored: each value has exactly the type of its field. If the state is
    ``partial``, fields that have a default may be missing. Hooks parse types of which JSON has none.

    Raises:
        TypeError: The argument is not text.
        ValueError: It is something else; the one line ends with the place, as in ``expected int, not '5' @ $.since``.
    """
    if not isinstance(text, str):
        raise TypeError(f"a checkpoint must be text, not {type(text).__name__}")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{short_repr(text)} is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{short_repr(text)} is not a JSON object")
    if (written := raw.pop("version", None)) != version:
        raise ValueError(f"version {short_repr(written)} is unknown; this version of cfevents reads {version}")
    return structure_state(raw, cls, partial=partial, hooks=hooks)


def structure_state(raw: object, cls: type[S], *, partial: bool = False, hooks: StateHooks = ()) -> S:
    """Convert parsed JSON to an attrs class as strictly as `read_state` does; same arguments and errors."""
    from cattrs import transform_error  # noqa: PLC0415 - most programs read no state

    try:
        return _strict_converter(partial, hooks).structure(raw, cls)
    except Exception as error:  # cattrs collects whatever a hook raises
        reason, *_ = transform_error(error, format_exception=lambda error, _: str(error))
        raise ValueError(reason[:_MAX_REASON_CHARS]) from None


@functools.cache
def _strict_converter(partial: bool, hooks: StateHooks) -> "Converter":
    from cattrs import Converter  # noqa: PLC0415 - as above

    converter = Converter()
    converter.register_structure_hook(str, _require_type)
    converter.register_structure_hook(bool, _require_type)
    converter.register_structure_hook(int, _integer)
    for field_type, hook in _HOOKS.items():
        converter.register_structure_hook_func(functools.partial(operator.eq, field_type), hook)
    for field_type, hook in hooks:
        converter.register_structure_hook(field_type, hook)
    converter.register_structure_hook_factory(has, lambda cls: _object_hook(cls, converter, partial))
    return converter


def _object_hook(cls: Any, converter: "Converter", partial: bool) -> Callable[[Any, Any], Any]:
    from cattrs.gen import make_dict_structure_fn  # noqa: PLC0415 - as above

    structure = make_dict_structure_fn(cls, converter)
    names = {field.name for field in fields(cls)}
    needed = {field.name for field in fields(cls) if field.default is NOTHING or not partial}

    def structure_object(raw: Any, _: Any) -> Any:
        if wrong := (_require_type(raw, dict).keys() - names) | (needed - raw.keys()):
            raise ValueError(f"unexpected or missing fields {short_repr(sorted(wrong))}")
        return structure(raw, cls)

    return structure_object


def _require_type(raw: Any, cls: type[S]) -> S:
    if type(raw) is not cls:
        raise TypeError(f"expected {cls.__name__}, not {short_repr(raw)}")
    return raw


def _integer(raw: Any, _: Any, max_bits: int = 63) -> int:
    if not -(2**max_bits) <= _require_type(raw, int) < 2**max_bits:
        raise ValueError(f"expected a smaller number than {short_repr(raw)}")
    return cast("int", raw)


def _event_time(raw: Any, _: Any = None) -> int | float:
    # isfinite takes no int that is too large for a float.
    if not (isfinite(raw) if type(raw) is float else -(2**63) <= _require_type(raw, int) < 2**63):
        raise ValueError(f"expected the time of an event, not {short_repr(raw)}")
    return cast("int | float", raw)


def _texts(raw: Any, _: Any = None) -> tuple[str, ...]:
    return tuple(_require_type(text, str) for text in _require_type(raw, list))


def _event_key(raw: Any) -> EventKey:
    recorded_ts, sequence = _require_type(raw, list)
    return _event_time(recorded_ts), _require_type(sequence, int)


def _flat_event_keys(raw: Any, _: Any) -> dict[EventKey, None]:
    flat = _require_type(raw, list)  # a time and a sequence number by turns
    return dict.fromkeys(_event_key([*pair]) for pair in zip(flat[::2], flat[1::2], strict=True))


def _kinds(raw: Any, _: Any) -> str | tuple[str, ...] | None:
    return None if raw is None else _texts(raw) if type(raw) is list else _require_type(raw, str)


_HOOKS: dict[Any, Callable[[Any, Any], Any]] = {
    FileNumber: functools.partial(_integer, max_bits=128),
    int | float | None: lambda raw, _: None if raw is None else _event_time(raw),
    str | tuple[str, ...] | None: _kinds,
    tuple[str, ...]: _texts,
    tuple[EventKey, ...]: lambda raw, _: tuple(map(_event_key, _require_type(raw, list))),
    Mapping[EventKey, None]: _flat_event_keys,
}
