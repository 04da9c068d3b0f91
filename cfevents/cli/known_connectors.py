"""The names of connectors that the Tab key completes, from a file in the user's cache.

Commands that list the connectors of an account write it. No completion sends a request.
"""

import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfevents._secrets import environment
from cfevents.cli.accounts import read_account
from cfevents.cli.connector_names import NamedConnector, matching
from cfevents.cli.console.errors import WrongUsage

if TYPE_CHECKING:
    from cfevents import Connector

_ARCHIVE_TIMEOUT_S = 0.1
_ARCHIVED = (
    "SELECT DISTINCT account_id, connector_id FROM checkpoints AS known WHERE EXISTS (SELECT 1 FROM events "
    "WHERE account_id = known.account_id AND connector_id = known.connector_id) "
    "UNION SELECT account_id, connector_id FROM extents ORDER BY connector_id"
)
_NAMES = "SELECT account_id, connector_id, serial_number, notes FROM connectors"


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
