"""Grafana Loki: events as the entries of streams, over its push API."""

import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from cfevents._time import to_nanoseconds
from cfevents._validation import escape_surrogates
from cfevents.sinks.formats import FormattedEvent
from cfevents.sinks.http import HTTPSink, OutgoingEvent, Verdict
from cfevents.sinks.receiver import HTTPAnswer
from cfevents.sinks.urls import SinkAddress

_METADATA = ("id", "kind", "sequence", "collected_at", "late", "version")
_OLDEST = rb"oldest acceptable timestamp is: ([-+:TZ0-9]+)"
_TOO_NEW = rb"has timestamp too new: ([-+:TZ0-9]+)"


class Loki(HTTPSink):
    """A Loki, in which each connector has a stream: what is behind in one stream is refused there alone.

    Loki stores the valid entries of a push that it answers with 400. Sent again, they might be too far behind by then.
    So the entries that it refuses for their age, which is the usual reason, are identified by the bounds that it names.
    """

    def __init__(self, address: SinkAddress) -> None:
        """Set the label of all streams, which is that of ``loki+https://HOST?job=NAME``."""
        url = address.url("/loki/api/v1/push", {"job"})
        super().__init__(address, url.with_query(None))
        self._job = url.query.get("job", "cfevents")

    def encode(self, event: FormattedEvent) -> bytes:
        """Return an entry: its time, its line, and its structured metadata."""
        line = event.line
        metadata = {name: line[name] for name in _METADATA if line.get(name) is not None}
        metadata |= {"level": event.severity, "account_id": event.account_id}
        texts = {
            name: escape_surrogates(value if isinstance(value, str) else json.dumps(value))
            for name, value in metadata.items()
        }
        return json.dumps([str(to_nanoseconds(line["recorded_ts"])), json.dumps(event.fields), texts]).encode()

    def body(self, events: Sequence[OutgoingEvent]) -> bytes:
        """Return a push, in which the entries of a connector are one stream."""
        streams = list[bytes]()
        for connector_id, some in groupby(events, attrgetter("item.connector_id")):
            labels = json.dumps({"job": self._job, "connector_id": escape_surrogates(connector_id)}).encode()
            entries = b", ".join(event.part for event in some)
            streams.append(b'{"stream": %b, "values": [%b]}' % (labels, entries))
        return b'{"streams": [%b]}' % b", ".join(streams)

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        """Return what an answer means. A Loki that is set to take nothing for a while answers 260."""
        if 200 <= answer.status < 300 and answer.status not in {200, 204}:
            raise self.receiver.busy(answer)
        bound = re.search(rb"%b|%b" % (_OLDEST, _TOO_NEW), answer.body) if answer.status == 400 else None
        if bound and (places := _refused_for_age(answer.body, events)):
            self._has_taken = True  # not yet perhaps, but it has understood
            return Verdict(refused=dict.fromkeys(places, f"{self.receiver.name} answers 400: {bound[0].decode()}"))
        return super().read(answer, events)


def _refused_for_age(text: bytes, events: Sequence[OutgoingEvent]) -> list[int]:
    """Return the places of the events that are too old or too new; none where the answer leaves open which those are.

    It has the bounds in whole seconds: the events of such a second are refused only if the number says so.
    """
    oldest = max(map(_seconds, re.findall(_OLDEST, text)), default=-math.inf)
    newest = min(map(_seconds, re.findall(_TOO_NEW, text)), default=math.inf)
    times = [int(json.loads(event.part)[0]) // 10**9 for event in events]
    for slack in 0, 1:
        places = [place for place, time in enumerate(times) if time < oldest + slack or time > newest - slack]
        if len(places) >= _count_refused(text, len(events)) and len({event.item.connector_id for event in events}) == 1:
            return places
    return []


def _count_refused(text: bytes, sent: int) -> int:
    """Return how many entries an answer says that Loki refused: in its ingesters, and before they got them."""
    if match := re.search(rb"total ignored: ([0-9]{1,9}) out of ([0-9]{1,9})", text):
        return int(match[1]) + sent - int(match[2])
    return sum(map(int, re.findall(rb"([0-9]{1,9}) errors like: ", text))) or 1


def _seconds(text: bytes) -> float:
    with suppress(ValueError):
        return datetime.fromisoformat(text.decode()).timestamp()
    return math.nan
