"""What a notebook shows of operations and reports."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.told import event, story

from cfevents import operations

TOLD = [
    *story("60 Init", "90 StartUpgrade", "120 FinishUpgradeFailure", "150 RekeyStart a", "160 RekeyReset a"),
    event(200, "HaTransition", sequence=9, connector="<b>&site"),
    event(4000, "StartUpgrade", sequence=10, url="https://a.example/?<x>"),
]


def cells(html: str) -> list[str]:
    """The texts of a table; it has to be well-formed."""
    return ["".join(cell.itertext()) for cell in ET.fromstring(html).iter() if cell.tag in {"td", "th", "caption"}]


def test_a_report_is_a_table_of_its_findings() -> None:
    report = operations.report(TOLD)
    found = cells(report._repr_html_())
    assert found[0] == str(report).partition("\n")[0]
    assert found[1:6] == ["severity", "first", "connector", "finding", "what happened"]
    for finding in report.findings:
        assert {finding.severity, finding.kind, finding.message} <= set(found)


def test_each_result_is_a_table_of_its_fields_with_the_ids_that_it_rests_on() -> None:
    report = operations.report(TOLD)
    results: list[Any] = [*report.findings, *report.connectors]
    for connector in report.connectors:
        results += [*connector.spans, *connector.rekeys, *connector.runs, *connector.slots, connector.lags]
    assert len(results) > 8
    for each in results:
        found = cells(each._repr_html_())
        assert found[0] == type(each).__name__
        for event_id in getattr(each, "event_ids", ()):
            assert any(str(event_id) in cell for cell in found)
    shown = "".join(each._repr_html_() for each in results)
    assert "<b>&site" not in shown
    assert "&lt;b&gt;&amp;site" in shown


def test_a_result_of_thousands_of_events_names_a_few() -> None:
    many = operations.report(story(*(f"{60 * at} Init" for at in range(40)))).findings
    assert all(len(each._repr_html_()) < 6000 for each in many)
    assert many


@pytest.mark.parametrize(("starts", "more"), [(12, ""), (13, ", and 1 more")])
def test_twelve_ids_are_named(starts: int, more: str) -> None:
    (loop,) = operations.report(story(*(f"{60 * at} Init" for at in range(starts)))).findings
    shown = dict(pairwise(cells(loop._repr_html_())))["event_ids"]
    assert shown == ", ".join(str(each) for each in loop.event_ids[:12]) + more
