"""The watch: findings of connectors as they open, change and are over, while the connectors are followed."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import evolve, field, frozen

from cfevents._following.checkpoint import FollowCheckpoint, require_same_following
from cfevents._following.poll import ConnectorStatus
from cfevents._listing.stream_base import AsyncOnly
from cfevents._model.api import EventId
from cfevents._model.checkpoint import read_state
from cfevents._public import set_module
from cfevents._time import now
from cfevents.errors import CfEventsError, CheckpointError
from cfevents.operations.limits import AskedConnector, Limits
from cfevents.operations.rules import Finding
from cfevents.operations.watching import MARGIN_S, ConnectorWatch, FindingUpdate

if TYPE_CHECKING:
    from cfevents._following.follower import Batch, Follower

_WATCH_VERSION = 1
_LIST_INTERVAL_S = 600.0  # between two looks at the account's heartbeats
_FORGET_INTERVAL_S = 3600.0  # between two looks at connectors that left the account
_DAY_S = 86_400.0

_Findings: TypeAlias = tuple[tuple[Finding, ...], tuple[Finding, ...]]


@set_module("cfevents")
@frozen(eq=False, repr=False)
class WatchCheckpoint:
    """The findings that a watch has delivered and that are not over: `Follower.findings` goes on after them."""

    start: FollowCheckpoint
    """The account, the connectors, and when watching began."""

    findings: Mapping[str, _Findings] = field(factory=dict)
    """By connector the findings that were delivered, and those that were there before."""

    @property
    def account_id(self) -> str:
        """The account."""
        return self.start.account_id

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        findings = {
            name: [[finding.to_dict() for finding in findings] for findings in of_connector]
            for name, of_connector in self.findings.items()
        }
        state = {"version": _WATCH_VERSION, "following": self.start.to_json(), "findings": findings}
        return json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "WatchCheckpoint":
        """Parse the text that `to_json` returned.

        Raises:
            CheckpointError: The text is no checkpoint of a watch, is damaged, or is of a newer version of this library.
            TypeError: The argument is not text.
        """
        try:
            state = read_state(text, _WATCH_VERSION, _WatchState, partial=True, hooks=_HOOKS)
            return cls(FollowCheckpoint.from_json(state.following), state.findings)
        except ValueError as error:
            raise CheckpointError(f"invalid checkpoint, or not one of a watch: {error}") from None


@frozen
class _WatchState:
    following: str
    findings: Mapping[str, _Findings]


def _parse_event_id(text: str, _: Any) -> EventId:
    time, _, sequence = text.rpartition(".")
    return EventId(json.loads(time), int(sequence))  # a time such as 1e-05 has no point


def _parse_moment(text: str, _: Any) -> datetime:
    if (moment := datetime.fromisoformat(text)).utcoffset() is None:
        raise ValueError(f"{text} has no offset from UTC")
    return moment


_HOOKS = ((EventId, _parse_event_id), (datetime, _parse_moment))


@set_module("cfevents")
class Watch(AsyncOnly):
    """Findings of connectors as they open, change their severity and are over. Made by `Follower.findings`.

    Before anything is judged, the events of some days are read: they show what is usual. A connector is judged when a
    poll of it has ended, up to the beginning of that poll: of the time since, and while it cannot be read, nothing is
    known. Nothing is sent before it is iterated.
    """

    _advice = "use 'async for update in follower.findings()'"

    def __init__(self, follower: "Follower[Any]", limits: Limits) -> None:
        self._template, self._limits = follower, limits
        self._follower = follower  # the one that is read
        self._start, self._delivered = evolve(follower.checkpoint, connectors={}), 0  # findings
        self._findings: dict[str, _Findings] = {}
        self._options = follower._options
        self._kept_s = max(self._options.lookback + _DAY_S, now() - self._start.since) + MARGIN_S
        self._listed, self._list_at = dict[str, AskedConnector](), -1.0  # on the event loop's clock

    @property
    def checkpoint(self) -> WatchCheckpoint:
        """The state before the current finding: a watch that resumes from it delivers that one again."""
        return WatchCheckpoint(self._start, {**self._findings})

    @property
    def status(self) -> dict[str, ConnectorStatus]:
        """The state of each connector, by id."""
        return self._follower.status

    def _resume(self, checkpoint: WatchCheckpoint | str) -> None:
        """Go on after a checkpoint; raise CheckpointError for one of another watch."""
        if not isinstance(checkpoint, WatchCheckpoint):
            checkpoint = WatchCheckpoint.from_json(checkpoint)
        require_same_following(checkpoint.start, self._start, absolute=False)
        self._start, self._findings = checkpoint.start, {**checkpoint.findings}
        self._kept_s = self._options.lookback + _DAY_S + MARGIN_S

    async def __aiter__(self) -> AsyncGenerator[FindingUpdate, None]:
        """Yield finding by finding; raises as `Follower.batches` does."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for update in batch.items:
                    yield cast("FindingUpdate", update)

    async def batches(self) -> "AsyncGenerator[Batch[Any], None]":
        """Yield what is new of a connector, with the state after it; raises as `Follower.batches` does.

        Yields:
            Batches whose items are `cfevents.operations.FindingUpdate`, and whose checkpoint is a `WatchCheckpoint`.
        """
        watches = dict[str, ConnectorWatch]()
        begin, since, forget_at = int(now() - self._kept_s), float(self._start.since), 0.0
        self._follower = follower = self._template._with_poll_ends(begin)
        async with aclosing(follower._polls()) as polls:
            async for result, batch in polls:
                if result is None:  # a wrong clock had set where it begins
                    since, begin = since + batch.checkpoint.since - begin, batch.checkpoint.since
                    continue
                name = result.connector_id
                watch = watches[name] = watches.get(name) or self._new_watch(name, begin)
                watch.add(batch.items)
                if result.ended is None:
                    continue
                if result.ended >= forget_at:
                    forget_at = result.ended + _FORGET_INTERVAL_S
                    self._forget_gone(watches, result.ended)
                updates = watch.judge(await self._asked(name), result.ended, since)
                of_connector = (*watch.open,), (*watch.known,)
                if updates:
                    before = self.checkpoint
                    after = evolve(before, findings={**before.findings, name: of_connector})
                    fields: dict[str, Any] = {"items": tuple(updates), "checkpoint": after, "before": before}
                    yield evolve(batch, **fields)
                    self._delivered += len(updates)
                self._findings[name] = of_connector

    async def aclose(self) -> None:
        """End it: a loop that iterates it ends too."""
        await self._follower.aclose()

    def _new_watch(self, connector_id: str, begin: int) -> ConnectorWatch:
        watch = ConnectorWatch(connector_id, begin, self._kept_s, self._limits)
        if (findings := self._findings.get(connector_id)) is not None:
            watch.open, watch.known, watch.is_new = [*findings[0]], [*findings[1]], False
        return watch

    def _forget_gone(self, watches: dict[str, ConnectorWatch], moment: float) -> None:
        """Drop connectors that are followed no longer, once all that is known of them is older than what is kept."""
        for name in (watches.keys() | self._findings.keys()) - self._follower.status.keys():
            watch = watches.get(name) or self._new_watch(name, 0)
            if watch.newest_ts < moment - self._kept_s:
                watches.pop(name, None)
                self._findings.pop(name, None)

    async def _asked(self, connector_id: str) -> AskedConnector:
        """Return a connector as the account lists it now, with its heartbeat if that is known."""
        if asyncio.get_running_loop().time() >= self._list_at:
            self._list_at = asyncio.get_running_loop().time() + _LIST_INTERVAL_S
            connection = self._template._members.get_connection().without_retries()
            try:
                listed = (await connection.request(connection.endpoints.list_connectors())).result
                self._listed = {connector.id: AskedConnector.of(connector) for connector in listed}
            except CfEventsError:
                unknown: dict[str, Any] = {"last_heartbeat": None, "had_no_heartbeat": False}
                self._listed = {name: evolve(asked, **unknown) for name, asked in self._listed.items()}
        return self._listed.get(connector_id) or AskedConnector(connector_id)
