"""What following has delivered, as a text, so that another process can go on after it."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from cfevents._following.watermark import Watermark
from cfevents._model.checkpoint import Checkpoint, read_state
from cfevents._time import is_relative
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
        try:
            return read_state(text, _VERSION, cls)
        except ValueError as error:
            raise CheckpointError(f"invalid checkpoint, or not one of following: {error}") from None

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
