"""Kinds of a listing: names in any case, patterns, and those that are left out."""

from pathlib import Path

import pytest

from cfevents import Client
from cfevents.events import KINDS
from cfevents.storage import Archive
from cfevents.testing import Simulator

_SENT = ("Init", "Reconcile", "RekeyStart", "RekeyNew", "New[1]")
_CASES = [
    ("init", ["Init"], "Init"),
    ("Rekey*", ["RekeyStart", "RekeyNew"], None),
    (["!Reconcile"], ["Init", "RekeyStart", "RekeyNew", "New[1]"], None),
    (["REKEY*", "!rekeystart"], ["RekeyNew"], None),
    (["!Re*", "!init"], ["New[1]"], None),
    (["Ini?", "New[1]"], ["Init", "New[1]"], None),
    ("New[1]", ["New[1]"], "New[1]"),
    (["Init", "Reconcile", "!Re*"], ["Init"], "Init"),
]


@pytest.mark.parametrize(("kind", "listed", "sent"), _CASES)
async def test_kinds_select_what_they_match(
    tmp_path: Path, kind: str | list[str], listed: list[str], sent: str | None
) -> None:
    """A listing, its payloads and an archive have the same kinds; only a single name is sent."""
    events = [{"e": {"k": name}, "t": 1 + number, "n": 0, "a": 9} for number, name in enumerate(_SENT)]
    async with Simulator(events={"c1": events}) as api, Client(**api.client_options) as client:
        received = await client.list_events("c1", since=0, until=9, kind=kind).collect()
        assert [event.kind for event in received] == listed
        assert api.requests[0].query.get("k") == sent
        details = [detail async for detail in client.list_events("c1", since=0, until=9).details(kinds=kind)]
        assert [detail.recorded.event.kind for detail in details if detail.recorded] == listed
        async with Archive(tmp_path / "events.db") as archive:
            await archive.sync(client, ["c1"], since=0, details=True)
            stream = archive.list_events("c1", since=0, until=9, kind=kind)
            assert [event.kind async for event in stream] == listed
            details = [detail async for detail in archive.list_events("c1", since=0, until=9).details(kinds=kind)]
            assert [detail.metadata.kind for detail in details if detail.recorded] == listed


@pytest.mark.parametrize("kind", ["Nothing*", "!Nothing*", "!", " ", ["Init", "!  "], "!*", ["Init", "!i*"]])
def test_kind_that_selects_nothing_is_refused(kind: str | list[str]) -> None:
    """A pattern that matches no documented kind, and an empty name, is refused."""
    client = Client(api_token="token", account_id="account")
    with pytest.raises(ValueError, match="kind"):
        client.list_events("c1", since=0, until=9, kind=kind)


def test_documented_names_need_no_case() -> None:
    """A documented kind is meant in whatever case it is written, also by a checkpoint."""
    client = Client(api_token="token", account_id="account")
    for name in KINDS:
        assert client.list_events("c1", since=0, until=9, kind=name.upper())._query.kinds == (name,)
