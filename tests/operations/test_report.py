"""The report: its findings, their order, and what it says."""

import re
from pathlib import Path
from typing import get_args

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, event, events_at, reconciles

from cfevents import operations
from cfevents._model.api import InterruptOperation

TROUBLE = [
    *reconciles(-DAY, DAY),
    *events_at(
        "0 StartUpgrade", "70 FinishUpgradeFailure", "100 HaError", "7000 RekeyReset a", "7004 RekeyInstallBoth a"
    ),
    event(400, "Moonwalk"),
]


def test_worst_finding_comes_first() -> None:
    """The worst finding comes first, and of one severity the earliest."""
    report = operations.report([*TROUBLE, *events_at("50 FinishRotatePkiFailure")])
    assert [(finding.severity, finding.kind) for finding in report.findings] == [
        ("critical", "rekey_reset"),
        ("error", "failed_upgrade"),
        ("error", "failed_pki_rotation"),
        ("warning", "ha_error"),
        ("info", "unknown_kind"),
    ]
    assert report.worst == "critical"
    assert [item.kind for item in report.at_least("error")] == ["rekey_reset", "failed_upgrade", "failed_pki_rotation"]
    assert report.at_least("info") == report.findings


def test_unknown_severity_is_refused() -> None:
    """An unknown severity is a ValueError."""
    with pytest.raises(ValueError, match="severity='fatal' is none of info, warning, error, critical"):
        operations.report([]).at_least("fatal")  # type: ignore[arg-type]


def test_text_has_a_line_for_each_finding() -> None:
    """The text of a report has a line for each finding."""
    first, *lines = str(operations.report(TROUBLE)).splitlines()
    assert first == "582 events of 1 connector, 2025-06-14 15:06 to 2025-06-16 15:01 UTC: 4 findings"
    assert lines[0].startswith("critical  2025-06-15 17:03:20  site  rekey_reset: ")
    assert lines[1].startswith("error     2025-06-15 15:06:40  site  failed_upgrade: ")
    assert "1min 10s" in lines[1]
    assert len(lines) == 4


def test_report_without_findings() -> None:
    """A report without events or findings says so."""
    assert str(operations.report([])) == "no events"
    assert operations.report([]).worst is None
    assert str(operations.report(reconciles(0, HOUR))).endswith(": no findings")


def test_report_holds_the_results_of_all_functions() -> None:
    """A report holds the results of all functions."""
    (connector,) = (report := operations.report(TROUBLE)).connectors
    assert [*connector.spans] == operations.spans(TROUBLE)
    assert [*connector.rekeys] == operations.rekeys(TROUBLE)
    assert [*connector.runs] == operations.runs(TROUBLE)
    assert [connector.ha] == operations.ha(TROUBLE)
    assert [*connector.slots] == operations.slots(TROUBLE)
    assert [*connector.gaps] == operations.gaps(TROUBLE)
    assert [connector.lags] == operations.lags(TROUBLE)
    assert [*connector.unknowns] == operations.unknowns(TROUBLE)
    assert connector.findings == report.findings
    assert report.events == connector.events == len(TROUBLE)


def test_end_of_the_events() -> None:
    """The events end when the last one was collected, or at `until`."""
    sample = events_at("0 StartUpgrade", "10 Reconcile")
    assert operations.report(sample).until.timestamp() == BEGIN + 15
    assert operations.report(sample, until=BEGIN + 99).until.timestamp() == BEGIN + 99


def test_page_lists_every_kind_of_finding() -> None:
    """The page on operations has a row for each kind of finding."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \| (?:info|warning|error|critical)", page, re.MULTILINE))
    source = Path(operations.__file__).with_name("rules.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "\w+": \("(\w+)", "[^"]+"\),$', source, re.MULTILINE)
    spans = {f"{how}_{name}" for how in ("failed", "unfinished", "orphaned") for name in names}
    others = set(
        re.findall(
            r'"((?:[a-z]+_)?(?:reset|rekey|loop|restart|flapping|error|slot|gap|silence|downtime|kind|field))"', source
        )
    )
    assert len(spans) == 12
    orders = {f"ordered_{operation}" for operation in get_args(InterruptOperation)}
    assert rows == spans | orders | others - {"error", "reset", "field", "kind", "event_kind"}
