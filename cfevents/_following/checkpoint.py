"""What following has delivered, as a text, so that another process can go on after it."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from cfevents._following.watermark import Watermark
from cfevents._model.checkpoint import Checkpoint, EventKey, is_key, is_time, read_object
from cfevents._time import is_relative
from cfevents._validation import short_repr
from cfevents.errors import CheckpointError

_VERSION = 1
_ADVICE = {
    "account_id": "it goes on with a client of that account",
    "connector_ids": "None is client.fleet(), all of the account; one that is new is followed by a follower of its own",
    "kind": "write kind=checkpoint.kind",
    "since": "leave since out, or write '6h', which counts the first time alone",
}


@frozen(eq=False, repr=False)
class FollowCheckpoint:
    """What following has delivered: give it to `Client.follow_events`, and it goes on from there.

    A batch's is the state after it: store both in one transaction, and each event is stored once. `Follower.checkpoint`
    is the state before the present event: whoever stores it gets that event again, and none is lost. It belongs to its
    account, connectors and kinds, which have to be given with it.
    """

    __module__ = "cfevents"

    account_id: str
    """The account."""

    connector_ids: tuple[str, ...] | None
    """The connectors; None for all of the account."""

    kind: str | tuple[str, ...] | None
    """The kind or kinds that it is limited to."""

    since: int
    """What was recorded before is not delivered, in seconds since the Unix epoch."""

    connectors: Mapping[str, Watermark] = field(factory=dict)
    """How far each connector is followed."""

    def of(self, connector_id: str) -> Watermark:
        """Say how far a connector is followed; one that is new is followed from the beginning."""
        return self.connectors.get(connector_id) or Watermark(self.since)

    def with_connector(self, connector_id: str, mark: Watermark) -> "FollowCheckpoint":
        """Say the same, but for one connector that has gone on."""
        return evolve(self, connectors={**self.connectors, connector_id: mark})

    def to_json(self) -> str:
        """Write it as JSON, in one line."""
        told = {
            "version": _VERSION,
            "account_id": self.account_id,
            "connector_ids": self.connector_ids,
            "kind": self.kind,
            "since": self.since,
            "connectors": {connector_id: _written(mark) for connector_id, mark in self.connectors.items()},
        }
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FollowCheckpoint":
        """Read what `to_json` wrote.

        Raises:
            CheckpointError: It is none, is damaged, or was written by a version of this library that is newer.
            TypeError: It is not text.
        """
        told = read_object(text, _VERSION)
        try:
            ids, kind = told.pop("connector_ids"), told.pop("kind")
            checkpoint = cls(
                account_id=_checked(told.pop("account_id"), str),
                connector_ids=None if ids is None else _texts(ids),
                kind=_texts(kind) if isinstance(kind, list) else _checked(kind, str, type(None)),
                since=_second(told.pop("since")),
                connectors={
                    connector_id: _read(mark) for connector_id, mark in _checked(told.pop("connectors"), dict).items()
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint is damaged, or of something else than following: {error}") from None
        if told:
            raise CheckpointError(f"the checkpoint has parts that it should not have: {short_repr(sorted(told))}")
        return checkpoint

    def __str__(self) -> str:
        return self.to_json()

    def __repr__(self) -> str:
        return f"<FollowCheckpoint of {len(self.connectors)} connectors since={self.since}>"


def resumed(asked: FollowCheckpoint, checkpoint: FollowCheckpoint | str, since: object) -> FollowCheckpoint:
    """Take the checkpoint, if it is of what is asked for; ``since`` as the caller wrote it may mean another time now.

    Raises:
        CheckpointError: It is not.
    """
    if isinstance(checkpoint, Checkpoint):
        raise CheckpointError("the checkpoint is of a listing: it goes on with list_events")
    if not isinstance(checkpoint, FollowCheckpoint):
        checkpoint = FollowCheckpoint.from_json(checkpoint)
    absolute = since is not None and not is_relative(since)
    for name in ["account_id", "connector_ids", "kind"] + ["since"] * absolute:
        theirs, ours = getattr(checkpoint, name), getattr(asked, name)
        if theirs != ours:
            told = f"the checkpoint is of following something else: there {name} is {theirs!r}, here {ours!r}"
            raise CheckpointError(f"{told}; {_ADVICE[name]}")
    return checkpoint


def _written(mark: Watermark) -> dict[str, Any]:
    # One flat array: it is the longest part by far.
    flat = [part for key in sorted(mark.delivered) for part in key]
    return {"since": mark.since, "newest": mark.newest, "reached": mark.reached, "delivered": flat}


def _read(told: Any) -> Watermark:
    parts = _checked(told, dict)
    if parts.keys() != {"since", "newest", "reached", "delivered"}:
        raise ValueError(f"a connector has {short_repr(sorted(parts))}")
    flat = _checked(parts["delivered"], list)
    keys: list[EventKey] = list(zip(flat[::2], flat[1::2], strict=True))
    times = [_second(parts["since"]), *(parts[name] for name in ("newest", "reached") if parts[name] is not None)]
    if not (all(map(is_time, times)) and all(map(is_key, keys))):
        raise ValueError("a time or an event's key is out of range")
    return Watermark(parts["since"], parts["newest"], parts["reached"], dict.fromkeys(keys))


def _second(value: Any) -> int:
    if not is_time(_checked(value, int)):
        raise ValueError(f"{short_repr(value)} is no time")
    return int(value)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_checked(each, str) for each in _checked(value, list))


def _checked(value: Any, *types: type) -> Any:
    if type(value) not in types:
        raise TypeError(f"{short_repr(value)} is not of the right type")
    return value
