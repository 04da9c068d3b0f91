"""Any answer whatsoever is read: it settles events, or it is an error that loses none of them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, listed
from support.json_values import json_values

from cfevents import SinkError
from cfevents.sinks import connect
from cfevents.sinks.http import HTTPSink, OutgoingEvent
from cfevents.sinks.receiver import HTTPAnswer

_numbers = st.integers(-3, 30) | st.integers() | st.sampled_from([200, 201, 409, 429, 503]) | st.floats()
_odd = json_values | _numbers | _numbers.map(str) | st.just("9" * 5000)
_items = st.dictionaries(st.sampled_from(["create", "index"]), st.fixed_dictionaries({"status": _odd, "error": _odd}))
_objects = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("code", "ackId", "invalid-event-number", "partialSuccess", "errors"), _odd),
        "items": st.lists(_items | _odd, min_size=3, max_size=3) | _odd,
        "acks": st.dictionaries(st.sampled_from("012"), _odd) | _odd,
    },
)
_moments = "2023-11-14T22:13:21Z", "2023-11-14T22:13:99Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"
_times = st.sampled_from(_moments)
_of_loki = st.builds(
    "oldest acceptable timestamp is: {}, has timestamp too new: {}; {} errors like: x, {}".format,
    *(_times, _times, _odd, st.builds("total ignored: {} out of {}".format, _numbers, _numbers) | st.just("")),
)
_bodies = _objects.map(json.dumps) | json_values.map(json.dumps) | _of_loki | st.text(st.characters(codec="utf-8"))
_statuses = st.sampled_from([200, 201, 204, 206, 260, 302, 400, 401, 404, 408, 413, 422, 429, 500, 501, 503, 599])


@pytest.mark.parametrize("start", ["elastic", "splunk", "loki", "otlp", "json"])
@settings(max_examples=100)
@given(status=_statuses, body=_bodies | st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")))
def test_any_answer_settles_events_or_is_an_error(start: str, status: int, body: str) -> None:
    """What is refused or has to come again are events of the request, and no event is both."""
    sink: Any = connect(f"{start}+http://127.0.0.1/wan")
    assert isinstance(sink, HTTPSink)
    items = batch([listed(BEGIN + number, number) for number in range(3)]).items
    events = [OutgoingEvent(item, b'["1700000000000000000"]') for item in items]
    for some in [], events:
        try:
            verdict = sink.read(HTTPAnswer(status, body.encode("latin-1", "replace"), None), some)
        except SinkError:
            continue
        refused, unsettled = verdict.refused.keys(), {*verdict.unsettled}
        assert (refused | unsettled) <= {*range(len(some))}
        assert not refused & unsettled
        assert 200 <= status < 300 or verdict.refusal or refused or unsettled or not some
