"""The page that report writes, and where it writes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result

from cfevents.testing import Simulator, faults

Invoke = Callable[..., Result]

BEGIN = 1767225600
WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T06:00:00Z")
CONNECTOR = "0c5a29f6-8b50-411e-a0d7-17035160a8c3"
PAGE = ("--format", "html", "--output")


def event(at: int, kind: str, **payload: Any) -> dict[str, Any]:
    return {"e": {"k": kind, **payload}, "t": BEGIN + at, "n": 0, "a": BEGIN + at + 5, "v": "1.2.3"}


@pytest.fixture
def account(serve: Callable[..., Simulator]) -> Simulator:
    """An account with a connector whose upgrade failed, and one that is well."""
    failed = event(60, "StartUpgrade", url="https://u/1.bundle"), event(130, "FinishUpgradeFailure")
    return serve({CONNECTOR: [*failed], "site-2": [event(90, "Init")]})


def rows(page: str, caption: str) -> dict[str, list[str]]:
    tree = ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    (table,) = [it for it in tree.iter("table") if it.findtext("caption") == caption]
    cells = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    return {first: others for first, *others in cells}


def about(page: str) -> dict[str, str]:
    return {name: value for name, (value,) in rows(page, "How this page was made").items()}


def test_page_is_written_to_a_file(account: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    """The file has the page, stdout the summary, and the status is that of any report."""
    file = tmp_path / "report.html"
    result = invoke("report", "--all", *WINDOW, *PAGE, str(file), "--fail-on", "error")
    assert (result.exit_code, result.stderr) == (3, "")
    assert result.stdout == (
        f"3 events of 2 connectors, 2026-01-01 00:00 to 2026-01-01 06:00 UTC: 1 finding, in {file}\n"
    )
    page = file.read_text(encoding="utf-8")
    assert "1 finding on 1 of 2 connectors" in page
    assert about(page)["Connectors"] == "all of the source"
    assert about(page)["Read from"] == "the API of the account"
    assert about(page)["Read"] == "events of all kinds"
    assert "--details adds which tunnel" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_page_goes_to_a_pipe(account: Simulator, invoke: Invoke) -> None:
    """Without a file, or with a dash, the page alone is on stdout."""
    plain, dash = (invoke("report", CONNECTOR, *WINDOW, *PAGE[:2], *more) for more in ((), ("--output", "-")))
    assert (plain.exit_code, plain.stderr) == (dash.exit_code, dash.stderr) == (0, "")
    assert about(plain.stdout)["Connectors"] == about(dash.stdout)["Connectors"] == CONNECTOR
    assert plain.stdout.endswith("</html>\n")


def test_times_are_in_the_zone_of_the_shell(account: Simulator, invoke: Invoke) -> None:
    page = invoke("report", CONNECTOR, *WINDOW, *PAGE[:2], "--tz", "Asia/Kolkata").stdout
    assert about(page)["Window"] == "2026-01-01 05:30:00+0530 to 11:30:00+0530 Asia/Kolkata"


def test_payloads_are_on_the_page(account: Simulator, invoke: Invoke) -> None:
    page = invoke("report", CONNECTOR, *WINDOW, *PAGE[:2], "--details").stdout
    assert "https://u/1.bundle" in page
    assert about(page)["Read"] == "events of all kinds, payloads of findings"


def test_page_of_an_archive_says_how_far_it_reaches(account: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    """The page names the archive and its end, and has what a page of the API has: lags, kinds and operations."""
    account.add(CONNECTOR, event(600, "StartUpgrade"), event(660, "FinishUpgradeSuccess"))
    path = tmp_path / "events.db"
    assert invoke("archive", str(path), CONNECTOR, *WINDOW[:2]).exit_code == 0
    page = invoke("report", CONNECTOR, "--archive", str(path), *WINDOW, *PAGE[:2]).stdout
    assert about(page)["Read from"].startswith(f"the archive {path}, which knows all until 2026-01-01 06:00:00 UTC")
    assert rows(page, "Events of each kind")["StartUpgrade"][1:3] == ["2", "2"]
    assert "5s" in rows(page, "All connectors")[CONNECTOR]
    assert "Upgrade: success, 2026-01-01 00:10:00 to 00:11:00" in page


def test_connectors_that_cannot_be_read_are_on_the_page(account: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    """The page has the others, says which are missing, and the status is 1."""
    for name in ("site-2", "site-3"):
        account.faults.add(faults.status(404), path=f"/{name}/telemetry/events")
    file = tmp_path / "report.html"
    result = invoke("report", CONNECTOR, "site-2", "site-3", *WINDOW, *PAGE, str(file))
    assert result.exit_code == 1
    page = file.read_text(encoding="utf-8")
    assert "site-2 could not be read" in page
    assert "site-3 could not be read" in page
    assert "site-2" not in rows(page, "All connectors")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--output", "report.html"), "--output needs --format html: write '> FILE' for the other formats"),
        (
            ("--format", "html", "--columns", "kind"),
            "--format html is a whole page: leave out --columns and --no-headers",
        ),
        (("--format", "html", "--no-headers"), "--format html is a whole page: leave out --columns and --no-headers"),
    ],
)
def test_options_that_mean_nothing_are_refused(invoke: Invoke, more: tuple[str, ...], message: str) -> None:
    """Nothing is asked: there is no account here."""
    result = invoke("report", "--all", *more)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_terminal_gets_no_page(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page would flood a terminal: a file is asked for before the API is."""
    monkeypatch.setattr("cfevents.cli.commands.report_page.is_terminal", lambda _: True)
    result = invoke("report", "--all", *PAGE[:2])
    assert result.exit_code == 2
    assert "--format html needs a file: add --output report.html" in " ".join(result.stderr.split())


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    account: Simulator, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure while writing is one line, and the file stays as it was."""
    file = tmp_path / "report.html"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cfevents._files.move_into_place", full)
    result = invoke("report", CONNECTOR, *WINDOW, *PAGE, str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be written: the disk is full" in " ".join(result.stderr.split())
    assert file.read_text() == "old"


def test_a_quiet_page_is_written_when_all_is_well(account: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    """A file is never older than the command; a pipe gets nothing then."""
    file = tmp_path / "report.html"
    well = "report", "site-2", *WINDOW, "--quiet", "--fail-on", "critical"
    assert invoke(*well, *PAGE, str(file)).output == invoke(*well, *PAGE[:2]).output == ""
    warned = invoke("report", "--all", *WINDOW, "--quiet", "--fail-on", "info", *PAGE, str(file))
    assert (warned.exit_code, warned.output) == (3, "")
    assert invoke(*well, *PAGE, str(file)).output == ""
    assert "No findings" in file.read_text(encoding="utf-8")


def test_a_quiet_page_has_all_findings(account: Simulator, invoke: Invoke) -> None:
    """A page to send on is whole: --fail-on decides whether there is one, and not what is on it."""
    account.add(CONNECTOR, event(900, "RekeyReset"))
    page = invoke("report", CONNECTOR, *WINDOW, "--quiet", "--fail-on", "critical", *PAGE[:2]).stdout
    assert "critical: 1" in page
    assert "error: failed upgrade" in page
