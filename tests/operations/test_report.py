"""The report: its findings, their order, and what it says."""

import re
from pathlib import Path

import pytest
from support.told import BEGIN, DAY, HOUR, event, story, ticking

from cfevents import operations

TROUBLE = [
    *ticking(-DAY, DAY),
    *story("0 StartUpgrade", "70 FinishUpgradeFailure", "100 HaError", "7000 RekeyReset a", "7004 RekeyInstallBoth a"),
    event(400, "Moonwalk"),
]


def test_the_worst_comes_first_and_of_one_severity_the_earliest() -> None:
    report = operations.report([*TROUBLE, *story("50 FinishRotatePkiFailure")])
    assert [(each.severity, each.kind) for each in report.findings] == [
        ("critical", "rekey_reset"),
        ("error", "failed_upgrade"),
        ("error", "failed_pki_rotation"),
        ("warning", "ha_error"),
        ("info", "unknown_kind"),
    ]
    assert report.worst == "critical"
    assert [each.kind for each in report.at_least("error")] == ["rekey_reset", "failed_upgrade", "failed_pki_rotation"]
    assert report.at_least("info") == report.findings


def test_a_severity_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="severity='fatal' is none of info, warning, error, critical"):
        operations.report([]).at_least("fatal")  # type: ignore[arg-type]


def test_its_text_has_a_line_for_each_finding() -> None:
    first, *lines = str(operations.report(TROUBLE)).splitlines()
    assert first == "582 events of 1 connector, 2025-06-14 15:06 to 2025-06-16 15:01 UTC: 4 findings"
    assert lines[0] == (
        "critical  2025-06-15 17:03:20  site  rekey_reset: all keys deleted after receiving an unexpected key"
    )
    assert lines[1] == "error     2025-06-15 15:06:40  site  failed_upgrade: upgrade failed after 1min 10s"
    assert len(lines) == 4


def test_nothing_to_tell_is_told() -> None:
    assert str(operations.report([])) == "no events"
    assert operations.report([]).worst is None
    assert str(operations.report(ticking(0, HOUR))).endswith(": no findings")


def test_it_puts_together_what_the_functions_tell() -> None:
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


def test_where_the_events_end_is_the_latest_time_or_what_is_said() -> None:
    told = story("0 StartUpgrade", "10 Reconcile")
    assert operations.report(told).until.timestamp() == BEGIN + 15
    assert operations.report(told, until=BEGIN + 99).until.timestamp() == BEGIN + 99


def test_the_page_tells_of_every_kind_of_finding() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \| (?:info|warning|error|critical)", page, re.MULTILINE))
    source = Path(operations.__file__).with_name("rules.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "\w+": \("(\w+)", "[^"]+"\),$', source, re.MULTILINE)
    spans = {f"{how}_{name}" for how in ("failed", "unfinished", "orphaned") for name in names}
    others = set(
        re.findall(
            r'"((?:[a-z]+_)?(?:reset|rekey|loop|crash|flapping|error|slot|gap|silence|downtime|kind|field))"', source
        )
    )
    assert len(spans) == 12
    assert rows == spans | others - {"error", "reset", "field", "event_kind"}
