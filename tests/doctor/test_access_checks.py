"""How far a clock is ahead, by the Date of answers that took their time."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents._protocol.responses import Response
from cfevents.doctor.access_checks import check_clock, clock_offset
from cfevents.doctor.findings import Findings, TimedResponse


def answered(sent_at: float, seconds: float, date: str | None) -> TimedResponse:
    return TimedResponse(sent_at, sent_at + seconds, seconds, Response(200, b"", date=date))


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.floats(1e9, 1.0001e9)), min_size=1, max_size=5),
)
def test_clock_offset_is_never_exaggerated(offset: float, answers: list[tuple[float, float, float]]) -> None:
    """The clock is never reported to be farther off than it is."""
    # Each took some time until the server wrote the date, and some more after it.
    came = [
        answered(moment - before + offset, before + after, formatdate(int(moment), usegmt=True))
        for before, after, moment in answers
    ]
    measured = clock_offset(came)
    assert measured is not None
    assert abs(measured) <= abs(offset) + 1e-3
    assert abs(measured - offset) <= min(before + after for before, after, _ in answers) + 1.001


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_missing_or_wrong_date_is_unknown(date: str | None) -> None:
    """A Date that is missing or wrong leaves the offset unknown."""
    answer = check_clock(Findings(responses=[answered(1e9, 1, date)]))
    assert (answer.verdict, answer.values) == ("unknown", {})
