"""How commands fail: what stderr says in how many lines, and the exit status."""

import io
import logging
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

import cfevents
from cfevents.cli.console.errors import Failure
from cfevents.testing import faults

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]

CALLS = (("list", "site-1"), ("get", "site-1", "1767225600.0"), ("latest", "site-1"), ("connectors",))


def one_line(result: Result) -> str:
    """Give the one line of stderr."""
    assert result.stdout == ""
    assert result.stderr.startswith("cfevents: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize("call", CALLS)
def test_missing_credentials_are_wrong_usage(invoke: Invoke, call: tuple[str, ...]) -> None:
    """Missing credentials are wrong usage, and the message offers --simulate."""
    result = invoke(*call)
    assert result.exit_code == 2
    assert "CLOUDFLARE_API_TOKEN" in one_line(result)
    assert "--simulate" in result.stderr


def test_a_missing_account_is_wrong_usage(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "env-token-77aa")
    result = invoke("connectors")
    assert result.exit_code == 2
    assert "CLOUDFLARE_ACCOUNT_ID" in one_line(result)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CLOUDFLARE_BASE_URL", "http://example.com", "CLOUDFLARE_BASE_URL would send the credentials to example.com"),
        ("CLOUDFLARE_BASE_URL", "example.com/client/v4", "CLOUDFLARE_BASE_URL must be an absolute URL, such as https"),
        ("CLOUDFLARE_API_TOKEN", "Bearer abc", "CLOUDFLARE_API_TOKEN holds white space"),
        ("ALL_PROXY", "socks5://127.0.0.1:1", "a socks5 proxy, and only http and https work: unset ALL_PROXY"),
    ],
    ids=repr,
)
def test_a_wrong_setting_is_named_as_the_user_set_it(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    """A setting of the environment that is wrong is named by its variable, without the advice for no account."""
    for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv(variable, value)
    result = invoke("connectors")
    assert result.exit_code == 2
    assert says in one_line(result)
    assert "--simulate" not in result.stderr


@pytest.mark.parametrize("call", CALLS)
def test_wrong_token_names_the_permission(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, call: tuple[str, ...]
) -> None:
    """A wrong token is a failure that names the permission, and not the token."""
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "env-token-77aa")
    result = invoke(*call)
    assert result.exit_code == 1
    assert "'Magic WAN Read'" in one_line(result)
    assert "401" in result.stderr
    assert "env-token-77aa" not in result.stderr


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (faults.wrong_token("malformed"), "cfevents: the credentials are refused: check CLOUDFLARE_API_TOKEN"),
        (faults.wrong_token("unknown"), "cfevents: access is refused: check that the token exists"),
        (faults.status(403, "text"), "cfevents: this is not the API's own answer"),
        (
            faults.status(404, code=7003),
            "cfevents: no such address: check CLOUDFLARE_BASE_URL, which ends with /client/v4",
        ),
        (faults.status(429, retry_after=600), "Retry-After: 600 s; wait 660 s before the next request"),
    ],
    ids=repr,
)
def test_refusal_blames_what_is_to_blame(account: "Simulator", invoke: Invoke, fault: faults.Fault, says: str) -> None:
    account.faults.add(fault)
    result = invoke("connectors")
    assert result.exit_code == 1
    assert says in re.sub(r" \(CF-Ray [^)]*\)", "", one_line(result))


@pytest.mark.parametrize(
    ("call", "command"),
    [
        (("list", "nobody"), "'cfevents connectors'"),
        (("latest", "nobody"), "'cfevents connectors'"),
        (("get", "site-1", "1.0"), "'cfevents list site-1 --since 7d'"),
        (("list", "nobody", "--simulate"), "'cfevents connectors --simulate'"),
        (("get", "1.0", "--simulate"), "--since 7d --simulate'"),
    ],
)
def test_unknown_id_is_a_failure_with_advice(
    account: "Simulator", invoke: Invoke, call: tuple[str, ...], command: str
) -> None:
    """An id that does not exist is a failure that says where to look, in a command that runs as it stands."""
    result = invoke(*call)
    assert result.exit_code == 1
    assert command in one_line(result)


@pytest.mark.parametrize(
    ("call", "start"),
    [
        (
            ("list", "site-2"),
            "no connector is called 'site-2'; the nearest is site-1 (",
        ),
        (("latest", "öst 1"), "no connector is called 'öst 1'; 'cfevents connectors' lists them ("),
        (("list", "all"), "no connector is called 'all'; --all selects all; 'cfevents connectors' lists them ("),
        (("list", "site-1,b"), "no connector is called 'site-1,b'; write several with a space between them"),
        (
            ("get", "site-1", "1.0"),
            "no such event or connector: check the event's id ('cfevents list site-1 --since 7d'",
        ),
    ],
)
def test_unknown_name_comes_before_the_answer_of_the_api(
    account: "Simulator", invoke: Invoke, call: tuple[str, ...], start: str
) -> None:
    """What to do comes first; the API's answer, with the ray that its support asks for, stands behind it."""
    result = invoke(*call)
    assert result.exit_code == 1
    assert one_line(result).startswith(f"cfevents: {start}")
    assert re.search(r" \(GET /.*: refused with status 404: .*, CF-Ray \S+\)$", one_line(result))


def test_several_failures_name_ids_once(account: "Simulator", invoke: Invoke) -> None:
    result = invoke("list", "nobody", "nowhere", "--since", "1h")
    assert result.exit_code == 1
    line = one_line(result)
    start = "could not read 2 of the connectors: no connector is called 'nobody'; no connector is called 'nowhere'; "
    assert line.startswith(f"cfevents: {start}'cfevents connectors' lists them (GET ")
    assert line.count("status 404") == 1


# What only a program writes: an argument, a class, a method.
_OF_PYTHON = re.compile(r"\b(?!CF)[a-z]+(_[a-z]+)*=|datetime|timedelta|checkpoint\.|\(\)|\bNone\b|_events\b")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ("connectors",),
            "set CLOUDFLARE_API_TOKEN (or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY); to try",
        ),
        (("list", ""), "CONNECTOR '' is empty"),
        (("latest", "a/b"), "CONNECTOR 'a/b' is not one segment"),
        (("report", "a", ".."), "CONNECTOR '..' is not one segment"),
        (("list", "a", "--kind", ""), "--kind is empty"),
        (("list", "a", "--page-size", str(2**63)), "--page-size 9223372036854775808 must be"),
        (("get", "a", "1"), "is not an event id"),
        (("follow", "a", "--checkpoint", "nowhere/state"), "nowhere does not exist: make it first"),
        (("export", "nowhere/events.csv", "a"), "nowhere does not exist: make it first"),
        (("archive", "nowhere/events.db", "a"), "nowhere does not exist: make it first"),
    ],
)
def test_wrong_usage_is_in_the_words_of_the_shell(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: tuple[str, ...], words: str
) -> None:
    """A message has the options and variables of the shell, and no arguments of Python."""
    monkeypatch.chdir(tmp_path)
    if args != ("connectors",):
        for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
            monkeypatch.setenv(name, "a")
    result = invoke(*args)
    assert result.exit_code == 2
    assert words in one_line(result)
    assert not _OF_PYTHON.search(result.stderr)


def test_an_unusable_account_is_named_by_its_variable(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "env-token-77aa")
    for account, words in ((None, "no account: set CLOUDFLARE_ACCOUNT_ID; to"), ("..", "CLOUDFLARE_ACCOUNT_ID is ")):
        if account is not None:
            monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
        line = one_line(invoke("connectors"))
        assert words in line
        assert not _OF_PYTHON.search(line.replace("CLOUDFLARE_ACCOUNT_ID=", ""))


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_errors_wrap_at_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """On a terminal lines end between words, and an id stays whole; in a pipe one line is one line."""
    terminal, pipe = io.StringIO(), io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 24)))
    name = "835529f6-8b50-411e-a0d7-17035160a8c3"
    failure = Failure(f"GET /client/v4/accounts/{'0' * 32}/magic/connectors/{name}: refused; check {name} once more")
    failure.show(terminal)
    failure.show(pipe)
    assert pipe.getvalue() == f"cfevents: {failure.message}\n"
    lines = terminal.getvalue().splitlines()
    assert " ".join(lines) == pipe.getvalue().rstrip()
    assert all(len(line) <= columns or " " not in line for line in lines)
    assert (len(lines) > 1) == (columns < 200)


def test_a_network_that_is_down_is_a_failure(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"http://127.0.0.1:{port}")
    result = invoke("connectors")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.startswith("cfevents: connectors: the connection failed: ") for line in lines] == [True] * 5 + [False]
    attempts = [re.search(r"; retrying in \d+\.\d s \(attempt (\d) of 6\)$", line) for line in lines[:-1]]
    assert [match and match[1] for match in attempts] == list("23456")
    assert "check the network" in lines[-1]
    assert not re.search(r"\w+Error|ssl:default", result.stderr)


@pytest.mark.parametrize(
    "call", [("list",), ("latest",), ("get", "1767225600.0"), ("get", "1767225600.0", "--format", "table")]
)
def test_missing_connector_is_wrong_usage_with_advice(
    account: "Simulator", invoke: Invoke, call: tuple[str, ...]
) -> None:
    """A missing connector is wrong usage, and the message says where to find one."""
    result = invoke(*call)
    assert result.exit_code == 2
    assert "'cfevents connectors'" in one_line(result)
    assert f"(see 'cfevents {call[0]} --help')" in result.stderr
    assert account.requests == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--since", "2999-03-01"), "--since 2999-03-01 is 2999-03-01 00:00:00 UTC, in the future: this machine's"),
        (("--since", "last night"), "--since 'last night' is not a time: write 24h, '1h 30min', yesterday, 10:00"),
        (("--since", "1M"), "--since 1M may mean minutes or months: write 'min' for minutes"),
        (("--until", "24h"), "the window is empty: --since, by default 24h, is"),
        (("--until", ""), "--until '' is not a time: write 24h"),
        (("--since", ""), "--since '' is not a time"),
        (("--since", "0h"), "the window is empty: --since 0h is"),
        (("--since", "1767225600000"), "--since 1767225600000 looks like milliseconds: write seconds"),
        (("--since", "1h", "--until", "2h"), "the window is reversed"),
        (("--kind", ""), "kind is empty"),
        (("--kind", "\udcff"), "lone surrogate"),
        (("..",), "not one segment of a path"),
        (("",), "CONNECTOR '' is empty"),
    ],
)
def test_invalid_argument_is_wrong_usage_before_any_request(
    account: "Simulator", invoke: Invoke, args: tuple[str, ...], message: str
) -> None:
    """An argument without meaning is wrong usage, before anything is sent."""
    result = invoke("list", *(args if len(args) == 1 else ("site-1", *args)))
    assert result.exit_code == 2
    assert message in one_line(result)
    assert account.requests == []


@pytest.mark.parametrize("event_id", ["12", "1.0.0", "latest", "", "id=12", "id="])
def test_a_malformed_event_id_is_wrong_usage(account: "Simulator", invoke: Invoke, event_id: str) -> None:
    result = invoke("get", "site-1", event_id)
    assert result.exit_code == 2
    assert "is not an event id" in one_line(result)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("list", "--simulate", "-n", "0"),
            "--limit 0 is not a whole number of at least 1 (see 'cfevents list --help')",
        ),
        (("list", "--simulate", "--page-size", "0"), "--page-size 0 is not a whole number of at least 1"),
        (("list", "--simulate", "--format", "xml"), "--format 'xml' is not one of table, ndjson, json, csv"),
        (("get",), "T.N is missing: the event's id, as 'cfevents list' shows it (see 'cfevents get --help')"),
        (("get", "--simulate"), "as 'cfevents list --simulate' shows it (see 'cfevents get --help')"),
        (("archive",), "Missing argument 'PATH' (see 'cfevents archive --help')"),
        (("simulate", "--port", "70000"), "--port 70000 is not a whole number from 0 to 65535"),
        (("list", "--simulate", "--tz", "no\nwhere"), "is not a time zone"),
        (("nonsense",), "No such command 'nonsense'"),
        (("--nonsense",), "(see 'cfevents --help')"),
    ],
)
def test_what_click_cannot_parse_is_wrong_usage_in_one_line(
    invoke: Invoke, args: tuple[str, ...], message: str
) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert message in one_line(result)


def test_without_a_command_the_help_is_shown(invoke: Invoke) -> None:
    assert "Usage: cfevents [OPTIONS] COMMAND" in invoke().output


def test_a_warning_of_the_library_is_one_line_on_stderr(account: "Simulator", invoke: Invoke) -> None:
    account.add("site-2", {"e": {"k": "StartUpgrade", "url": 5}, "t": 1767225600, "n": 0})
    result = invoke("latest", "site-2")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert result.stderr.startswith("cfevents: StartUpgrade: url is not of its documented type")
    assert result.stderr.count("\n") == 1


def test_a_record_with_a_traceback_is_one_line_on_stderr(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def troubled(*_: object, **__: object) -> None:
        try:
            raise LookupError("lost\n\x1b[2J")
        except LookupError as error:
            logging.getLogger("another").exception("failed: %s", error)

    monkeypatch.setattr(cfevents.Client, "list_connectors", troubled)
    result = invoke("connectors")
    first, second = result.stderr.splitlines()
    assert first == "cfevents: failed: lost \N{REPLACEMENT CHARACTER}[2J"
    assert second.startswith("cfevents: unexpected TypeError: ")
    assert second.endswith("; please report it")
    assert result.exit_code == 1


LONG = "x" * 2**20


@pytest.mark.parametrize(
    "call",
    [
        ("list", LONG, "--since", "24h"),
        ("list", "site-1", "--since", LONG),
        ("list", "site-1", "--since", "24h", "--kind", LONG),
        ("list", "site-1", "--since", "24h", "--page-size", LONG),
        ("get", "site-1", LONG),
        ("latest", f"a/{LONG}"),
        (LONG,),
        (f"--{LONG}",),
    ],
    ids=lambda call: "-".join(argument[:6] for argument in call),
)
def test_a_text_of_a_megabyte_makes_a_short_line(account: "Simulator", invoke: Invoke, call: tuple[str, ...]) -> None:
    """An id, a time or a command of a megabyte makes lines of a few thousand characters on stderr."""
    result = invoke(*call)
    assert result.exit_code in {1, 2}
    assert 0 < len(result.stderr) < 5000


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ("hamburg",),
            "No such command 'hamburg'; if it is a connector, write 'cfevents list hamburg' (see 'cfevents -",
        ),
        (
            ("help",),
            "No such command 'help'; 'cfevents --help' lists the commands, and 'cfevents list --help' explains",
        ),
        (("version",), "No such command 'version'; write 'cfevents --version' (see"),
        (("lst",), "No such command 'lst'; did you mean list? (see 'cfevents --help')"),
        (("List",), "No such command 'List'; did you mean list? (see"),
        (("exp",), "No such command 'exp'; did you mean export? (see"),
        (("list", "--sinse", "1h"), "No such option '--sinse'; did you mean --since? (see 'cfevents list --help')"),
        (("list", "--form=csv"), "No such option '--form'; did you mean --format? (see"),
        (("list", "--colour", "never"), "No such option '--colour'; did you mean --color? (see"),
        (("list", "--LIMIT", "1"), "No such option '--LIMIT'; did you mean --limit? (see"),
        (("list", "-since", "1h"), "No such option '-s'; did you mean --since? (see"),
        (("list", "\N{EM DASH}since", "1h"), "\N{EM DASH}since does not begin with hyphens; write --since (see"),
        (("connectors", "--all"), "No such option '--all' (see 'cfevents connectors --help')"),
        (("--simulate", "list"), "No such option '--simulate' here; options of a command stand after its name: 'cfeve"),
        (("list", "--tail"), "Option '--tail' requires an argument (see 'cfevents list --help')"),
        (("list", "-n", "0"), "--limit 0 is not a whole number of at least 1 (see"),
        (("list", "--limit=-1"), "--limit -1 is not a whole number of at least 1 (see"),
        (("list", "--tail", "abc"), "--tail 'abc' is not a whole number of at least 1 (see"),
        (("simulate", "--port", "99999"), "--port 99999 is not a whole number from 0 to 65535 (see"),
        (("simulate", "--speed", "x"), "--speed 'x' is not a number from 1 to 86400 (see"),
        (("list", "--format", "xml"), "--format 'xml' is not one of table, ndjson, json, csv (see"),
        (
            ("report", "--fail-on", "errors"),
            "--fail-on 'errors' is not one of info, warning, error, critical; did you me",
        ),
        (("completion", "tcsh"), "SHELL 'tcsh' is not one of bash, zsh, fish"),
        (("list", "--archive", "/nowhere/x.db"), "--archive: File '/nowhere/x.db' does not exist (see"),
        (
            ("connectors", "hamburg"),
            "hamburg is more than this command takes; leave it out (see 'cfevents connectors -",
        ),
        (("get",), "T.N is missing: the event's id, as 'cfevents list' shows it (see 'cfevents get --help')"),
        (
            ("get", "--simulate"),
            "T.N is missing: the event's id, as 'cfevents list --simulate' shows it (see 'cfevents g",
        ),
    ],
)
def test_mistyped_line_says_what_to_write(invoke: Invoke, args: tuple[str, ...], line: str) -> None:
    """A mistake is one short line: what is wrong, what to write, and the help of the command that was meant."""
    result = invoke(*args)
    assert result.exit_code == 2
    assert one_line(result).startswith(f"cfevents: {line}")
    assert "--help --simulate" not in result.stderr


def test_variable_is_named_where_its_value_is_wrong(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFEVENTS_TZ", "Berlin")
    assert "cfevents: CFEVENTS_TZ: 'Berlin' is not a time zone" in one_line(invoke("list", "a"))
    assert "cfevents: --tz: 'Bern' is not a time zone" in one_line(invoke("list", "a", "--tz", "Bern"))
