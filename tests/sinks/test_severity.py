"""The severity of an event by its kind."""

import pytest
from support.batches import BEGIN, listed

from cfevents import events
from cfevents.operations import report
from cfevents.operations.rules import SEVERITIES
from cfevents.sinks.formats import event_severity


@pytest.mark.parametrize("kind", events.KINDS)
def test_an_event_is_as_severe_as_its_finding(kind: str) -> None:
    """The report and the receiver of an event do not contradict each other."""
    findings = report([listed(BEGIN, kind=kind)], since=BEGIN, until=BEGIN + 1).findings
    severities = [SEVERITIES.index(finding.severity) for finding in findings]
    assert event_severity(kind) == SEVERITIES[max(severities, default=0)]


def test_severity_of_an_undocumented_kind() -> None:
    names = "NewFailure", "NewError", "New", ""
    assert [event_severity(name) for name in names] == ["error", "warning", "info", "info"]
