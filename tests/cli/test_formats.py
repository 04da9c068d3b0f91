"""The forms of what is printed: formats, columns, colours, and nothing at all."""

import csv
import io
import json
import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import Result

import cfevents
from cfevents import EventDetail, EventId, EventMetadata, FleetEvent
from cfevents._time import EPOCH
from cfevents.cli.console import views
from cfevents.cli.console.log import WAITING_MODULES, log_to_stderr
from cfevents.cli.console.output import Style, Zone, column_names
from cfevents.cli.console.progress import QUIET
from cfevents.operations import Finding
from cfevents.testing import Simulator

Invoke = Callable[..., Result]
LISTING = ("list", "site-1", "--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z")


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("details", [[], ["--details"]])
def test_csv_of_a_listing_is_that_of_an_export(account: Simulator, invoke: Invoke, details: list[str]) -> None:
    listed = invoke(*LISTING, *details, "--format", "csv")
    exported = invoke("export", "-", *LISTING[1:], *details, "--format", "csv")
    assert listed.stdout_bytes == exported.stdout_bytes
    assert listed.stdout.startswith("connector_id,id,recorded_at,")


@pytest.mark.parametrize("command", [("latest", "site-1"), ("connectors",), ("kinds",), ("report", *LISTING[1:])])
def test_every_listing_can_be_csv(account: Simulator, invoke: Invoke, command: tuple[str, ...]) -> None:
    """The CSV has as many rows as the NDJSON, and a value for each column."""
    result = invoke(*command, "--format", "csv")
    header, *rows = csv.reader(io.StringIO(result.stdout, newline=""))
    assert len(rows) == len(invoke(*command, "--json").stdout.splitlines()) > 0
    assert {len(row) for row in rows} == {len(header)}
    assert len({*header}) == len(header)
    assert all(rows[0][header.index(name)] for name in ("id", "kind") if name in header)


def test_empty_csv_has_its_header(account: Simulator, invoke: Invoke) -> None:
    result = invoke("list", "site-1", "--since", "2025-01-01", "--until", "2025-01-01", "--format", "csv")
    assert result.stdout_bytes == b"connector_id,id,recorded_at,collected_at,sequence,kind\r\n"


@pytest.mark.parametrize("spelling", [("--json",), ("--format", "json"), ("--format", "JSON"), ("--format", "NDJson")])
def test_json_is_ndjson(account: Simulator, invoke: Invoke, spelling: tuple[str, ...]) -> None:
    lines = invoke(*LISTING, *spelling).stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["Init", "RekeyStart", "Reconcile", "Novelty"]


@pytest.mark.parametrize("options", [("--json", "--format", "csv"), ("--format", "table", "--json")])
def test_two_formats_exclude_each_other(account: Simulator, invoke: Invoke, options: tuple[str, ...]) -> None:
    result = invoke(*LISTING, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--json and --format exclude each other" in result.stderr


def test_columns_are_chosen_by_their_titles(account: Simulator, invoke: Invoke) -> None:
    """Columns come in the order in which they are named, each as wide as its first cells."""
    result = invoke(*LISTING, "--format", "table", "--columns", "Kind, id")
    assert table(result.stdout)[:3] == [["KIND", "ID"], ["Init", "1767225600.0"], ["RekeyStart", "1767225660.0"]]
    assert len({line.index("17672") for line in result.stdout.splitlines()[1:]}) == 1
    chosen = invoke(*LISTING, "--format", "csv", "--columns", "kind,id").stdout
    assert chosen.splitlines()[:2] == ["kind,id", "Init,1767225600.0"]


def test_title_of_two_words_can_be_written_in_one(account: Simulator, invoke: Invoke) -> None:
    for name in ("last heartbeat", "LAST_HEARTBEAT"):
        assert "LAST HEARTBEAT (UTC)\n" in invoke("connectors", "--format", "table", "--columns", name).stdout


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("details", [False, True])
def test_columns_have_the_names_of_both_forms(several: bool, details: bool) -> None:
    """What CSV calls a column, a table takes too, and the other way round; what is shown is what both have."""
    view = views.listed(Zone(), several=several, details=details)
    shown = column_names(view, "table")
    assert shown == [*(["connector_id"] if several else []), "recorded_at", "id", "lag", "kind"]
    names = ["recorded", "recorded_at", "Recorded At", "kind", "event", *(["connector"] if several else [])]
    for form in ("table", "csv"):
        for name in names:
            views.writer(view, Style(form, (name,)))  # raises for a column that is not there
    report_view = import_module("cfevents.cli.commands.report").findings_view(Zone())
    views.writer(report_view, Style("csv", ("finding", "first", "id", "connector")))


def test_narrow_report_has_ids_where_they_are_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = import_module("cfevents.cli.commands.report")
    monkeypatch.setattr(report, "terminal_width", lambda: 80)
    finding = Finding("gap", "error", "c1", EPOCH, EPOCH, "message", (EventId(12, 3),))
    for columns in ((), ("id",)):
        views.writer(report.findings_view(Zone()), Style("table", columns))([finding])
    assert capsys.readouterr().out.split("\n")[-3:-1] == ["ID", "12.3"]


@pytest.mark.parametrize(("columns", "titles"), [((), "CONNECTOR RECORDED ID EVENT"), (("lag", "event"), "LAG EVENT")])
def test_narrow_table_with_payloads_keeps_the_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: tuple[str, ...], titles: str
) -> None:
    """A narrow table of several connectors with payloads leaves out the lag, unless it is asked for."""
    monkeypatch.setattr(views, "terminal_width", lambda: 80)
    event = FleetEvent("c1", EventDetail(EventMetadata("Init", 1, 2, 3), None))
    views.writer(views.listed(Zone(), several=True, details=True), Style("table", columns))([event])
    header, row = capsys.readouterr().out.splitlines()
    assert header.replace(" (UTC)", "").split() == titles.split()
    assert ("1.2" in row, "2s" in row) == (not columns, bool(columns))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--format", "table", "--columns", "id,color"), "--columns has no color: write recorded_at,id,lag,kind"),
        (("--format", "csv", "--columns", "lag"), "--columns has no lag: write connector_id,id,recorded_at"),
        (("--columns", "id"), "add --format table or --format csv"),
    ],
)
def test_columns_that_are_not_there(account: Simulator, invoke: Invoke, options: tuple[str, ...], text: str) -> None:
    result = invoke(*LISTING, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr


def test_header_can_be_left_out(account: Simulator, invoke: Invoke) -> None:
    for format_ in ("table", "csv"):
        with_header = invoke(*LISTING, "--format", format_).stdout.splitlines()
        assert invoke(*LISTING, "--format", format_, "--no-headers").stdout.splitlines() == with_header[1:]


def test_colours_can_be_forced(account: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """With always, a pipe has colours whatever NO_COLOR says; with auto and never, it has none."""
    monkeypatch.setenv("NO_COLOR", "1")
    for name, has_colours in {"always": True, "Always": True, "auto": False, "never": False}.items():
        assert ("\x1b[" in invoke("kinds", "--format", "table", "--color", name).stdout) is has_colours
        assert ("\x1b[" in invoke("--color", name, "kinds", "--format", "table").stdout) is has_colours


def test_nothing_is_printed_for_a_timer_when_all_is_well(
    account: Simulator, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --quiet, a job that succeeds prints nothing on stdout or stderr, from its first run on."""
    monkeypatch.chdir(tmp_path)
    for command in (
        ("archive", "events.db", "site-1", "--since", "2026-01-01T00:00:00Z", "-q"),
        ("export", "events.csv", *LISTING[1:], "--quiet"),
        ("report", "--archive", "events.db", *LISTING[1:], "-q", "--fail-on", "critical"),
        ("latest", "--archive", "events.db", "-q"),
        ("-q", "doctor", "--simulate"),
    ):
        result = invoke(*command)
        assert (result.exit_code, result.output) == (0, ""), command


def test_quiet_report_prints_what_fails(serve: Callable[..., Simulator], invoke: Invoke) -> None:
    """With --quiet, findings are printed if one is as severe as --fail-on asks for, or if it is not given."""
    serve({"one": [{"e": {"k": "RekeyReset"}, "t": 1767225600, "n": 0, "a": 1767225600}]})
    window = ("--since", "2026-01-01", "--until", "2026-01-01")
    quiet = [json.loads(line) for line in invoke("report", "one", *window, "-q").stdout.splitlines()]
    assert {finding["severity"] for finding in quiet} == {"critical", "error"}
    failing = invoke("report", "one", *window, "-q", "--fail-on", "critical").stdout.splitlines()
    assert [json.loads(line) for line in failing] == [finding for finding in quiet if finding["severity"] == "critical"]


def test_quiet_command_still_says_why_it_failed(invoke: Invoke) -> None:
    result = invoke("list", "-q")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "CONNECTOR is missing" in result.stderr


def test_quiet_command_hides_waits_that_are_over(capsys: pytest.CaptureFixture[str]) -> None:
    """A wait for the quota or a retry is no failure by itself: --quiet hides it, and no other warning."""
    names = {path.stem for path in Path(cfevents.__file__).parent.rglob("*.py")}
    assert names > WAITING_MODULES
    with log_to_stderr({QUIET: True}):
        for module in (*WAITING_MODULES, "poller"):
            record = logging.LogRecord("cfevents", logging.WARNING, f"{module}.py", 1, "%s warns", (module,), None)
            logging.getLogger("cfevents").handle(record)
    assert capsys.readouterr().err == "cfevents: poller warns\n"
