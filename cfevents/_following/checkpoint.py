"""The state of a follower, as text that another process can resume from."""

import json
from collections.abc import Mapping, Set

from attrs import evolve, field, frozen

from cfevents._following.watermark import Watermark
from cfevents._model.checkpoint import Checkpoint, read_state
from cfevents._public import set_module
from cfevents.errors import CheckpointError

_FOLLOW_VERSION = 1
_RESUME_ADVICE = {
    "account_id": "use a client of that account",
    "connector_ids": "None is all of the account; resume with the same, and follow others with another checkpoint",
    "kind": "resume with the same kinds; checkpoint.kind has them",
    "since": "leave since out, or write a duration such as '6h', which counts the first time alone",
}


@set_module("cfevents")
@frozen(eq=False, repr=False)
class FollowCheckpoint:
    """The events that a follower has delivered: `Client.follow_events` resumes after them.

    The checkpoint of a batch is the state after it: store both in one transaction, and each event is stored once.
    `Follower.checkpoint` is the state before the current event: a program that stores it gets that event again, and
    loses none. A checkpoint belongs to its account, connectors and kinds: resume with the same.
    """

    account_id: str
    """The account."""

    connector_ids: tuple[str, ...] | None
    """The connectors; None for all of the account."""

    kind: str | tuple[str, ...] | None
    """The kind or kinds that following is limited to."""

    since: int
    """Events recorded earlier are not delivered, in seconds since the Unix epoch."""

    connectors: Mapping[str, Watermark] = field(factory=dict)
    """The watermark of each connector."""

    dropped_until: int | None = None
    """Connectors that left the account long ago are dropped; none of them had an event from then on."""

    def of(self, connector_id: str) -> Watermark:
        """Return a connector's watermark; a new one begins at ``since``, and after all that were dropped."""
        begin = self.since if self.dropped_until is None else max(self.since, self.dropped_until)
        return self.connectors.get(connector_id) or Watermark(begin)

    def with_connector(self, connector_id: str, mark: Watermark) -> "FollowCheckpoint":
        """Return the same state but for one connector."""
        return evolve(self, connectors={**self.connectors, connector_id: mark})

    def without(self, connector_ids: Set[str]) -> "FollowCheckpoint":
        """Return the same state without some connectors."""
        if not (gone := self.connectors.keys() & connector_ids):
            return self
        until = max(self.connectors[connector_id].complete_from for connector_id in gone)
        kept = {connector_id: mark for connector_id, mark in self.connectors.items() if connector_id not in gone}
        return evolve(self, connectors=kept, dropped_until=max(until, self.dropped_until or until))

    def to_json(self) -> str:
        """Return the state as one line of JSON."""
        state = {
            "version": _FOLLOW_VERSION,
            "account_id": self.account_id,
            "connector_ids": self.connector_ids,
            "kind": self.kind,
            "since": self.since,
            "dropped_until": self.dropped_until,
            "connectors": {connector_id: mark.to_dict() for connector_id, mark in self.connectors.items()},
        }
        return json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FollowCheckpoint":
        """Parse the text that `to_json` returned.

        Raises:
            CheckpointError: The text is no checkpoint of a follower, is damaged, or is of a newer version of this
                library.
            TypeError: The argument is not text.
        """
        try:
            return read_state(text, _FOLLOW_VERSION, cls)
        except ValueError as error:
            raise CheckpointError(f"invalid checkpoint, or not one of following: {error}") from None

    def __str__(self) -> str:
        return self.to_json()

    def __repr__(self) -> str:
        return f"<FollowCheckpoint of {len(self.connectors)} connectors since={self.since}>"


def require_same_following(
    checkpoint: FollowCheckpoint | str, start: FollowCheckpoint, *, absolute: bool
) -> FollowCheckpoint:
    """Return a checkpoint, parsed, or raise CheckpointError if it is not of what begins at ``start``."""
    if isinstance(checkpoint, Checkpoint):
        raise CheckpointError("the checkpoint is of a listing: resume it with list_events")
    if not isinstance(checkpoint, FollowCheckpoint):
        checkpoint = FollowCheckpoint.from_json(checkpoint)
    for name, advice in _RESUME_ADVICE.items():
        theirs, ours = getattr(checkpoint, name), getattr(start, name)
        if theirs != ours and (name != "since" or absolute):
            message = f"the checkpoint belongs to another follower: its {name} is {theirs!r}, not {ours!r}; {advice}"
            raise CheckpointError(message, mismatch=(name, theirs, ours))
    return checkpoint
