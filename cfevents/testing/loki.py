"""A local Grafana Loki, which takes and refuses pushes as its documentation says."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiohttp import web

from cfevents._public import set_module
from cfevents.testing.receivers import EventReceiver, ReceiverAnswer

_SECOND_NS = 10**9
_LABEL_NAME = "[a-zA-Z_][a-zA-Z0-9_]{,1023}"
_MAX_LABELS, _MAX_LABEL_CHARS = 15, 2048


class LokiEntry(NamedTuple):
    """An entry of a stream."""

    labels: str  # JSON
    time_ns: int
    line: str
    metadata: dict[str, str]

    @property
    def recorded(self) -> float:
        """Its time in seconds since the Unix epoch."""
        return self.time_ns / _SECOND_NS


@set_module("cfevents.testing")
class LokiReceiver(EventReceiver):
    """The push API of Grafana Loki. It stores the valid entries of a push also where it answers 400 for others.

    Other attributes have the names and defaults of Loki's configuration.

    Attributes:
        entries: The entries that are stored; ``events`` has their lines as JSON.
        present: The time by which entries are too old or too new, in seconds since the Unix epoch; None for the clock.
        tenant: The ``X-Scope-OrgID`` that it wants; empty for none.
        is_blocked: Whether the tenant is blocked.
    """

    tenant, is_blocked, block_ingestion_status_code = "", False, 260
    reject_old_samples_max_age_s, creation_grace_period_s, max_chunk_age_s = 604_800, 600, 7_200
    max_line_size, max_structured_metadata_size, allow_structured_metadata = 262_144, 65_536, True

    def __init__(self, *, present: float | None = None, max_bytes: int = 104_857_600) -> None:
        super().__init__(max_bytes=max_bytes)
        self.entries: list[LokiEntry] = []
        self.present = present
        self._last, self._newest = dict[str, LokiEntry](), dict[str, float]()

    def receive(self, request: web.Request, body: bytes) -> ReceiverAnswer:
        """Return the answer, and store the entries that are valid."""
        if refusal := self._refusal(request):
            return refusal
        try:
            if request.content_type != "application/json":
                raise ValueError("snappy: corrupt input")
            pushed = [entry for stream in json.loads(body)["streams"] for entry in _entries(stream)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, f"couldn't parse push request: {error}"
        if not pushed:
            return 422, "error at least one valid stream is required for ingestion"
        if self.is_blocked:
            return self.block_ingestion_status_code, "ingestion blocked for user 'fake' until '2099-01-01T00:00:00Z'"
        faults = [self._fault(entry) for entry in pushed]
        ignored = self._ingest([entry for entry, fault in zip(pushed, faults, strict=True) if not fault])
        counts = Counter(filter(None, faults))
        grouped = "; ".join(f"{count} errors like: {fault}" for fault, count in counts.items())
        text = ignored or (grouped if counts.total() > 1 else grouped.removeprefix("1 errors like: "))
        return (400, text) if text else (204, "")

    def _refusal(self, request: web.Request) -> ReceiverAnswer | None:
        """Return the refusal of what is not for this receiver, or not with its credentials."""
        if not request.path.endswith("/loki/api/v1/push"):
            return 404, "404 page not found"
        if request.headers.get("Authorization", f"Bearer {self.token}") != f"Bearer {self.token}":
            return 401, "invalid token"
        return (401, "no org id") if request.headers.get("X-Scope-OrgID", "") != self.tenant else None

    def _fault(self, entry: LokiEntry) -> str:
        """Return why an entry is refused, whatever else its stream has."""
        stream, labels, at = f"stream '{entry.labels}'", json.loads(entry.labels), _rfc3339(entry.recorded)
        present = time.time() if self.present is None else self.present
        oldest, newest = present - self.reject_old_samples_max_age_s, present + self.creation_grace_period_s
        too_old = f"has timestamp too old: {at}, oldest acceptable timestamp is: {_rfc3339(oldest)}"
        line, size = len(entry.line.encode()), sum(len(text) for pair in entry.metadata.items() for text in pair)
        faults = (
            (len(labels) > _MAX_LABELS, f"entry for {stream} has {len(labels)} label names; limit {_MAX_LABELS}"),
            (max(map(len, labels.values())) > _MAX_LABEL_CHARS, f"{stream} has label value too long"),
            (entry.recorded < oldest, f"entry for {stream} {too_old}"),
            (entry.recorded > newest, f"entry for {stream} has timestamp too new: {at}"),
            (line > self.max_line_size, f"max entry size '{self.max_line_size}' bytes exceeded for {stream}"),
            (
                size and not self.allow_structured_metadata,
                f"{stream} includes disallowed structured metadata",
            ),
            (self.refuses(json.loads(entry.line)) is not None, f"entry for {stream} is refused"),
            (size > self.max_structured_metadata_size, f"{stream} has structured metadata too large: '{size}' bytes"),
        )
        return next((text for is_so, text in faults if is_so), "")

    def _ingest(self, entries: list[LokiEntry]) -> str:
        """Store entries, and return what is said of those that are too far behind the newest of their stream."""
        ignored = list[str]()
        for entry in entries:
            newest = self._newest.get(entry.labels, entry.recorded)
            if entry == self._last.get(entry.labels):
                continue
            if entry.recorded < (oldest := newest - self.max_chunk_age_s / 2):
                text = f"{_rfc3339(entry.recorded)}, oldest acceptable timestamp is: {_rfc3339(oldest)}"
                reason = f"entry too far behind, entry timestamp is: {text}"
                ignored.append(f"entry with timestamp {_rfc3339(entry.recorded)} ignored, reason: '{reason}',\n")
                continue
            self._last[entry.labels], self._newest[entry.labels] = entry, max(newest, entry.recorded)
            self.entries.append(entry)
            self.events.append(json.loads(entry.line))
        total = f"user 'fake', total ignored: {len(ignored)} out of {len(entries)} for stream: "
        return f"{''.join(ignored[:10])}{total}{entries[0].labels}" if ignored else ""


def _entries(stream: dict[str, Any]) -> Iterator[LokiEntry]:
    """Yield the entries of a stream; ValueError where they are not as documented."""
    labels = stream["stream"]
    if not labels or not all(re.fullmatch(_LABEL_NAME, name) for name in labels):
        raise ValueError("error at least one label pair is required per stream, and a name of letters, digits and _")
    for time_ns, line, *metadata in stream["values"]:
        texts = [*labels.values(), *(metadata[0].values() if metadata else ()), line, time_ns]
        if not all(isinstance(text, str) and text.encode() is not None for text in texts):
            raise ValueError("values, times and structured metadata must be text")  # half of a surrogate pair is none
        if int(time_ns) not in range(-(2**63), 2**63):
            raise ValueError("the time is no integer of 64 bits")
        yield LokiEntry(json.dumps(labels), int(time_ns), line, *metadata or [{}])


def _rfc3339(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        return "2262-04-11T23:47:16Z"
