"""What a report of one hour knows, as a timer asks for it, of outages that began earlier."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cfevents.testing import Simulator

Invoke = Callable[..., Result]

MIDNIGHT, HOUR, EVERY = 1767225600, 3600, 360


def regular(begin: float, end: float, collected: float | None = None) -> list[dict[str, Any]]:
    """Return events between two hours, collected soon or at a later hour."""
    times = range(MIDNIGHT + int(begin * HOUR), MIDNIGHT + int(end * HOUR), EVERY)
    soon = {at: at + 5 if collected is None else MIDNIGHT + int(collected * HOUR) for at in times}
    return [{"e": {"k": "Reconcile"}, "t": at, "n": 0, "a": moment} for at, moment in soon.items()]


ACCOUNT = {
    "well": regular(-24, 12),
    "offline": [*regular(-24, 7), *regular(7, 9.25, 9.25), *regular(9.25, 12)],
    "off": [*regular(-24, 7.5), *regular(9.75, 12)],
    "long-ago": [*regular(-24, -6), *regular(-6, 6, 6), *regular(6, 12)],
    "dead": regular(-24, 8.5),
    "few": regular(8, 8.5),
}


def at(hour: int) -> str:
    return f"2026-01-01T{hour:02}:00:00Z"


@pytest.fixture
def archive(serve: Callable[..., Simulator], invoke: Invoke, tmp_path: Path) -> str:
    serve(ACCOUNT)
    path = str(tmp_path / "events.db")
    assert invoke("archive", path, "--all", "--since", "2025-12-31").exit_code == 0
    return path


@pytest.mark.once
def test_hourly_report_finds_what_began_before_the_hour(archive: str, invoke: Invoke) -> None:
    """An archive shows when an outage began, and what is usual. One that is over is found in the hour of its end."""

    def found(hour: int) -> dict[str, str]:
        result = invoke("report", "--archive", archive, "--all", "--since", at(hour), "--until", at(hour + 1))
        findings = map(json.loads, result.stdout.splitlines())
        return {item["connector_id"]: f"{item['kind']} {item['first_at']} {item['message']}" for item in findings}

    offline = "silent for at most 2h 20min: events of that time were collected afterwards"
    silent = "silent for {}, and still silent"
    assert found(9) == {
        "offline": f"collection_gap 2026-01-01T06:54:05Z {offline}",
        "off": "device_gap 2026-01-01T07:24:00Z nothing recorded for 2h 21min",
        "dead": f"silence 2026-01-01T08:24:05Z {silent.format('1h 35min')}",
        "few": "silence 2026-01-01T09:00:00Z silent: no event in the window",
    }
    assert found(10) == {
        "dead": f"silence 2026-01-01T08:24:05Z {silent.format('2h 35min')}",
        "few": "silence 2026-01-01T10:00:00Z silent: no event in the window",
    }


@pytest.mark.once
def test_failure_that_came_late_is_in_the_hour_it_came_in(
    serve: Callable[..., Simulator], invoke: Invoke, tmp_path: Path
) -> None:
    """A failure of hours before is mailed once it is collected, and not again."""
    steps = {5.3 * HOUR: "StartUpgrade", 5.4 * HOUR: "FinishUpgradeFailure"}
    failed = [
        {"e": {"k": k}, "t": MIDNIGHT + int(at), "n": 1, "a": MIDNIGHT + int(9.25 * HOUR)} for at, k in steps.items()
    ]
    serve({"cut-off": [*regular(-24, 5), *regular(5, 9.25, 9.25), *failed, *regular(9.25, 12)]})
    path = str(tmp_path / "events.db")
    assert invoke("archive", path, "--all", "--since", "2025-12-31").exit_code == 0

    def kinds(hour: int) -> set[str]:
        result = invoke("report", "--archive", path, "--all", "--since", at(hour), "--until", at(hour + 1))
        return {json.loads(line)["kind"] for line in result.stdout.splitlines()}

    assert [kind for kind in kinds(9) if "upgrade" in kind]
    assert "collection_gap" in kinds(9)
    assert not [kind for hour in (8, 10) for kind in kinds(hour) if "upgrade" in kind]


@pytest.mark.once
def test_quiet_report_prints_nothing_when_all_is_well(archive: str, invoke: Invoke) -> None:
    """A timer mails what is printed: an outage in the hour in which it ends."""
    hours = {
        hour: invoke("report", "--archive", archive, "offline", "-q", "--since", at(hour), "--until", at(hour + 1))
        for hour in (5, 9, 10)
    }
    assert [bool(result.stdout) for result in hours.values()] == [False, True, False]
    assert {(result.exit_code, result.stderr) for result in hours.values()} == {(0, "")}


@pytest.mark.once
@pytest.mark.parametrize("minute", [3, 20, 59])
def test_crontab_of_the_help_mails_what_went_wrong(
    serve: Callable[..., Simulator], invoke: Invoke, tmp_path: Path, minute: int
) -> None:
    """A gap that ends, and a failure, between two runs of the lines in the help are mailed once or twice."""
    text = invoke("archive", "--help").stdout.replace("/var/lib/cfevents", str(tmp_path))
    text = text.replace("--account work", "--since 2025-12-31")
    fill, report = (line.partition("cfevents ")[2] for line in text.splitlines() if "* *" in line)
    report, _, hours = report.removesuffix("h").rpartition("--since ")
    end = MIDNIGHT + 7 * HOUR + minute * 60
    failure = {"e": {"k": "RekeyReset"}, "t": end, "n": 9, "a": end + 5}
    events = [*regular(-12, 5), *regular(7 + minute / 60, 12), failure]
    simulator, mails = serve({"site": []}), list[str]()
    for now in range(MIDNIGHT + 7 * HOUR, MIDNIGHT + 11 * HOUR, HOUR):
        simulator.add("site", *(event for event in events if event["a"] <= now))
        events = [event for event in events if event["a"] > now]
        window = f"--since {now + 420 - int(hours) * HOUR} --until {now + 420}"  # the report runs after a fill
        filled, reported = invoke(*shlex.split(fill)), invoke(*shlex.split(report + window))
        assert (filled.exit_code, filled.output, reported.exit_code, reported.stderr) == (0, "", 0, "")
        mails.append(reported.stdout)
    for kind in ("device_gap", "rekey_reset"):
        assert [kind in mail for mail in mails] in ([False, True, True, False], [False, True, False, False]), mails
