"""What export writes, and that what was interrupted ends as if it had not been."""

import asyncio
import csv
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from support.terminal import shown_by

from cfevents import Client
from cfevents._files import FileLock
from cfevents.testing import Simulator, SimulatorThread, faults

if TYPE_CHECKING:
    import subprocess

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

BEGIN = 1767225600
WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T06:00:00Z")
EVENTS: list[dict[str, Any]] = [
    {"e": {"k": "Init"}, "t": BEGIN, "n": 0, "a": BEGIN + 31, "v": "1.2.3"},
    {"e": {"k": "RekeyStart", "tunnel_id": "tunnel-1", "peer": None}, "t": BEGIN + 60, "n": 0, "a": BEGIN + 60},
    {"e": {"k": "Novelty", "depth": [1, 2]}, "t": BEGIN + 120, "n": 0, "a": BEGIN + 14400, "v": "1.2.3"},
]
KILLS = int(os.environ.get("CFEVENTS_KILLS", "10")) // 3
NAMES = ("events.ndjson", "events.csv", "events.parquet")


def event(at: int, number: int = 0, kind: str = "StartUpgrade") -> dict[str, Any]:
    payload = {"k": kind, "url": f"https://u/{at}", "more": [at, "\ud800"]}
    return {"e": payload, "t": BEGIN + at, "n": number, "a": BEGIN + at + 3, "v": "1.2.3"}


@pytest.fixture
def account(serve: Callable[..., Simulator]) -> Simulator:
    """An account with one connector."""
    return serve({"site-1": EVENTS})


@pytest.fixture
def many(account: Simulator) -> Simulator:
    """Two connectors with 60 events each, of which the API gives ten at a time."""
    account.max_page_size = 10
    for name in ("many-1", "many-2"):
        account.add(name, *(event(at * 60, at % 2) for at in range(60)))
    return account


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(invoke: Invoke, *args: str) -> str:
    """Run an export that goes well; what it says."""
    result = invoke("export", *args)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def lists(simulator: Simulator) -> int:
    """Count the requests for pages."""
    return sum(request.path.endswith("/telemetry/events") for request in simulator.requests)


def test_export_with_a_wrong_id_says_how_to_restart(many: Simulator, invoke: Invoke, folder: Path) -> None:
    """An export that meets a wrong id says how to start again without it."""
    del many
    result = invoke("export", "events.csv", "many-1", "nobody", *WINDOW)
    assert result.exit_code == 1
    message = (
        "60 events are kept in events.csv.export; run the same command to resume, or add --restart to change the ids\n"
    )
    assert result.stderr.startswith(f"cfevents: {message}")
    assert invoke("export", "events.csv", "many-1", *WINDOW, "--restart").exit_code == 0
    assert len((folder / "events.csv").read_text().splitlines()) == 61


def test_ndjson_has_the_lines_that_list_prints(many: Simulator, invoke: Invoke, folder: Path) -> None:
    assert export(invoke, "events.ndjson", "many-1", *WINDOW) == "60 events in events.ndjson\n"
    assert (folder / "events.ndjson").read_text() == invoke("list", "many-1", *WINDOW).stdout
    assert [path.name for path in folder.iterdir()] == ["events.ndjson"]


def test_ndjson_has_payloads_if_they_are_wanted(account: Simulator, invoke: Invoke, folder: Path) -> None:
    export(invoke, "events.jsonl", "site-1", *WINDOW, "--details")
    listed = [json.loads(line) for line in invoke("list", "site-1", *WINDOW).stdout.splitlines()]
    recorded = [json.loads(invoke("get", "site-1", event["id"]).stdout) for event in listed]
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert lines == [one | other for one, other in zip(listed, recorded, strict=True)]


def test_csv_follows_rfc_4180_and_keeps_text(account: Simulator, invoke: Invoke, folder: Path) -> None:
    """CSV follows RFC 4180, and keeps every text as it is."""
    wicked = '=cmd|"x", \r\nline'
    account.add(
        "site-2", {"e": {"k": wicked}, "t": 1767225600, "n": 0}, {"e": {"k": "\ud800é"}, "t": 1767225601, "n": 0}
    )
    export(invoke, "events.csv", "site-1", "site-2", *WINDOW)
    data = (folder / "events.csv").read_bytes()
    assert data.startswith(
        b"connector_id,id,recorded_at,collected_at,sequence,kind\r\n"
        b"site-1,1767225600.0,2026-01-01T00:00:00Z,2026-01-01T00:00:31Z,0,Init\r\n"
    )
    assert b',"=cmd|""x"", \r\nline"\r\n' in data
    rows = [*csv.reader(data.decode().splitlines(keepends=True))]
    assert [row[-1] for row in rows[-2:]] == [wicked, "\\ud800é"]


def test_csv_has_the_columns_of_a_table(account: Simulator, invoke: Invoke, folder: Path) -> None:
    account.add("site-1", {"e": {"k": "Init"}, "t": 1767225900.5, "n": 0})
    for details in ((), ("--details",)):
        export(invoke, "events.csv", "site-1", *WINDOW, *details)
        export(invoke, "events.parquet", "site-1", *WINDOW, *details)
        table = pq.read_table(folder / "events.parquet")
        with (folder / "events.csv").open(newline="") as file:
            rows = [*csv.DictReader(file)]
        texts = [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in table.to_pylist()
        ]
        for row in rows:
            for name in ("recorded_at", "collected_at"):
                row[name] = row[name].replace("T", " ").replace("Z", "+00:00")
        assert rows == texts
        assert list(rows[0]) == table.schema.names


def test_parquet_is_the_table_that_a_stream_makes(account: Simulator, invoke: Invoke, folder: Path) -> None:
    account.add("site-1", {"e": {"k": "\ud800", "deep": {"x": None}}, "t": 1767225900, "n": 7, "a": 1e13})

    async def tables() -> list[pa.Table]:
        async with Client() as client:
            stream = client.list_events("site-1", since=WINDOW[1], until=WINDOW[3])
            return [await stream.to_arrow(), await stream.details().to_arrow()]

    for details, table in zip(((), ("--details",)), asyncio.run(tables()), strict=True):
        export(invoke, "events.parquet", "site-1", *WINDOW, *details)
        stored = pq.read_table(folder / "events.parquet")
        assert stored.schema.field("kind").type == pa.string()
        assert stored.equals(table.cast(stored.schema))


@pytest.mark.parametrize("name", NAMES)
def test_without_events_there_is_a_file_all_the_same(
    account: Simulator, invoke: Invoke, folder: Path, name: str
) -> None:
    account.add("silent")
    assert export(invoke, name, "silent", *WINDOW) == f"0 events in {name}\n"
    assert [path.name for path in folder.iterdir()] == [name]
    if name == "events.parquet":
        assert len(pq.read_table(name)) == 0


def test_connectors_come_one_after_the_other_and_each_once(many: Simulator, invoke: Invoke, folder: Path) -> None:
    export(invoke, "events.csv", "many-2", "many-1", "many-2", *WINDOW)
    owners = [line.split(",")[0] for line in (folder / "events.csv").read_text().splitlines()[1:]]
    assert owners == ["many-2"] * 60 + ["many-1"] * 60
    ids = [json.loads(line)["id"] for line in invoke("connectors").stdout.splitlines()]
    export(invoke, "all.csv", "--all", *WINDOW, "--kind", "StartUpgrade", "--kind", "Init")
    owners = [line.split(",")[0] for line in (folder / "all.csv").read_text().splitlines()[1:]]
    assert list(dict.fromkeys(owners)) == [connector_id for connector_id in ids if connector_id in owners]
    assert {"site-1", "many-1", "many-2"} <= {*owners}


def test_stdout_takes_what_can_be_written_line_by_line(many: Simulator, invoke: Invoke, folder: Path) -> None:
    assert export(invoke, "-", "many-1", *WINDOW) == invoke("list", "many-1", *WINDOW).stdout
    assert export(invoke, "-", "many-1", *WINDOW, "--format", "csv").count("\n") == 61
    result = invoke("export", "-", "many-1", "--format", "parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("details", [(), ("--details",)])
@pytest.mark.parametrize("name", NAMES)
def test_failed_export_resumes_to_the_same_file(
    many: Simulator, invoke: Invoke, folder: Path, name: str, details: tuple[str, ...]
) -> None:
    """An export that failed resumes with the same command, and ends with the same file."""
    args = ("many-1", "many-2", *WINDOW, *details)
    export(invoke, f"undisturbed-{name}", *args)
    many.requests.clear()
    path = "/many-2/telemetry/events/1767227400.0" if details else "/many-2/telemetry/events"
    many.faults.add(faults.status(403), path=path, on=range(1 if details else 4, 99))
    failed = invoke("export", name, *args)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert f" events are kept in {name}.export; run the same command to resume\n" in failed.stderr
    assert not (folder / name).exists()
    count = int(failed.stderr.split()[1])
    assert 60 <= count < 120
    many.faults.clear()
    many.requests.clear()
    again = invoke("export", name, *args)
    assert (again.exit_code, again.stdout) == (0, f"120 events in {name}\n")
    assert again.stderr == (
        f"cfevents: resuming after {count} events, --since 2026-01-01T00:00:00Z --until 2026-01-01T06:00:00Z\n"
    )
    assert not any("many-1" in request.path for request in many.requests)
    assert (folder / name).read_bytes() == (folder / f"undisturbed-{name}").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, f"undisturbed-{name}"])


TODAY = ("today", "tonight", "--since", "24h")


@pytest.fixture
def halfway(many: Simulator, invoke: Invoke) -> Simulator:
    """An export of the last day to ``events.csv``, which failed after the first of two connectors."""
    for name in TODAY[:2]:
        many.add(name, *(event(int(time.time()) - BEGIN - 23 * 3600 + at * 1800) for at in range(20)))
    many.faults.add(faults.status(403), path="/tonight/telemetry/events")
    failed = invoke("export", "events.csv", *TODAY)
    assert failed.stderr.startswith(
        "cfevents: 20 events are kept in events.csv.export; run the same command to resume\n"
    )
    many.faults.clear()
    many.requests.clear()
    return many


def test_the_window_stays_what_it_was_at_first(
    halfway: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    monkeypatch.setattr("cfevents._time.now", lambda: began + 3600)
    halfway.add("tonight", event(int(began) - BEGIN + 1800))
    assert invoke("export", "events.csv", *TODAY).stdout == "40 events in events.csv\n"
    windows = [request.query for request in halfway.requests if "to" in request.query]
    assert max(int(window["to"]) for window in windows) <= began + 1


def test_yesterday_stays_the_day_it_was_at_first(
    many: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export of yesterday that is resumed on the next day is of the same day; in another zone it is another one."""
    many.add("tonight", event(0))
    many.faults.add(faults.status(403), path="/tonight/telemetry/events")
    args = ("export", "events.csv", "many-1", "tonight", "--since", "yesterday")
    monkeypatch.setattr(time, "time", lambda: BEGIN + 86_400.0)
    assert invoke(*args).exit_code == 1
    many.faults.clear()
    monkeypatch.setattr(time, "time", lambda: BEGIN + 2 * 86_400.0)
    assert "there --tz UTC, here --tz Asia/Tokyo" in invoke(*args, "--tz", "Asia/Tokyo").stderr
    assert invoke(*args).stdout == "61 events in events.csv\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((*TODAY[:3], "48h"), "there --since 24h, here --since 48h"),
        ((*TODAY, "--until", "1h"), "there no --until, here --until 1h"),
        (TODAY[1:], "there CONNECTOR today tonight, here CONNECTOR tonight"),
        (("--all", *TODAY[2:]), "there CONNECTOR today tonight, here CONNECTOR --all"),
        ((*TODAY, "--kind", "Init"), "there no --kind, here --kind Init"),
        ((*TODAY, "--details"), "there no --details, here --details"),
        ((*TODAY, "--format", "ndjson"), "there --format csv, here --format ndjson"),
        ((*TODAY[2:], "--simulate"), "there CONNECTOR today tonight, here CONNECTOR 835529f6-"),
    ],
)
def test_what_goes_on_has_to_be_what_was_begun(
    halfway: Simulator, invoke: Invoke, folder: Path, args: tuple[str, ...], message: str
) -> None:
    result = invoke("export", "events.csv", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "--restart" in result.stderr
    assert result.stderr.count("\n") == 1
    assert invoke("export", "events.csv", *TODAY).stdout == "40 events in events.csv\n"


def test_times_without_a_zone_are_read_in_the_one_that_is_named(
    account: Simulator, invoke: Invoke, folder: Path
) -> None:
    window = ("--since", "2026-01-01 01:00", "--until", "2026-01-01 01:01", "--tz", "Europe/Berlin")
    assert invoke("export", "events.csv", "site-1", *window).stdout == "2 events in events.csv\n"


def test_on_a_terminal_it_shows_how_far_it_came(many: Simulator, folder: Path) -> None:
    many.faults.add(faults.stall(seconds=0.6), path="/many-2/telemetry/events", on=1)
    args = ("export", "events.csv", "many-1", "many-2", *WINDOW)
    shown = shown_by(args, {"stdout": None, "stderr": None}, {})
    assert "━" * 15 + "─" * 15 + "  50%, 60 events" in shown
    assert shown.endswith("120 events in events.csv\n")


def test_the_window_may_be_given_as_a_failure_tells_it(halfway: Simulator, invoke: Invoke) -> None:
    halfway.faults.add(faults.status(403), path="/tonight/telemetry/events")
    message = invoke("export", "events.csv", *TODAY).stderr.splitlines()[0]
    window = message.partition(" events, ")[2].split()
    assert [window[0], window[2]] == ["--since", "--until"]
    halfway.faults.clear()
    assert invoke("export", "events.csv", *TODAY[:2], *window).stdout == "40 events in events.csv\n"


def test_what_was_gathered_can_be_thrown_away(halfway: Simulator, invoke: Invoke, folder: Path) -> None:
    assert export(invoke, "events.csv", "many-1", *WINDOW, "--restart") == "60 events in events.csv\n"
    assert (folder / "events.csv").read_text().count("\n") == 61
    assert export(invoke, "events.csv", "many-2", *WINDOW, "--restart") == "60 events in events.csv\n"


def test_file_is_replaced_only_when_the_new_one_is_complete(many: Simulator, invoke: Invoke, folder: Path) -> None:
    """A file is replaced when the new one is complete, and not before."""
    path = folder / "events.csv"
    path.write_text("as it was")
    many.faults.add(faults.status(403), path="/many-1/telemetry/events", on=range(4, 99))
    assert invoke("export", "events.csv", "many-1", *WINDOW).exit_code == 1
    assert path.read_text() == "as it was"
    many.faults.clear()
    assert invoke("export", "events.csv", "many-1", *WINDOW).exit_code == 0
    assert path.read_text().count("\n") == 61


def test_what_could_not_begin_leaves_nothing(many: Simulator, invoke: Invoke, folder: Path) -> None:
    result = invoke("export", "events.csv", "nobody", *WINDOW)
    assert result.exit_code == 1
    assert "'cfevents connectors'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert [*folder.iterdir()] == []


@pytest.mark.usefixtures("halfway")
def test_what_was_only_half_written_does_not_count(invoke: Invoke, folder: Path) -> None:
    with (folder / "events.csv.export" / "data").open("ab") as file:
        file.write(b"today,17672" * 1000)
    assert invoke("export", "events.csv", *TODAY).exit_code == 0
    rows = (folder / "events.csv").read_text().splitlines()
    assert len({tuple(row.split(",")[:2]) for row in rows}) == len(rows) == 41


@pytest.mark.parametrize("damage", ["cut", "gone", "no JSON", "newer", "other"])
def test_what_is_damaged_is_told_with_what_to_do(halfway: Simulator, invoke: Invoke, folder: Path, damage: str) -> None:
    data, progress = (folder / "events.csv.export" / name for name in ("data", "progress.json"))
    saved = json.loads(progress.read_text())
    if damage in {"cut", "gone"}:
        os.truncate(data, 100) if damage == "cut" else data.unlink()
    else:
        newer, other = json.dumps(saved | {"version": 2}), json.dumps(saved | {"connectors": [1]})
        progress.write_text({"newer": newer, "other": other}.get(damage, "{"))
    before = progress.read_text()
    result = invoke("export", "events.csv", *TODAY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "events.csv.export is damaged" in result.stderr
    assert result.stderr.endswith("--restart throws it away\n")
    assert progress.read_text() == before
    assert export(invoke, "events.csv", *TODAY, "--restart") == "40 events in events.csv\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_was_put_in_its_place_and_not_tidied_away_is_whole(
    many: Simulator, invoke: Invoke, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfevents._export.staging import Staging  # noqa: PLC0415 - no public name

    def crash(_: Staging) -> None:
        raise OSError(5, "crashed")

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "_remove", crash)
        assert invoke("export", name, "many-1", *WINDOW).exit_code == 1
    data = (folder / name).read_bytes()
    many.requests.clear()
    result = invoke("export", name, "many-1", *WINDOW)
    assert (result.exit_code, result.stdout) == (0, f"60 events in {name}\n")
    assert [request.path.rpartition("/")[2] for request in many.requests] == ["connectors"]
    assert (folder / name).read_bytes() == data
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_folder_of_the_same_name_keeps_what_is_not_the_exports(many: Simulator, invoke: Invoke, folder: Path) -> None:
    (folder / "events.csv.export").mkdir()
    (folder / "events.csv.export" / "mine").touch()
    assert export(invoke, "events.csv", "many-1", *WINDOW) == "60 events in events.csv\n"
    assert [path.name for path in (folder / "events.csv.export").iterdir()] == ["mine"]


def test_two_processes_do_not_export_to_one_file(many: Simulator, invoke: Invoke, folder: Path) -> None:
    (folder / "events.csv.export").mkdir()
    held = FileLock(folder / "events.csv.export" / "lock", busy="it is ours")
    held.acquire()
    result = invoke("export", "events.csv", "many-1", *WINDOW)
    held.release()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "another process exports to " in result.stderr
    assert export(invoke, "events.csv", "many-1", *WINDOW) == "60 events in events.csv\n"


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (("events.txt", "many-1"), 2, "does not tell its format: use the suffix .parquet, .csv, .ndjson, .jsonl"),
        (("events.csv.gz", "many-1"), 2, "or --format"),
        (("events.csv",), 2, "CONNECTOR is missing"),
        (("events.csv", "many-1", "--since", "soon"), 2, "--since soon is not a time"),
        (("events.csv", "many-1", "--kind", ""), 2, "kind is empty"),
        (("events.csv", ".."), 2, "CONNECTOR '..' is not"),
        (("-", "many-1", "--restart"), 2, "--restart needs a file"),
        (("nowhere/events.csv", "many-1"), 2, "nowhere does not exist: make it first"),
        ((os.devnull, "many-1", "--format", "csv"), 1, "is no plain file"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_asked(
    many: Simulator, invoke: Invoke, args: tuple[str, ...], status: int, message: str
) -> None:
    folder = Path.cwd()
    result = invoke("export", *args)
    assert (result.exit_code, result.stdout) == (status, "")
    assert message in result.stderr
    assert (many.requests, [*folder.iterdir()]) == ([], [])


def test_without_pyarrow_it_is_told_which_extra_parquet_needs(
    many: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = invoke("export", "events.parquet", "many-1", *WINDOW)
    assert (result.exit_code, many.requests) == (2, [])
    assert result.stderr.endswith("pip install 'cfevents[arrow]'\n")
    assert export(invoke, "events.csv", "many-1", *WINDOW, "--details") == "60 events in events.csv\n"


def test_a_disk_that_is_full_is_one_line_and_loses_nothing(
    many: Simulator, invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfevents._export import staging  # noqa: PLC0415 - no public name

    written = iter([None] * 4)

    def replace(path: Path, data: bytes) -> None:
        if next(written, path) is not None:
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr(staging, "atomic_write", replace)
        result = invoke("export", "events.csv", "many-1", *WINDOW)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "progress.json cannot be written: the disk is full" in result.stderr
    assert "run the same command to resume" in result.stderr
    assert invoke("export", "events.csv", "many-1", *WINDOW).exit_code == 0
    assert len({*(folder / "events.csv").read_text().splitlines()}) == 61


@pytest.mark.parametrize("name", NAMES)
def test_archive_is_exported_like_the_api_without_requests(
    many: Simulator, invoke: Invoke, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive is exported as the API is, without a request."""
    invoke("archive", "events.db", "many-1", "many-2", *WINDOW[:2], "--details")
    for details in ((), ("--details",)):
        export(invoke, f"asked-{name}", "many-1", "many-2", *WINDOW, *details)
        many.requests.clear()
        export(invoke, name, "--all", "--archive", "events.db", *WINDOW, *details)
        assert (folder / name).read_bytes() == (folder / f"asked-{name}").read_bytes()
        assert many.requests == []


@pytest.mark.parametrize("details", [(), ("--details",)])
def test_what_was_interrupted_of_an_archive_goes_on_too(
    details: tuple[str, ...], many: Simulator, invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfevents._export import staging  # noqa: PLC0415 - no public name
    from cfevents._listing import details as listed  # noqa: PLC0415 - no public name
    from cfevents.storage import ArchivedStream, archive  # noqa: PLC0415 - no public name

    monkeypatch.setattr(archive, "ArchivedStream", partial(ArchivedStream, page_events=7))
    monkeypatch.setattr(listed, "_BATCH_EVENTS", 7)
    invoke("archive", "events.db", "many-1", *WINDOW[:2], *details)
    args = ("events.csv", "--archive", "events.db", *WINDOW, *details)
    real, left = staging.Staging.add, [5]

    def add(self: staging.Staging, data: bytes, progress: staging.ExportProgress) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(self, data, progress)

    with monkeypatch.context() as patch:
        patch.setattr(staging.Staging, "add", add)
        result = invoke("export", *args)
    assert result.exit_code == 130
    assert result.stderr == "cfevents: 21 events are kept in events.csv.export; run the same command to resume\n"
    assert invoke("export", *args).stdout == "60 events in events.csv\n"
    assert export(invoke, "undisturbed.csv", "many-1", *WINDOW, *details) == "60 events in undisturbed.csv\n"
    assert (folder / "events.csv").read_bytes() == (folder / "undisturbed.csv").read_bytes()


def test_ctrl_c_ends_it_with_130_and_says_how_to_go_on(many: Simulator, start: Start, folder: Path) -> None:
    many.faults.add(faults.stall(), path="/many-2/telemetry/events")
    exporting = start("export", "events.csv", "many-1", "many-2", *WINDOW)
    while not many.faults.struck:
        time.sleep(0.01)
    exporting.send_signal(signal.SIGINT)
    printed, stderr = exporting.communicate(timeout=30)
    assert (exporting.returncode, printed) == (130, "")
    assert stderr == "cfevents: 60 events are kept in events.csv.export; run the same command to resume\n"
    assert not (folder / "events.csv").exists()


@pytest.mark.parametrize("before", [None, "as it was"])
@pytest.mark.parametrize("name", NAMES)
def test_export_through_a_link_replaces_its_target(
    many: Simulator, invoke: Invoke, folder: Path, name: str, before: str | None
) -> None:
    """A link to a volume stays; the folder of an interrupted export is on that volume too."""
    real = folder / "volume" / f"real-{name}"
    real.parent.mkdir()
    if before is not None:
        real.write_text(before)
        real.chmod(0o600)
    (folder / name).symlink_to(real)
    many.faults.add(faults.status(403), path="/many-2/telemetry/events")
    failed = invoke("export", name, "many-1", "many-2", *WINDOW)
    assert failed.stderr.startswith(f"cfevents: 60 events are kept in {real.name}.export; run the same command")
    assert [path.name for path in folder.iterdir() if path.suffix == ".export"] == []
    assert (folder / "volume" / f"{real.name}.export").stat().st_mode & 0o777 == 0o700
    many.faults.clear()
    assert invoke("export", name, "many-1", "many-2", *WINDOW).stdout == f"120 events in {name}\n"
    assert (folder / name).is_symlink()
    assert real.stat().st_size > 1000
    assert before is None or real.stat().st_mode & 0o777 == 0o600
    assert [*real.parent.iterdir()] == [real]


PREPARED = ["", "data", "lock", "progress.json", "progress.json.new", "whole.parquet", "whole.parquet.new"]


@pytest.mark.parametrize("prepared", PREPARED)
def test_prepared_folder_of_an_export_is_refused(
    account: Simulator, invoke: Invoke, folder: Path, prepared: str
) -> None:
    """A link in the place of the folder, or of a file in it, may lead anywhere: nothing is written through it."""
    del account
    precious = folder / "precious" / "data"
    precious.parent.mkdir()
    precious.write_text("kept")
    link = folder / "x.parquet.export" / prepared
    if prepared:
        link.parent.mkdir(mode=0o777)
    link.symlink_to(precious if prepared else precious.parent)
    for more in ((), ("--restart",)):
        result = invoke("export", "x.parquet", "site-1", *WINDOW, *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "cannot be used: it was not made by an export" in result.stderr
    assert [path.read_text() for path in precious.parent.iterdir()] == ["kept"]
    assert not (folder / "x.parquet").exists()


def test_exported_ids_are_read_as_the_page_says(account: Simulator, invoke: Invoke, folder: Path) -> None:
    """The events 1 and 10 of a second stay two, however they are read."""
    account.add("site-9", *(event(0, number) for number in (1, 10)))
    for name in NAMES:
        export(invoke, name, "site-9", *WINDOW)
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)
    read = [name for name, value in names.items() if hasattr(value, "columns")]
    assert len(read) >= 3
    for name in read:
        assert [*names[name]["id"]] == [f"{BEGIN}.1", f"{BEGIN}.10"], name


def crowd() -> Iterator[tuple[str, dict[str, Any]]]:
    random = Random(1)
    for name in ("c1", "c2", "c3"):
        for second in sorted(random.sample(range(6 * 3600), 80)):
            yield name, event(second, random.randrange(3))


@pytest.mark.once
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.timeout(60 + 6 * KILLS)
@pytest.mark.parametrize("name", NAMES[1:])
def test_export_killed_repeatedly_ends_the_same(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, run: Run, start: Start
) -> None:
    """An export that was killed again and again ends as if it had not been."""
    random, simulator = Random(name), Simulator(events={"c1": [], "c2": [], "c3": []}, quota=10**7, max_page_size=10)
    for connector, events in crowd():
        simulator.add(connector, events)
    with SimulatorThread(simulator):
        for variable, value in simulator.environment.items():
            monkeypatch.setenv(variable, value)
        args = ("c1", "c2", "c3", *WINDOW, "--details")
        assert run("export", f"undisturbed-{name}", *args).returncode == 0
        for _ in range(max(KILLS, 3)):
            exporting = start("export", name, *args)
            while exporting.poll() is None and not (folder / f"{name}.export" / "data").exists():
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.4))
            exporting.kill()
            exporting.communicate()
        ended = run("export", name, *args)
    assert ended.returncode == 0, ended.stderr
    assert (folder / name).read_bytes() == (folder / f"undisturbed-{name}").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, f"undisturbed-{name}"])
