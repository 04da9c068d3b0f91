"""Connectors as people name them: by an id, its beginning, a serial number, or a note of their owner."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, Self

from cfevents.cli.console.errors import WrongUsage

if TYPE_CHECKING:
    from cfevents import Connector

# Ids have no documented form. One of a usual form is used as it is, and costs no request to find it.
_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_MAX_NAMED = 10
_LEAST_LIKENESS = 0.6  # of 1


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
