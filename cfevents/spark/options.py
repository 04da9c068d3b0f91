"""The options of the data source: text that is parsed and checked all at once. No I/O."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

from attrs import frozen

from cfevents._http.budget import Budget
from cfevents._http.config import DEFAULT_BASE_URL, resolve_endpoints
from cfevents._time import TEXT_FORMS, TimeWindow, parse_duration, parse_time
from cfevents._validation import short_repr, validate_int, validate_path_segment, validate_text
from cfevents.errors import ConfigurationError

Mode: TypeAlias = Literal["read", "readStream"]

_SECRET_WORDS = ("token", "key", "email", "password", "secret")


@frozen(kw_only=True)
class Options:
    """The parsed options. They travel to the tasks, so they hold no secret, only the place of one."""

    connectors: tuple[str, ...] | None  # None: all of the account, which are listed when a job is planned
    since: str | None = None
    until: str | None = None
    kind: tuple[str, ...] = ()
    details: bool = False
    page_size: int | None = None
    interval: float = 60.0  # seconds between two batches of a stream
    lookback: float = 86_400.0  # seconds before the end of its predecessor at which a batch of a stream begins
    slots: int = 1  # tasks that may run at a time, over all executors
    requests: int = 1200
    period: float = 300.0
    share: float = 0.9
    account_id: str | None = None
    base_url: str | None = None
    token_env: str | None = None
    token_file: str | None = None

    @property
    def allowed(self) -> int:
        """Requests that all tasks together may send in a period."""
        return Budget(self.requests, self.period, self.share).left

    @property
    def window(self) -> TimeWindow:
        """The window of a batch read, as of now."""
        assert self.since is not None  # noqa: S101 - it was checked
        return TimeWindow.of(self.since, self.until)

    @property
    def pace(self) -> float:
        """Seconds between two requests of one slot."""
        # A whole number of requests in each period: the fractions of all slots would add up.
        return self.period / (self.allowed // self.slots)


def parse_options(given: Mapping[str, str], mode: Mode | None = None) -> Options:
    """Parse the text of each option, by name in lower case; without a mode, the way of reading is not known yet.

    Raises:
        ValueError: Some options cannot be used; the message names all of them, with the reason and the remedy.
    """
    values: dict[str, Any] = {}
    faults = list(dict.fromkeys(_unknown(name) for name in given if name not in _PARSERS))
    for name, text in given.items():
        try:
            if name in _PARSERS:
                values[name] = _PARSERS[name](name, text)
        except (TypeError, ValueError, ConfigurationError) as error:
            faults.append(str(error))
    if "connectors" not in given:
        faults.append("connectors is missing: write 'all', or ids with commas between them")
    faults += _contradictions(Options(**{"connectors": None, **values}), given.keys() - values)
    faults += _wrong_for_mode(given, mode, faulty=bool(faults))
    if faults:
        lines = "".join(f"\n- {fault}" for fault in faults)
        raise ValueError(f"these options of the format 'cfevents' cannot be used:{lines}")
    return Options(**values)


def _unknown(name: str) -> str:
    if any(word in name for word in _SECRET_WORDS):
        return (
            f"{name}: options are shown in plans and logs, so none takes a secret; set CLOUDFLARE_API_TOKEN where the "
            "tasks run, or name a variable (token_env) or a file (token_file) that is there"
        )
    if name == "path":
        return "path: there is none; write .load() without arguments"
    if name in {"provider", "owner"}:  # Spark's own
        return "a table of the catalogue cannot be made of it: write CREATE TEMPORARY VIEW … USING cfevents OPTIONS (…)"
    if near := get_close_matches(name, _PARSERS, n=1):
        return f"{name}: there is no such option; did you mean {near[0]}?"
    return f"{name}: there is no such option; there are {', '.join(_PARSERS)}"


def _wrong_for_mode(given: Mapping[str, str], mode: Mode | None, *, faulty: bool) -> list[str]:
    """Return the faults of options that are missing, or have no meaning, for the way of reading.

    While that is not known, these are the faults in either way; a missing ``since`` is added to other faults only, so
    that all are reported at once.
    """
    for_stream = [name for name in ("interval", "lookback") if name in given]
    for_batch = ["until"] if "until" in given else []
    faults = []
    if "since" not in given and (mode == "read" or (mode is None and faulty and not for_stream)):
        unless = "" if mode else ", unless this is a stream"
        faults.append(
            f"since is missing{unless}: write a length of time such as '30d', or a time such as '2026-03-01T00:00:00Z'"
        )
    if mode is None and for_stream and for_batch:
        faults.append(f"until is for read, and {for_stream[0]} for readStream: leave one of them out")
    meaningless = for_stream if mode == "read" else for_batch if mode == "readStream" else []
    return faults + [f"{name} has no meaning for {mode}: leave it out" for name in meaningless]


def _contradictions(options: Options, unparsed: AbstractSet[str]) -> list[str]:
    """Return the faults of options that cannot be used together. Those that were not parsed may have any value."""
    faults = []
    if options.token_env and options.token_file:
        faults.append("token_env and token_file both say where the token is: give one of them")
    if options.slots > options.allowed and unparsed.isdisjoint({"requests", "share"}):
        faults.append(
            f"slots={options.slots} is more than share={options.share} of requests={options.requests} in a period: use "
            "fewer executor cores, or raise requests where the API allows more"
        )
    if options.since is not None and "until" not in unparsed:
        try:
            _ = options.window
        except ValueError as error:
            faults.append(str(error))
    return faults


def _names(name: str, text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        raise ValueError(f"{name}={short_repr(text)} has an empty name: write names with one comma between two of them")
    return tuple(validate_text(name, part) for part in names)


def _connector_ids(name: str, text: str) -> tuple[str, ...] | None:
    ids = _names(name, text)
    if "all" not in map(str.lower, ids):
        return tuple(validate_path_segment(name, connector_id) for connector_id in ids)
    if len(ids) > 1:
        raise ValueError(f"{name}={short_repr(text)}: 'all' stands alone, or ids without it")
    return None


def _time_text(name: str, text: str) -> str:
    parse_time(name, text, forms=TEXT_FORMS)
    return text


def _integer(name: str, text: str) -> int:
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


def _boolean(name: str, text: str) -> bool:
    if (value := text.strip().lower()) not in {"true", "false"}:
        raise ValueError(f"{name}={short_repr(text)} must be true or false")
    return value == "true"


def _variable_name(name: str, text: str) -> str:
    # Anything else may be the token itself, which is longer than names are, and of all kinds of characters.
    variable = text.strip()
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", variable) or re.match(r"(?=.*[a-z])(?=.*[0-9]).{32}", variable):
        raise ValueError(f"{name} is not the name of an environment variable")
    return variable


def _file_name(name: str, text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError(f"{name}={short_repr(text)} is not the name of a file")
    return text


_PARSERS: dict[str, Callable[[str, str], Any]] = {
    "connectors": _connector_ids,
    "since": _time_text,
    "until": _time_text,
    "kind": _names,
    "details": _boolean,
    "page_size": _integer,
    "interval": parse_duration,
    "lookback": parse_duration,
    "slots": _integer,
    "requests": _integer,
    "period": parse_duration,
    "share": _share,
    "account_id": lambda name, text: resolve_endpoints(DEFAULT_BASE_URL, validate_text(name, text.strip())).account_id,
    "base_url": lambda name, text: str(resolve_endpoints(validate_text(name, text.strip()), "any").base_url),
    "token_env": _variable_name,
    "token_file": _file_name,
}
