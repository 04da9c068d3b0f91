"""The options of the data source: texts, read and checked all at once. No I/O."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

from attrs import frozen

from cfevents._http.budget import Budget
from cfevents._http.config import DEFAULT_BASE_URL, resolve_endpoints
from cfevents._time import TimeWindow, parse_duration, parse_time
from cfevents._validation import short_repr, validate_int, validate_path_segment, validate_text
from cfevents.errors import ConfigurationError

Mode: TypeAlias = Literal["read", "readStream"]

_SECRETS = ("token", "key", "email", "password", "secret")


@frozen(kw_only=True)
class Options:
    """What is to be read, and how. It travels to the tasks, so it holds no secret, only where one is found."""

    connectors: tuple[str, ...] | None
    """Whose events; None for all of the account, asked for when a job is planned."""

    since: str | None = None
    until: str | None = None
    kind: tuple[str, ...] = ()
    details: bool = False
    page_size: int | None = None
    interval: float = 60.0
    """How often a stream makes a batch, in seconds."""

    lookback: float = 86_400.0
    """How far before its predecessor's end a batch of a stream begins, in seconds."""

    slots: int = 1
    """How many tasks may run at a time, over all executors."""

    requests: int = 1200
    period: float = 300.0
    share: float = 0.9
    account_id: str | None = None
    base_url: str | None = None
    token_env: str | None = None
    token_file: str | None = None

    @property
    def allowed(self) -> int:
        """How many requests all tasks together may send in a period."""
        return Budget(self.requests, self.period, self.share).left

    @property
    def window(self) -> TimeWindow:
        """The window of a batch read, as it is now."""
        assert self.since is not None  # noqa: S101 - it was checked
        return TimeWindow.of(self.since, self.until)

    @property
    def pace(self) -> float:
        """Seconds between two requests of one slot."""
        # A whole number of them in each period: a part of one more, in each slot, would add up.
        return self.period / (self.allowed // self.slots)


def options_of(given: Mapping[str, str], mode: Mode | None = None) -> Options:
    """Read the options.

    Args:
        given: What was given, by name, in small letters.
        mode: What they are for; None where that is not known yet.

    Raises:
        ValueError: Some cannot be used; the message says of each what was wrong, and what to write instead.
    """
    values: dict[str, Any] = {}
    faults = list(dict.fromkeys(_unknown(name) for name in given if name not in _READERS))
    for name, text in given.items():
        try:
            values |= {name: _READERS[name](name, text)} if name in _READERS else {}
        except (TypeError, ValueError, ConfigurationError) as error:
            faults.append(str(error))
    faults += _missing(given)
    faults += _contradictions(Options(**{"connectors": None, **values}), given.keys() - values)
    faults += _for_mode(given, mode, faulty=bool(faults))
    if faults:
        told = "".join(f"\n- {fault}" for fault in faults)
        raise ValueError(f"these options of the format 'cfevents' cannot be used:{told}")
    return Options(**values)


def _unknown(name: str) -> str:
    if any(word in name for word in _SECRETS):
        return (
            f"{name}: options are shown in plans and logs, so none takes a secret; set CLOUDFLARE_API_TOKEN where the "
            "tasks run, or name a variable (token_env) or a file (token_file) that is there"
        )
    if name == "path":
        return "path: there is none; write .load() without arguments"
    if name in {"provider", "owner"}:  # Spark's own
        return "a table of the catalogue cannot be made of it: write CREATE TEMPORARY VIEW … USING cfevents OPTIONS (…)"
    if near := get_close_matches(name, _READERS, n=1):
        return f"{name}: there is no such option; did you mean {near[0]}?"
    return f"{name}: there is no such option; there are {', '.join(_READERS)}"


def _missing(given: Mapping[str, str]) -> list[str]:
    return [] if "connectors" in given else ["connectors is missing: write 'all', or ids with commas between them"]


def _for_mode(given: Mapping[str, str], mode: Mode | None, *, faulty: bool) -> list[str]:
    """Say what is missing or has no meaning for this way of reading.

    Where the way is not known yet, that is said which holds for both; and what one of them lacks, if there are faults
    anyway: all are to be told at once.
    """
    of_a_stream = [name for name in ("interval", "lookback") if name in given]
    of_a_batch = ["until"] if "until" in given else []
    faults = []
    if "since" not in given and (mode == "read" or (mode is None and faulty and not of_a_stream)):
        who = "since is missing" if mode else "since is missing, unless this is a stream"
        faults.append(f"{who}: write a length of time such as '30d', or a time such as '2026-03-01T00:00:00Z'")
    if mode is None and of_a_stream and of_a_batch:
        faults.append(f"until is for read, and {of_a_stream[0]} for readStream: leave one of them out")
    others = of_a_stream if mode == "read" else of_a_batch if mode == "readStream" else []
    return faults + [f"{name} has no meaning for {mode}: leave it out" for name in others]


def _contradictions(options: Options, unread: AbstractSet[str]) -> list[str]:
    """Say which options, each possible alone, are not so together. Those that could not be read may be anything."""
    faults = []
    if options.token_env and options.token_file:
        faults.append("token_env and token_file both say where the token is: give one of them")
    if options.slots > options.allowed and unread.isdisjoint({"requests", "share"}):
        faults.append(
            f"slots={options.slots} is more than share={options.share} of requests={options.requests} in a period: use "
            "fewer executor cores, or raise requests where the API allows more"
        )
    if options.since is not None and "until" not in unread:
        try:
            _ = options.window
        except ValueError as error:
            faults.append(str(error))
    return faults


def _names(name: str, text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(each.strip() for each in text.split(",")))
    if not all(names):
        raise ValueError(f"{name}={short_repr(text)} has an empty name: write names with one comma between two of them")
    return names


def _connectors(name: str, text: str) -> tuple[str, ...] | None:
    names = _names(name, text)
    if "all" not in map(str.lower, names):
        return tuple(validate_path_segment(name, each) for each in names)
    if len(names) > 1:
        raise ValueError(f"{name}={short_repr(text)}: 'all' stands alone, or ids without it")
    return None


def _kinds(name: str, text: str) -> tuple[str, ...]:
    return tuple(validate_text(name, each) for each in _names(name, text))


def _moment(name: str, text: str) -> str:
    parse_time(name, text)
    return text


def _whole(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text.strip()):
        raise ValueError(f"{name}={short_repr(text)} is not a whole number")
    return validate_int(name, int(text))


def _share(name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        raise ValueError(f"{name}={short_repr(text)} is not a number") from None
    Budget(share=share)
    return share


def _truth(name: str, text: str) -> bool:
    if (value := text.strip().lower()) not in {"true", "false"}:
        raise ValueError(f"{name}={short_repr(text)} must be true or false")
    return value == "true"


def _account(name: str, text: str) -> str:
    return resolve_endpoints(DEFAULT_BASE_URL, validate_text(name, text.strip())).account_id


def _base_url(name: str, text: str) -> str:
    return str(resolve_endpoints(validate_text(name, text.strip()), "any").base_url)


def _variable(name: str, text: str) -> str:
    # What it is instead may be the token itself, which is longer than names are, and of all kinds of characters.
    variable = text.strip()
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", variable) or re.match(r"(?=.*[a-z])(?=.*[0-9]).{32}", variable):
        raise ValueError(f"{name} is not the name of an environment variable")
    return variable


def _file(name: str, text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError(f"{name}={short_repr(text)} is not the name of a file")
    return text


_READERS: dict[str, Callable[[str, str], Any]] = {
    "connectors": _connectors,
    "since": _moment,
    "until": _moment,
    "kind": _kinds,
    "details": _truth,
    "page_size": _whole,
    "interval": parse_duration,
    "lookback": parse_duration,
    "slots": _whole,
    "requests": _whole,
    "period": parse_duration,
    "share": _share,
    "account_id": _account,
    "base_url": _base_url,
    "token_env": _variable,
    "token_file": _file,
}
