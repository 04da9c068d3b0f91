"""The options of the data source: checked all at once, and without a secret."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from cfevents.spark.options import Mode, Options, parse_options


def faults(given: dict[str, str], mode: Mode | None = None) -> list[str]:
    """What is said to be wrong with some options."""
    with pytest.raises(ValueError, match="these options of the format 'cfevents' cannot be used") as caught:
        parse_options(given, mode)
    return str(caught.value).split("\n- ")[1:]


def test_options_are_parsed() -> None:
    options = parse_options(
        {
            "connectors": "a, b,a",
            "since": "30d",
            "until": "1h",
            "kind": "Init,Leave",
            "details": "True",
            "page_size": "500",
            "slots": "8",
            "account_id": "acc",
            "base_url": "https://api.example/client/v4",
            "token_file": "/run/secrets/token",
        },
        "read",
    )
    assert (options.connectors, options.kind, options.details) == (("a", "b"), ("Init", "Leave"), True)
    assert (options.page_size, options.slots, options.token_file) == (500, 8, "/run/secrets/token")
    assert (options.account_id, options.base_url) == ("acc", "https://api.example/client/v4")
    assert options.window.until - options.window.since == pytest.approx(30 * 86400 - 3600, abs=1)
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize("text", ["all", " all ", "ALL"])
def test_all_means_no_named_connectors(text: str) -> None:
    assert parse_options({"connectors": text}).connectors is None


def test_defaults_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "spark.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| `([^`]+)` \|", page, re.MULTILINE))
    rows |= {"requests": "1200", "period": "300s", "share": "0.9"}
    assert "| `requests`, `period`, `share` | `1200`, `300s`, `0.9` |" in page
    assert rows.keys() >= {"details", "interval", "lookback", "slots"}
    options = parse_options({"connectors": "a"})
    assert parse_options({"connectors": "a", **rows}) == options


@pytest.mark.parametrize(
    ("given", "option", "value"),
    [
        ({"details": " TRUE "}, "details", True),
        ({"details": "false"}, "details", False),
        ({"token_env": " THE_TOKEN "}, "token_env", "THE_TOKEN"),
        ({"token_env": "A_LONG_NAME_OF_A_VARIABLE_THAT_HAS_2_NUMBERS_1"}, "token_env", None),
        ({"period": "5min"}, "period", 300.0),
        ({"requests": " 600 "}, "requests", 600),
        ({"slots": "1080"}, "slots", 1080),
    ],
)
def test_option_is_parsed(given: dict[str, str], option: str, value: object) -> None:
    options = parse_options({"connectors": "a", **given})
    assert getattr(options, option) == (given[option] if value is None else value)


def test_faults_of_either_mode_are_reported() -> None:
    """If the mode is not known yet, what is wrong in either is reported."""
    messages = faults({"connectors": "a", "slots": "x"})
    assert messages[1].startswith("since is missing, unless this is a stream: write a length of time")
    assert [fault[:5] for fault in faults({"connectors": "a", "slots": "x", "interval": "5s"})] == ["slots"]
    (both,) = faults({"connectors": "a", "until": "1h", "interval": "5s"})
    assert both == "until is for read, and interval for readStream: leave one of them out"
    assert parse_options({"connectors": "a"}).since is None


def test_stream_has_interval_and_lookback() -> None:
    options = parse_options({"connectors": "a", "interval": "30s", "lookback": "2h"}, "readStream")
    assert (options.interval, options.lookback, options.since) == (30, 7200, None)


def test_all_faults_are_reported_at_once() -> None:
    """All faults are reported at once, each by its option's name."""
    messages = faults({"conectors": "a", "kind": "a,,b", "slots": "two", "details": "yes", "share": "2", "path": "/x"})
    assert [message.split(":")[0].split(" ")[0].split("=")[0] for message in messages] == [
        "conectors", "path", "kind", "slots", "details", "share", "connectors", "since",
    ]  # fmt: skip
    assert messages[0] == "conectors: there is no such option; did you mean connectors?"
    (unlike,) = faults({"connectors": "a", "since": "1d", "xyz": ""})
    assert unlike.startswith("xyz: there is no such option; there are connectors, since")


def test_contradictions_are_reported_too() -> None:
    """Contradictions are reported too, but not of options that could not be parsed."""
    both = {"connectors": "a", "token_env": "A", "token_file": "/t"}
    messages = faults({**both, "slots": "2000", "since": "1h", "until": "1d", "kind": ","}, "read")
    assert [message.split("=")[0].split(" ")[0] for message in messages] == ["kind", "token_env", "slots", "the"]
    for unread in ({"requests": "x"}, {"share": "x"}):
        (fault,) = faults({"connectors": "a", "since": "1d", "slots": "2000", **unread})
        assert fault.startswith(f"{next(iter(unread))}=")
    (fault,) = faults({"connectors": "a", "since": "2999-01-01T00:00:00Z", "until": "x"}, "read")
    assert fault.startswith("until=")


@pytest.mark.parametrize(
    ("given", "mode", "fault"),
    [
        ({}, None, "connectors is missing: write 'all', or ids with commas between them"),
        ({"connectors": "a"}, "read", "since is missing: write a length of time such as '30d'"),
        ({"connectors": "a", "since": "1d", "interval": "5s"}, "read", "interval has no meaning for read"),
        ({"connectors": "a", "until": "1h"}, "readStream", "until has no meaning for readStream"),
        ({"connectors": "a/b", "since": "1d"}, None, "connectors='a/b' is not one segment of a path"),
        (
            {"connectors": "a", "since": "soon"},
            None,
            "since='soon' is not a time: write '24h' for that long ago, '2026-03-01T06",
        ),
        ({"connectors": "a", "since": "yesterday"}, None, "since='yesterday' has no time zone: write '20"),
        ({"connectors": "a", "since": "1M"}, None, "since='1M' may mean minutes or months"),
        (
            {"connectors": "a", "since": "0h"},
            None,
            "the window is empty: since='0h' and until='now' are the same moment",
        ),
        ({"connectors": "a", "interval": "0s"}, None, "interval='0s' must be above 0"),
        ({"connectors": "a", "since": "2026-03-01T00:00:00"}, None, "since='2026-03-01T00:00:00' has no time zone"),
        ({"connectors": "a", "since": "1h", "until": "1d"}, None, "the window is reversed"),
        ({"connectors": "a", "interval": "soon"}, None, "interval='soon' is not a length of time"),
        ({"connectors": "a", "lookback": "0"}, None, "lookback='0' must be above 0"),
        ({"connectors": "a", "slots": "0"}, None, "slots=0 must be at least 1"),
        ({"connectors": "a", "slots": "1081"}, None, "slots=1081 is more than share=0.9 of requests=1200 in a period"),
        ({"connectors": "a,All"}, None, "connectors='a,All': 'all' stands alone"),
        ({"connectors": "a,,b"}, None, "connectors='a,,b' has an empty name"),
        ({"connectors": "a", "since": "1d", "lookback": "5s"}, "read", "lookback has no meaning for read"),
        ({"connectors": "a", "kind": "\ud800"}, None, "kind"),
        ({"connectors": "a", "requests": "9" * 19}, None, "requests='9999999999999999999' is not a whole number"),
        ({"connectors": "a", "token_file": " "}, None, "token_file=' ' is not the name of a file"),
        ({"connectors": "a", "token_file": "a\0b"}, None, "token_file='a\\x00b' is not the name of a file"),
        ({"connectors": "a", "base_url": " "}, None, "base_url"),
        ({"connectors": "a", "path": "/x"}, None, "path: there is none; write .load() without arguments"),
        ({"connectors": "a", "provider": "cfevents", "owner": "me"}, None, "a table of the catalogue cannot be made"),
        ({"connectors": "a", "share": "half"}, None, "share='half' is not a number"),
        ({"connectors": "a", "account_id": " "}, None, "account_id is empty: leave it out"),
        ({"connectors": "a", "account_id": "a" * 33}, None, "account_id has 33 characters"),
        ({"connectors": "a", "base_url": "http://api.example"}, None, "base_url would send the credentials to api"),
        ({"connectors": "a", "token_env": "A", "token_file": "/t"}, None, "token_env and token_file both say"),
    ],
)
def test_fault_of_an_option_is_reported(given: dict[str, str], mode: Mode | None, fault: str) -> None:
    message, *more = faults(given, mode)
    assert message.startswith(fault)
    assert [message for message in more if not message.startswith("since is missing, unless this is a stream")] == []


@pytest.mark.parametrize("secret", ["arg-token-33bb", "0a1b" * 9, "Abcdefghij_0123456789_klmnopqrstuvwxyzAB"])
@pytest.mark.parametrize(
    "name", ["token", "api_token", "apikey", "api_key", "email", "password", "cloudflare_api_token", "token_env"]
)
def test_secret_option_is_refused_and_not_shown(name: str, secret: str) -> None:
    """A secret that is given as an option is refused, and not shown."""
    (message,) = faults({"connectors": "a", "since": "1d", name: secret})
    assert message.startswith(name)
    assert secret not in message
    assert ("none takes a secret" in message) == (name != "token_env")


@pytest.mark.parametrize(
    ("options", "pace"),
    [({}, 300 / 1080), ({"slots": 8}, 300 / 135), ({"slots": 7}, 300 / 154), ({"requests": 10, "slots": 9}, 300)],
)
def test_slots_divide_the_budget(options: dict[str, Any], pace: float) -> None:
    """The slots divide the budget into whole requests of each period."""
    assert Options(connectors=None, **options).pace == pytest.approx(pace)
