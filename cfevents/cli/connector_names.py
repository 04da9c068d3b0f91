"""Connectors as people name them: by an id, its beginning, a serial number, or a note of their owner.

The Tab key completes the names from a file in the user's cache, which commands that list the connectors of an account
write. No completion sends a request.
"""

import json
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import click

from cfevents._secrets import environment
from cfevents.cli.accounts import read_account
from cfevents.cli.console.errors import WrongUsage

if TYPE_CHECKING:
    from cfevents import Connector

# Ids have no documented form. One of a usual form is used as it is, and costs no request to find it.
_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_MAX_NAMED = 10
_LEAST_LIKENESS = 0.6  # of 1
_ARCHIVE_TIMEOUT_S = 0.1
_ARCHIVED = (
    "SELECT DISTINCT account_id, connector_id FROM checkpoints AS known WHERE EXISTS (SELECT 1 FROM events "
    "WHERE account_id = known.account_id AND connector_id = known.connector_id) "
    "UNION SELECT account_id, connector_id FROM extents ORDER BY connector_id"
)
_NAMES = "SELECT account_id, connector_id, serial_number, notes FROM connectors"


class NamedConnector(NamedTuple):
    """A connector, and what its owner calls it."""

    id: str
    serial_number: str = ""
    notes: str = ""

    @classmethod
    def of(cls, connector: "Connector") -> Self:
        """Return the names of a connector as the API describes it."""
        serial = connector.device.serial_number if connector.device else None
        return cls(connector.id, serial or "", " ".join((connector.notes or "").split()))

    def __str__(self) -> str:
        names = ", ".join(filter(None, (self.serial_number, self.notes)))
        return f"{self.id} ({names})" if names else self.id

    def is_called(self, name: str) -> bool:
        """Return whether a name in small letters is the whole id, serial number or note."""
        return name in map(str.casefold, self)

    def matches(self, name: str) -> bool:
        """Return whether a name in small letters begins the id or the serial number, or a word or more of the note."""
        connector_id, serial, notes = map(str.casefold, self)
        return (
            connector_id.startswith(name)
            or serial.startswith(name)
            or bool(re.search(rf"(?<!\w){re.escape(name)}", notes))
        )


def is_whole_id(text: str) -> bool:
    """Return whether text is a UUID or 32 hexadecimal digits, which are never looked up."""
    return _WHOLE_ID.fullmatch(text) is not None


def matching(text: str, known: Iterable[NamedConnector]) -> list[NamedConnector]:
    """Return the connectors that text names: by a whole name, or else by a part of one.

    Tables print the beginning of a long id with an ellipsis.
    """
    name = " ".join(text.casefold().split())
    name = name.removesuffix("\N{HORIZONTAL ELLIPSIS}").removesuffix("...")
    named = [*dict.fromkeys(known)] if name else []
    if same := [connector for connector in named if connector.id == text]:
        return same
    return [connector for connector in named if connector.is_called(name)] or [
        connector for connector in named if connector.matches(name)
    ]


def find_id(text: str, known: Sequence[NamedConnector]) -> str:
    """Return the id of the one connector that text names, or the text where there is none.

    Raises:
        WrongUsage: There are several, or the text is a list with commas.
    """
    found = matching(text, known)
    names = list(filter(None, text.split(",")))
    if not found and len(names) > 1 and all(matching(name, known) for name in names):
        raise WrongUsage(f"{text!r} names several connectors, write them with a space between: {' '.join(names)}")
    if len(found) > 1:
        more = f"; and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
        some = "; ".join(map(str, found[:_MAX_NAMED]))
        raise WrongUsage(f"{text!r} names {len(found)} connectors, write more of one: {some}{more}")
    return found[0].id if found else text


def nearest(text: str, known: Sequence[NamedConnector]) -> NamedConnector | None:
    """Return the connector with a name, or with a word in its note, that is most like text; None if none is."""
    by_name = {
        name.casefold(): connector
        for connector in reversed(known)
        for name in (*connector.notes.split(), *connector)
        if name
    }
    likest = get_close_matches(text.casefold(), by_name, n=1, cutoff=_LEAST_LIKENESS)
    return by_name[likest[0]] if likest else None


def cache_path() -> Path:
    """Return the file's place: in ``XDG_CACHE_HOME`` or ``~/.cache``; on Windows in ``%LOCALAPPDATA%``."""
    if sys.platform == "win32":
        return Path(click.get_app_dir("cfevents", roaming=False)) / "connectors.json"
    return Path(environment("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cfevents" / "connectors.json"


def remember(account: str | None, listed: Iterable["Connector"]) -> None:
    """Keep the ids, serial numbers and notes of an account's connectors; a failure is none of the command's."""
    with suppress(OSError, RuntimeError, ValueError):  # RuntimeError: there is no home directory
        key, known = _account_id(account), _read_cache()
        names = [list(NamedConnector.of(connector)) for connector in listed]
        if key and known.get(key) != names:
            _replace(cache_path(), json.dumps({**known, key: names}))


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by its owner alone, and whole for whoever reads it meanwhile.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _read_cache() -> dict[str, Any]:
    with suppress(OSError, RuntimeError, ValueError, RecursionError):
        known = json.loads(cache_path().read_text(encoding="utf-8"))
        return known if isinstance(known, dict) else {}
    return {}


def _account_id(account: str | None) -> str | None:
    with suppress(WrongUsage):
        return read_account(account).account_id if account else environment("CLOUDFLARE_ACCOUNT_ID")
    return None


def completions(params: Mapping[str, Any], incomplete: str) -> Iterator[tuple[str, NamedConnector]]:
    """Yield the names that begin as a word does, and the connectors that they name; else what it is a part of.

    Without a word these are the ids.
    """
    known, begin = _known(params), incomplete.casefold()
    begun = [
        (name, connector)
        for connector in known
        for name in (connector if begin else connector[:1])
        if name.casefold().startswith(begin)
    ]
    yield from begun or ((connector.notes or connector.id, connector) for connector in matching(incomplete, known))


def _known(params: Mapping[str, Any]) -> Sequence[NamedConnector]:
    """Return the connectors of the source that the options before the word select."""
    if params.get("simulate"):
        from cfevents.testing.backend import describe_connector  # noqa: PLC0415 - most completions need none
        from cfevents.testing.history import History  # noqa: PLC0415 - likewise

        raw = [describe_connector(*numbered) for numbered in enumerate(History(days=1, incidents=()).events)]
        return [NamedConnector(one["id"], one["device"]["serial_number"], one["notes"]) for one in raw]
    account_id = _account_id(params.get("account"))
    if params.get("archive"):
        archived = _archived(params["archive"])
        return [named for account, named in archived if account == account_id] or [named for _, named in archived]
    rows = _read_cache().get(account_id or "")
    fields = [row for row in rows if isinstance(row, list) and len(row) == 3] if isinstance(rows, list) else []
    return [NamedConnector(*row) for row in fields if all(isinstance(name, str) for name in row)]


def _archived(path: str) -> list[tuple[str, NamedConnector]]:
    """Return the connectors of an archive, each as account and connector; none if it cannot be read at once."""
    rows, names = list[tuple[str, str]](), dict[tuple[str, str], list[str]]()
    with suppress(sqlite3.Error):
        uri = f"{Path(path).absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_ARCHIVE_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA query_only = TRUE")
            rows = connection.execute(_ARCHIVED).fetchall()
            # An archive of the first version has no names.
            for account, name, *words in connection.execute(_NAMES):
                names[account, name] = [word if isinstance(word, str) else "" for word in words]
    return [(account, NamedConnector(name, *names.get((account, name), ()))) for account, name in rows]
