"""Several connectors, and payloads: list, latest and connectors, from the API and from an archive."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from cfevents.testing import faults

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]

SINCE = ("--since", "2026-01-01T00:00:00Z")
WINDOW = (*SINCE, "--until", "2026-01-01T01:00:00Z")
OTHERS = (
    {"e": {"k": "Init"}, "t": 1767225630, "n": 0, "a": 1767225631},
    {"e": {"k": "StartUpgrade", "url": "https://example.com"}, "t": 1767225720, "n": 1, "a": 1767225730},
)
IN_ORDER = [
    ("site-1", "1767225600.0"),
    ("site-2", "1767225630.0"),
    ("site-1", "1767225660.0"),
    ("site-1", "1767225660.1"),
    ("site-1", "1767225720.0"),
    ("site-2", "1767225720.1"),
]


@pytest.fixture(autouse=True)
def _site_2(account: "Simulator") -> None:
    account.add("site-2", *OTHERS)


@pytest.fixture
def archived(invoke: Invoke, tmp_path: Path) -> tuple[str, str]:
    """Give an archive of both, as an option."""
    path = str(tmp_path / "events.db")
    assert invoke("archive", path, "site-1", "site-2", *SINCE, "--details").exit_code == 0
    return "--archive", path


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ids(text: str) -> list[tuple[str, str]]:
    return [(record["connector_id"], record["id"]) for record in records(text)]


def test_several_connectors_are_listed_as_one_that_ascends(account: "Simulator", invoke: Invoke) -> None:
    account.order = "descending"
    result = invoke("list", "site-2", "site-1", *WINDOW)
    assert (result.exit_code, result.stderr) == (0, "")
    assert ids(result.stdout) == IN_ORDER
    assert ids(invoke("list", "site-1", "site-1", *WINDOW).stdout) == ids(invoke("list", "site-1", *WINDOW).stdout)


def test_all_connectors_of_the_account_are_listed(invoke: Invoke) -> None:
    result = invoke("list", "--all", *WINDOW)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [pair for pair in ids(result.stdout) if pair[0].startswith("site-")] == IN_ORDER


def test_a_table_of_several_connectors_says_whose_each_event_is(invoke: Invoke) -> None:
    header, *lines = invoke("list", "site-1", "site-2", *WINDOW, "--format", "table").stdout.splitlines()
    assert header.split() == ["CONNECTOR", "RECORDED", "(UTC)", "ID", "LAG", "KIND"]
    assert [(line.split()[0], line.split()[3]) for line in lines] == IN_ORDER


@pytest.mark.parametrize("limit", [1, 3, 9])
def test_a_limit_counts_the_events_of_all_connectors(invoke: Invoke, archived: tuple[str, str], limit: int) -> None:
    wanted = ("list", "site-1", "site-2", *WINDOW, "-n", str(limit))
    assert ids(invoke(*wanted).stdout) == ids(invoke(*wanted, *archived).stdout) == IN_ORDER[:limit]


def test_failing_connector_is_reported_at_the_end(account: "Simulator", invoke: Invoke) -> None:
    """A connector that fails hides no other, and is reported at the end."""
    for command, count in ((("list", *WINDOW), 4), (("list", *WINDOW, "--details"), 4), (("latest",), 4)):
        result = invoke(*command, "nobody", "site-1")
        assert (result.exit_code, result.stdout.count("\n"), result.stderr.count("\n")) == (1, count, 1)
        assert "could not read 1 of the connectors: no connector is called 'nobody'" in result.stderr
        assert "'cfevents connectors'" in result.stderr


def test_details_have_the_payload_beside_what_is_listed(invoke: Invoke) -> None:
    plain = records(invoke("list", "site-1", *WINDOW).stdout)
    result = invoke("list", "site-1", *WINDOW, "--details")
    assert (result.exit_code, result.stderr) == (0, "")
    detailed = records(result.stdout)
    assert [{**event, "version": None, "event": None} for event in plain] == [
        {**event, "version": None, "event": None} for event in detailed
    ]
    assert [event["version"] for event in detailed] == ["1.2.3", None, None, "1.2.3"]
    assert detailed[1]["event"] == {"k": "RekeyStart", "tunnel_id": "tunnel-1", "peer": None}
    table = invoke("list", "site-1", *WINDOW, "--details", "--format", "table").stdout.splitlines()
    assert table[0].split()[-1] == "EVENT"
    assert table[2].endswith("0s       RekeyStart  tunnel_id=tunnel-1  peer=null")


def test_details_of_several_connectors_come_in_the_same_order(invoke: Invoke) -> None:
    result = invoke("list", "site-1", "site-2", *WINDOW, "--details")
    assert ids(result.stdout) == IN_ORDER
    assert records(result.stdout)[-1]["event"] == {"k": "StartUpgrade", "url": "https://example.com"}


def test_a_limit_asks_for_few_payloads_that_are_not_printed(account: "Simulator", invoke: Invoke) -> None:
    account.add("site-3", *({"e": {"k": "Init"}, "t": 1767225600, "n": number} for number in range(90)))
    account.faults.add(faults.stall(seconds=0.3), path="/events/1767225600.0")
    assert invoke("list", "site-3", *WINDOW, "--details", "-n", "1").stdout.count("\n") == 1
    assert len(account.requests) < 5


def test_an_event_whose_payload_is_gone_is_listed_without(account: "Simulator", invoke: Invoke) -> None:
    account.faults.add(faults.status(404), path="/events/1767225630.0")
    (first, *_) = records(invoke("list", "site-2", *WINDOW, "--details").stdout)
    assert (first["id"], first["version"], first["event"]) == ("1767225630.0", None, None)


@pytest.mark.parametrize(
    "command",
    [
        ("list", "site-1", "site-2", *WINDOW),
        ("list", "site-2", "site-1", *WINDOW, "--details"),
        ("list", "site-1", *WINDOW, "--details", "--kind", "RekeyStart"),
        ("list", "site-1", "site-2", *WINDOW, "--kind", "Init", "--format", "table"),
        ("latest", "site-2", "site-1"),
        ("latest", "site-2", "site-1", "--format", "table"),
    ],
)
def test_an_archive_is_printed_as_the_api_is(
    account: "Simulator", invoke: Invoke, archived: tuple[str, str], command: tuple[str, ...]
) -> None:
    expected = invoke(*command)
    assert (expected.exit_code, expected.stderr) == (0, "")
    account.requests.clear()
    result = invoke(*command, *archived)
    assert (result.exit_code, result.stderr, result.stdout) == (0, "", expected.stdout)
    assert account.requests == []


def test_all_of_an_archive_is_what_it_has(invoke: Invoke, archived: tuple[str, str]) -> None:
    assert ids(invoke("list", "--all", *WINDOW, *archived).stdout) == IN_ORDER
    assert {owner for owner, _ in ids(invoke("latest", "--all", *archived).stdout)} == {"site-1", "site-2"}
    assert [record["id"] for record in records(invoke("connectors", *archived).stdout)] == ["site-1", "site-2"]


def test_merged_archive_is_complete_and_ascends(account: "Simulator", invoke: Invoke, tmp_path: Path) -> None:
    """A merged archive is complete and ascends, however long it is."""
    for number, site in enumerate(("site-3", "site-4", "site-5")):
        events = ({"e": {"k": "Init"}, "t": 1767225600 + 3 * index + number, "n": 0} for index in range(800))
        account.add(site, *events)
    account.add("site-6")
    sites, path = ("site-3", "site-4", "site-5"), str(tmp_path / "long.db")
    assert invoke("archive", path, *sites, "site-6", *SINCE).exit_code == 0
    result = invoke("list", "--all", *WINDOW, "--archive", path)
    assert [record["recorded_ts"] for record in records(result.stdout)] == list(range(1767225600, 1767228000))


def test_a_connector_that_an_archive_lacks_hides_no_other(invoke: Invoke, archived: tuple[str, str]) -> None:
    for command in (("list", *WINDOW), ("latest",)):
        result = invoke(*command, "site-2", "nobody", *archived)
        assert (result.exit_code, result.stdout.count("\n"), result.stderr.count("\n")) == (1, 2, 1)
        assert (
            "the archive has nothing of nobody; it has site-1 (SIM1894260, Singapore office), site-2 (" in result.stderr
        )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("list", "--simulate"), "--simulate and --archive exclude each other"),
        (("get", "site-1", "1767225600.0", "--simulate"), "--simulate and --archive exclude each other"),
        (("connectors", "--simulate"), "--simulate and --archive exclude each other"),
        (("list", "site-1", "--page-size", "5"), "--page-size is for the API"),
    ],
)
def test_what_an_archive_has_no_use_for_is_wrong_usage(
    invoke: Invoke, archived: tuple[str, str], args: tuple[str, ...], message: str
) -> None:
    for given in ((*args, *archived), (args[0], *archived, *args[1:])):
        result = invoke(*given)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr


@pytest.mark.parametrize("command", ["list", "latest"])
def test_connectors_and_all_cannot_be_meant_together(account: "Simulator", invoke: Invoke, command: str) -> None:
    for args, message in ((("site-1", "--all"), "exclude each other"), ((), "--all selects all")):
        result = invoke(command, *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr.replace("\n", " ")
    assert account.requests == []


def test_latest_of_several_come_connector_by_connector(invoke: Invoke) -> None:
    """The latest events of several connectors come connector by connector."""
    printed = ids(invoke("latest", "site-2", "site-1").stdout)
    assert [owner for owner, _ in printed] == ["site-2"] * 2 + ["site-1"] * 4
    table = invoke("latest", "site-2", "site-1", "--format", "table").stdout.splitlines()
    assert table[0].split() == ["CONNECTOR", "RECORDED", "(UTC)", "ID", "EVENT"]
    assert table[1].endswith("1767225720.1   StartUpgrade  url=https://example.com")
