"""The arguments of a listing as they travel in a URL."""

from enum import Enum, IntEnum
from typing import Any
from urllib.parse import parse_qs

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scripted import ACCOUNT, ScriptedAPI, page
from yarl import URL

from cfevents import Client
from cfevents._model.kinds import sent_kind
from cfevents._protocol.requests import Endpoints
from cfevents._time import TimeWindow
from cfevents.testing import Simulator

ENDPOINTS = Endpoints(URL("https://api.example/client/v4"), ACCOUNT)


class Name(str, Enum):  # noqa: UP042 - its str() is not its value
    """Names as a program of its own has them."""

    CONNECTOR = "c1"
    KIND = "Init"
    OTHER = "Leave"
    CURSOR = "a cursor"


class Size(IntEnum):
    """Sizes likewise."""

    SMALL = 5


@pytest.mark.parametrize("size", [Size.SMALL, numpy.int64(5), numpy.uint8(5), 5])
@pytest.mark.parametrize("kind", [Name.KIND, numpy.str_("Init"), [Name.KIND], "Init"])
async def test_enumeration_travels_as_its_value(kind: Any, size: Any) -> None:
    """The name of its member would find nothing, silently."""
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        more: dict[str, Any] = {"kind": kind, "page_size": size, "cursor": Name.CURSOR}
        stream = client.list_events(Name.CONNECTOR, since=1, until=9, **more)
        checkpoint = [page.checkpoint async for page in stream.pages()][-1]
        path, _, query = api.requests[0].raw_path.partition("?")
    assert path.endswith("/connectors/c1/telemetry/events")
    assert query == "from=1&to=9&k=Init&limit=5&cursor=a%20cursor"
    assert checkpoint is not None
    assert (checkpoint.connector_id, checkpoint.kind) == ("c1", "Init")


async def test_several_enumerated_kinds_are_found() -> None:
    events = [{"e": {"k": kind}, "t": 5, "n": number} for number, kind in enumerate(["Init", "Leave", "Reconcile"])]
    async with Simulator(events={"c1": events}) as simulator, Client(**simulator.client_options) as client:
        kinds: Any = {Name.KIND, Name.OTHER}
        listed = await client.list_events("c1", since=1, until=9, kind=kinds).collect()
        assert sorted(event.kind for event in listed) == ["Init", "Leave"]
        fleet = await client.fleet([Name.CONNECTOR]).list_events(since=1, until=9, kind=kinds).collect()
        assert {item.connector_id for item in fleet} == {"c1"}


@pytest.mark.parametrize(
    "size", [5.0, numpy.float64(5), numpy.timedelta64(5, "s"), numpy.True_, True, "5", numpy.array(5)]
)
async def test_page_size_is_a_whole_number(size: Any) -> None:
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        with pytest.raises(TypeError, match="is not a whole number"):
            client.list_events("c1", since=1, until=9, page_size=size)


@given(
    st.text(min_size=1).filter(lambda kind: sent_kind((kind,)) is not None),
    st.text(" +%&=?#/é\n", min_size=1),
)
def test_any_text_travels_without_a_plus(kind: str, cursor: str) -> None:
    """Not every server reads a plus as a space. Patterns, and kinds to leave out, are not sent."""
    request = ENDPOINTS.list_events("c1", TimeWindow(1, 9), kinds=(kind,)).at(cursor)
    query = request.url.raw_query_string
    assert "+" not in query
    assert parse_qs(query, keep_blank_values=True, strict_parsing=True) == {
        "from": ["1"], "to": ["9"], "k": [kind], "cursor": [cursor],
    }  # fmt: skip
    assert request.url.query["cursor"] == cursor
