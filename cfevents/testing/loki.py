"""A local Grafana Loki, which takes and refuses pushes as its documentation says."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

_SECOND_NS = 10**9


class LokiEntry(NamedTuple):
    """An entry of a stream."""

    labels: str
    time_ns: int
    line: str
    metadata: dict[str, str]


class LocalLoki:
    """The push API of Grafana Loki. Its limits are attributes, with the names and defaults of Loki's configuration.

    It stores the valid entries of a push also where it answers 400 for others.
    """

    auth_enabled = False
    reject_old_samples_max_age_s = 7 * 86_400
    creation_grace_period_s = 600
    max_chunk_age_s = 7_200
    max_line_size = 262_144
    max_structured_metadata_size = 65_536
    allow_structured_metadata = True
    ingestion_is_blocked = False
    block_ingestion_status_code = 260

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Set the clock by which entries are old or new."""
        self.entries = list[LokiEntry]()
        self.refusals_for_rate = 0
        """The number of pushes that are yet to exceed the rate limit."""
        self._now, self._last, self._newest_ns = now, dict[str, LokiEntry](), Counter[str]()

    def answer(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Return status and text for a ``POST`` to ``/loki/api/v1/push``; headers have names in lower case."""
        if self.auth_enabled and not headers.get("x-scope-orgid"):
            return 401, "no org id"
        try:
            if headers["content-type"] != "application/json":
                raise ValueError("snappy: corrupt input")
            pushed = [entry for stream in json.loads(body)["streams"] for entry in _loki_entries(stream)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, f"couldn't parse push request: {error}"
        if not pushed:
            return 422, "error at least one valid stream is required for ingestion"
        if self.ingestion_is_blocked:
            return self.block_ingestion_status_code, "ingestion blocked for user 'fake' until '2099-01-01T00:00:00Z'"
        if self.refusals_for_rate:
            self.refusals_for_rate -= 1
            return 429, "ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)"
        faults = [self._fault(entry) for entry in pushed]
        ignored = self._ingest([entry for entry, fault in zip(pushed, faults, strict=True) if not fault])
        counts = Counter(fault for fault in faults if fault)
        grouped = "; ".join(f"{count} errors like: {fault}" for fault, count in counts.items())
        text = ignored or (grouped if counts.total() > 1 else grouped.removeprefix("1 errors like: "))
        return (400, text) if text else (204, "")

    def _fault(self, entry: LokiEntry) -> str:
        """Return why an entry is refused, whatever else its stream has."""
        recorded, present = entry.time_ns / _SECOND_NS, self._now()
        size = sum(len(text.encode()) for pair in entry.metadata.items() for text in pair)
        oldest, stream = present - self.reject_old_samples_max_age_s, f"stream '{entry.labels}'"
        if recorded < oldest:
            text = f"timestamp too old: {_rfc3339(recorded)}, oldest acceptable timestamp is: {_rfc3339(oldest)}"
            return f"entry for {stream} has {text}"
        if recorded > present + self.creation_grace_period_s:
            return f"entry for {stream} has timestamp too new: {_rfc3339(recorded)}"
        if (length := len(entry.line.encode())) > self.max_line_size:
            limit = f"max entry size '{self.max_line_size}' bytes exceeded for {stream}"
            return f"{limit} while adding an entry with length '{length}' bytes"
        if entry.metadata and not self.allow_structured_metadata:
            return f"{stream} includes structured metadata, but this feature is disallowed"
        if size > self.max_structured_metadata_size:
            limit = f"'{size}' bytes, limit: '{self.max_structured_metadata_size}' bytes"
            return f"{stream} has structured metadata too large: {limit}"
        return ""

    def _ingest(self, entries: list[LokiEntry]) -> str:
        """Store entries, and return what is said of those that are too far behind the newest of their stream."""
        ignored = list[str]()
        for entry in entries:
            newest_s = self._newest_ns.get(entry.labels, entry.time_ns) / _SECOND_NS
            recorded, oldest = entry.time_ns / _SECOND_NS, newest_s - self.max_chunk_age_s / 2
            if entry == self._last.get(entry.labels):
                continue
            if recorded < oldest:
                text = f"timestamp is: {_rfc3339(recorded)}, oldest acceptable timestamp is: {_rfc3339(oldest)}"
                reason = f"entry too far behind, entry {text}"
                ignored.append(f"entry with timestamp {_rfc3339(recorded)} ignored, reason: '{reason}',\n")
                continue
            self._last[entry.labels] = entry
            self._newest_ns[entry.labels] = max(entry.time_ns, self._newest_ns.get(entry.labels, entry.time_ns))
            self.entries.append(entry)
        total = (
            f"total ignored: {len(ignored)} out of {len(entries)} for stream: {entries[0].labels}" if entries else ""
        )
        return f"{''.join(ignored[:10])}user 'fake', {total}" if ignored else ""


def _loki_entries(stream: dict[str, Any]) -> Iterator[LokiEntry]:
    """Yield the entries of a stream; ValueError where they are not as documented."""
    labels = stream["stream"]
    if not labels or not all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in labels):
        raise ValueError("error at least one label pair is required per stream, and a name of letters, digits and _")
    texts = json.dumps(labels, ensure_ascii=False)
    for time_ns, line, *metadata in stream["values"]:
        fields = metadata[0] if metadata else {}
        texts.encode(), line.encode()  # half of a surrogate pair is a ValueError
        if not (isinstance(time_ns, str) and -(2**63) <= int(time_ns) < 2**63):
            raise ValueError("the time is no text of an integer of 64 bits")
        if not all(isinstance(text, str) and text.encode() is not None for text in fields.values()):
            raise ValueError("structured metadata must be text")
        yield LokiEntry(texts, int(time_ns), line, fields)


def _rfc3339(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
