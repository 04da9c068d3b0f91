"""What a listing has delivered, as a small text, so that another process can go on after it."""

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

from attrs import asdict, frozen

from cfevents._validation import short_repr
from cfevents.errors import CheckpointError

EventKey: TypeAlias = tuple[int | float, int]
"""What identifies an event of one connector: when it was recorded, and its sequence number."""

_VERSION = 1


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in types


def _are_kinds(value: Any) -> bool:
    return value is None or all(type(each) is str for each in (value if type(value) is tuple else [value]))


def _are_keys(value: Any) -> bool:
    return type(value) is tuple and all(map(is_key, value))


def is_key(value: Any) -> bool:
    """Whether it is a `EventKey`."""
    if type(value) is not tuple or len(value) != 2:
        return False
    recorded, sequence = value
    return is_time(recorded) and type(sequence) is int


def is_time(value: Any) -> bool:
    """Whether it is a time as an event may have it, in seconds since the Unix epoch."""
    # Of an int that is too large for a float, isfinite could not tell.
    return isfinite(value) if type(value) is float else type(value) is int and -(2**63) <= value < 2**63


_RIGHT: Mapping[str, Callable[[Any], bool]] = {
    "connector_id": _is(str),
    "since": _is(int),
    "until": _is(int),
    "kind": _are_kinds,
    "cursor": _is(str, type(None)),
    "reached": _is(int, type(None)),
    "delivered": _are_keys,
    "finished": _is(bool),
    "account_id": _is(str, type(None)),
}
_NEEDED = {"connector_id", "since", "until"}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@frozen(repr=False)
class Checkpoint:
    """What a listing has delivered: give it to `Client.list_events`, and only what is missing is asked for.

    It stands on each page and on each error of a listing. `to_json` makes a line of text of it, to be kept; `from_json`
    reads that again. It belongs to its listing: the same connector, bounds and kinds have to be given with it::

        checkpoint = Checkpoint.from_json(text)
        client.list_events(checkpoint.connector_id, since=checkpoint.since, until=checkpoint.until,
                           kind=checkpoint.kind, checkpoint=checkpoint)
    """

    __module__ = "cfevents"

    connector_id: str
    """The listing's connector."""

    since: int
    """Its lower bound, in seconds since the Unix epoch."""

    until: int
    """Its upper bound, in seconds since the Unix epoch."""

    kind: str | tuple[str, ...] | None = None
    """The kind or kinds that it is limited to."""

    cursor: str | None = None
    """Cursor of the next page, where the listing follows one."""

    reached: int | None = None
    """Where a concurrent listing has come to, in seconds since the Unix epoch: what is earlier was delivered."""

    delivered: tuple[EventKey, ...] = ()
    """The events around ``reached`` that were delivered, and will be listed again."""

    finished: bool = False
    """Whether everything was delivered."""

    account_id: str | None = None
    """The connector's account."""

    def to_json(self) -> str:
        """Write it as JSON, in one line."""
        told = asdict(self, filter=lambda attribute, value: value != attribute.default)
        return json.dumps({"version": _VERSION, **told}, separators=(",", ":"))

    def __str__(self) -> str:
        return self.to_json()

    def __repr__(self) -> str:
        return f"<Checkpoint {self}>"

    @classmethod
    def from_json(cls, text: str) -> "Checkpoint":
        """Read what `to_json` wrote.

        Raises:
            CheckpointError: It is none, is damaged, or was made by a version of this library that is newer.
            TypeError: It is not text.
        """
        told = read_object(text, _VERSION)
        if not _NEEDED <= told.keys() <= _RIGHT.keys():
            raise CheckpointError(f"the checkpoint has other parts than it should: {short_repr(sorted(told))}")
        told = {name: _tuples(value) for name, value in told.items()}
        for name, value in told.items():
            if not _RIGHT[name](value):
                raise CheckpointError(f"the checkpoint's {name} is {short_repr(value)}: it is damaged")
        checkpoint = cls(**told)
        if checkpoint.reached is not None and not checkpoint.since <= checkpoint.reached <= checkpoint.until:
            raise CheckpointError("the checkpoint's reached lies outside its window: it is damaged")
        return checkpoint


def read_object(text: str, version: int) -> dict[str, Any]:
    """Read the JSON object that a checkpoint is written as, and take its version out.

    Raises:
        CheckpointError: It is none, or of another version.
        TypeError: It is not text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a checkpoint is read from text, not from {type(text).__name__}")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{short_repr(text)} is not a checkpoint: {error}") from None
    if not isinstance(told, dict):
        raise CheckpointError(f"{short_repr(text)} is not a checkpoint: an object was expected")
    if (theirs := told.pop("version", None)) != version:
        raise CheckpointError(
            f"the checkpoint is of version {short_repr(theirs)}; this version of cfevents reads {version}"
        )
    return told
