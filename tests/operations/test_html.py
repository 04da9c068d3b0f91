"""What a notebook shows of operations and reports."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.appliance_events import event, events_at

from cfevents import operations

TOLD = [
    *events_at("60 Init", "90 StartUpgrade", "120 FinishUpgradeFailure", "150 RekeyStart a", "160 RekeyReset a"),
    event(200, "HaTransition", sequence=9, connector="<b>&site"),
    event(4000, "StartUpgrade", sequence=10, url="https://a.example/?<x>"),
]


def cells(html: str) -> list[str]:
    """The texts of a table; it has to be well-formed."""
    return ["".join(cell.itertext()) for cell in ET.fromstring(html).iter() if cell.tag in {"td", "th", "caption"}]


def test_a_report_is_a_table_of_its_findings() -> None:
    report = operations.report(TOLD)
    result = cells(report._repr_html_())
    assert result[0] == str(report).partition("\n")[0]
    assert repr(report) == f"<Report: {result[0]}>"
    assert result[1:6] == ["severity", "first", "connector", "finding", "what happened"]
    for finding in report.findings:
        assert {finding.severity, finding.kind, finding.message} <= set(result)


def test_results_are_tables_of_their_fields() -> None:
    """Each result is a table of its fields, with the ids that it rests on."""
    report = operations.report(TOLD)
    results: list[Any] = [*report.findings, *report.connectors]
    for connector in report.connectors:
        results += [*connector.spans, *connector.rekeys, *connector.runs, *connector.slots, connector.lags]
    assert len(results) > 8
    for item in results:
        result = cells(item._repr_html_())
        assert result[0] == type(item).__name__
        for event_id in getattr(item, "event_ids", ()):
            assert any(str(event_id) in cell for cell in result)
    shown = "".join(item._repr_html_() for item in results)
    assert "<b>&site" not in shown
    assert "&lt;b&gt;&amp;site" in shown


def test_a_result_of_thousands_of_events_names_a_few() -> None:
    many = operations.report(events_at(*(f"{60 * at} Init" for at in range(40)))).findings
    assert all(len(item._repr_html_()) < 6000 for item in many)
    assert many


@pytest.mark.parametrize(("starts", "more"), [(12, ""), (13, ", and 1 more")])
def test_twelve_ids_are_named(starts: int, more: str) -> None:
    (loop,) = operations.report(events_at(*(f"{60 * at} Init" for at in range(starts)))).findings
    shown = dict(pairwise(cells(loop._repr_html_())))["event_ids"]
    assert shown == ", ".join(str(event_id) for event_id in loop.event_ids[:12]) + more
