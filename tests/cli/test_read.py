"""What list, get, latest and connectors print, and what they ask for."""

import json
import pprint
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from click.testing import Result

from cfevents import Connector, structure, unstructure
from cfevents.cli.console.errors import window_text
from cfevents.testing import Simulator, SimulatorThread

Invoke = Callable[..., Result]

WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z")


def records(result: Result) -> list[dict[str, Any]]:
    """Read NDJSON from a command that went well."""
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def listed(simulator: Simulator) -> int:
    """Count the requests for pages."""
    return sum(request.path.endswith("/telemetry/events") for request in simulator.requests)


def test_list_prints_each_event_as_one_json_object_a_line(account: Simulator, invoke: Invoke) -> None:
    first, *rest = records(invoke("list", "site-1", *WINDOW))
    assert list(first.items()) == [
        ("connector_id", "site-1"),
        ("id", "1767225600.0"),
        ("kind", "Init"),
        ("recorded_at", "2026-01-01T00:00:00Z"),
        ("collected_at", "2026-01-01T00:00:31Z"),
        ("recorded_ts", 1767225600),
        ("sequence", 0),
        ("collected_ts", 1767225631),
    ]
    assert [record["id"] for record in rest] == ["1767225660.0", "1767225660.1", "1767225720.0"]


def test_white_space_around_a_pasted_id_is_left_out(account: Simulator, invoke: Invoke) -> None:
    """A line of CSV ends in a carriage return, which `$(...)` leaves at the end of an id."""
    for words in (("get", "site-1\r", "1767225600.0\r"), ("get", " site-1 ", "\t1767225600.0 ")):
        assert invoke(*words).exit_code == 0
    assert invoke("list", "site-1\r", "site-1", "--since", "2026-01-01").stdout.count("\n") == 4


def test_list_prints_aligned_columns_as_a_table(account: Simulator, invoke: Invoke) -> None:
    """With --format table, list prints aligned columns."""
    result = invoke("list", "site-1", *WINDOW, "--format", "table", "--page-size", "3")
    assert result.stdout.splitlines() == [
        "RECORDED (UTC)       ID             LAG      KIND",
        "2026-01-01 00:00:00  1767225600.0   31s      Init",
        "2026-01-01 00:01:00  1767225660.0   0s       RekeyStart",
        "2026-01-01 00:01:00  1767225660.1   -5s      Reconcile",
        "2026-01-01 00:02:00  1767225720.0   3h58m    Novelty",
    ]


def test_list_prints_a_page_before_it_asks_for_the_next_one(account: Simulator, invoke: Invoke) -> None:
    account.add("site-2", *({"e": {"k": "Init"}, "t": 1767225600, "n": n} for n in (0, 1, 2.5)))
    result = invoke("list", "site-2", *WINDOW, "--page-size", "2")
    assert [json.loads(line)["sequence"] for line in result.stdout.splitlines()] == [0, 1]
    assert result.exit_code == 1
    assert "result.items[0].n" in result.stderr
    assert "the window was --since 2026-01-01T00:00:00Z --until 2026-01-01T01:00:00Z" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_failed_window_outside_the_calendar_is_in_seconds() -> None:
    """The window of a failed listing outside the calendar is given in seconds."""
    assert window_text(-99_999_999_999, 0) == "--since -99999999999 --until 1970-01-01T00:00:00Z"


@pytest.mark.parametrize(("limit", "pages"), [("1", 1), ("2", 1), ("3", 2), ("9", 2)])
def test_a_limit_stops_the_listing_without_another_request(
    account: Simulator, invoke: Invoke, limit: str, pages: int
) -> None:
    result = records(invoke("list", "site-1", *WINDOW, "--page-size", "2", "-n", limit))
    assert len(result) == min(int(limit), 4)
    assert listed(account) == pages


def test_several_kinds_are_filtered_from_one_listing(account: Simulator, invoke: Invoke) -> None:
    """One kind is filtered by the API, several are filtered from one listing."""
    one = records(invoke("list", "site-1", *WINDOW, "--kind", "Init"))
    two = records(invoke("list", "site-1", *WINDOW, "--kind", "Init", "--kind", "Reconcile"))
    assert [record["kind"] for record in one + two] == ["Init", "Init", "Reconcile"]
    queries = [request.query for request in account.requests if "from" in request.query]
    assert [query.get("k") for query in queries] == ["Init", None]


@pytest.mark.parametrize(
    ("kind", "nearest"),
    [
        ("Reconciled", "Reconcile"),
        ("rekeystrt", "RekeyStart or RekeyRestart"),
        ("Failure", "'*Failure'"),
        ("rekey", "'rekey*'"),
        ("Rotate", "'*Rotate*'"),
        ("Tunnel", "ConfigureCloudflaredTunnel"),
        ("Fail", "'*Fail*'"),
    ],
)
def test_an_unknown_kind_is_asked_for_all_the_same_with_a_hint(
    account: Simulator, invoke: Invoke, kind: str, nearest: str
) -> None:
    result = invoke("list", "site-1", *WINDOW, "--kind", kind)
    assert (result.exit_code, result.stdout) == (0, "")
    hint = f"cfevents: {kind} is not a documented kind; did you mean {nearest}? It is asked for as written\n"
    assert result.stderr == hint
    assert account.requests[-1].query["k"] == kind


def test_a_kind_unlike_any_other_has_a_nearest_one_too(account: Simulator, invoke: Invoke) -> None:
    result = invoke("list", "site-1", *WINDOW, "--kind", "Novelty", "--kind", "\x1b[31m")
    assert [json.loads(line)["kind"] for line in result.stdout.splitlines()] == ["Novelty"]
    assert result.stderr.count("did you mean ") == 2
    assert "\x1b" not in result.stderr


def test_get_prints_the_event_as_the_api_sent_it(account: Simulator, invoke: Invoke) -> None:
    (record,) = records(invoke("get", "site-1", "1767225720.0"))
    assert list(record.items()) == [
        ("connector_id", "site-1"),
        ("id", "1767225720.0"),
        ("kind", "Novelty"),
        ("recorded_at", "2026-01-01T00:02:00Z"),
        ("recorded_ts", 1767225720),
        ("sequence", 0),
        ("version", "1.2.3"),
        ("event", {"k": "Novelty", "depth": [1, 2]}),
    ]


def test_get_prints_a_table_with_a_line_for_each_field(account: Simulator, invoke: Invoke) -> None:
    result = invoke("get", "site-1", "1767225660.0", "--format", "table")
    assert result.stdout.splitlines() == [
        "FIELD            VALUE",
        "connector        site-1",
        "id               1767225660.0",
        "kind             RekeyStart",
        "recorded (UTC)   2026-01-01 00:01:00",
        "version          -",
        "event.tunnel_id  tunnel-1",
        "event.peer       null",
    ]


def test_latest_prints_payloads_in_the_order_of_the_api(account: Simulator, invoke: Invoke) -> None:
    """The command latest prints events with their payloads, in the order of the API."""
    printed = records(invoke("latest", "site-1"))
    assert [record["id"] for record in printed] == ["1767225720.0", "1767225660.1", "1767225660.0", "1767225600.0"]
    assert printed[2]["event"] == {"k": "RekeyStart", "tunnel_id": "tunnel-1", "peer": None}
    assert set(printed[2]) == set(records(invoke("get", "site-1", "1767225660.0"))[0])
    table = invoke("latest", "site-1", "--format", "table").stdout.splitlines()
    assert table[0] == "RECORDED (UTC)       ID            KIND        PAYLOAD"
    assert table[3] == "2026-01-01 00:01:00  1767225660.0  RekeyStart  tunnel_id=tunnel-1  peer=null"


def test_license_key_of_a_connector_is_shown_nowhere(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A licence key is a credential: it is in the object, and in no repr and no output."""
    raw = {"id": "c1", "license_key": "l1cense-99"}
    connector = structure(raw, Connector)
    assert connector.license_key == unstructure(connector)["license_key"] == "l1cense-99"
    assert "l1cense" not in f"{connector!r}{attrs.asdict(connector)}{pprint.pformat(connector)}"
    with SimulatorThread(Simulator(events={"c1": []}, connectors=[raw])) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        for form in ("ndjson", "table"):
            printed = invoke("connectors", "--format", form)
            assert "c1" in printed.stdout
            assert "l1cense" not in printed.output


def test_license_keys_of_later_editions_are_shown_nowhere(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A licence key is hidden wherever a connector's JSON has one."""
    raw = {
        "id": "c1",
        "device": {"id": "d1", "license_key": "l1cense-99"},
        "licences": [{"license_key": "l1cense-98"}, {"license_key": ["l1cense-97"]}],
    }
    connector = structure(raw, Connector)
    assert unstructure(connector) == raw
    assert "l1cense-9" not in repr(connector).replace("l1cense-97", "")
    with SimulatorThread(Simulator(events={"c1": []}, connectors=[raw])) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        assert "l1cense" not in invoke("connectors", "--format", "ndjson").output


def test_connectors_are_printed_as_the_api_describes_them(account: Simulator, invoke: Invoke) -> None:
    printed = records(invoke("connectors"))
    site = next(record for record in printed if record["id"] == "site-1")
    assert site["device"]["serial_number"].startswith("SIM")
    assert site["interrupt_window_duration_hours"] == 4
    header, *lines = invoke("connectors", "--format", "table").stdout.splitlines()
    assert header.split() == ["ID", "SERIAL", "VERSION", "STATE", "LAST", "HEARTBEAT", "(UTC)", "NOTES"]
    assert any(line.startswith("site-1 ") and site["notes"] in line for line in lines)


def test_times_outside_the_calendar_are_null_or_numbers(account: Simulator, invoke: Invoke) -> None:
    """Times outside the calendar are null in NDJSON, and numbers in a table."""
    account.compare = "a"
    account.add("site-2", {"e": {"k": "Init"}, "t": 400000000000, "n": 0, "a": 1767225600})
    (record,) = records(invoke("list", "site-2", *WINDOW))
    assert (record["recorded_at"], record["recorded_ts"]) == (None, 400000000000)
    (record,) = records(invoke("get", "site-2", record["id"]))
    assert record["recorded_at"] is None
    table = invoke("list", "site-2", *WINDOW, "--format", "table").stdout
    assert table.splitlines()[1].split() == ["400000000000", "400000000000.0", "-4609175d15h", "Init"]


def test_no_text_of_the_api_can_control_the_terminal(account: Simulator, invoke: Invoke) -> None:
    wicked = "\x1b[2J\x07\r\n\u202e\ud800é"
    account.add("site-2", {"e": {"k": wicked, wicked: wicked}, "t": 1767225600, "n": 0, "v": wicked})
    (record,) = records(invoke("list", "site-2", *WINDOW))
    assert record["kind"] == wicked
    for command in (("list", "site-2", *WINDOW), ("latest", "site-2"), ("get", "site-2", "1767225600.0")):
        table = invoke(*command, "--format", "table").stdout
        assert all(line.isprintable() for line in table.splitlines())
        assert "\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}  " in table
        assert "é" in table
