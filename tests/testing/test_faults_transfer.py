"""Faults of the connection and the body: that what is to arrive broken arrives broken."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import aiohttp
import pytest
from support.clock import run_jumping
from testing.raw import EVENTS, START, Heard, ask, made, struck

from cfevents.testing import faults
from cfevents.testing.faults import Fault

MOMENTS: Any = ["before headers", "in headers", "after headers", "in body"]


def check_part(when: str, heard: Heard, true: Heard) -> None:
    """That as much of the answer came as is said."""
    if when == "before headers":
        assert heard.data == b""
    elif when == "in headers":
        assert heard.data.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\n\r\n" not in heard.data
    else:
        assert heard.headers["content-length"] == str(len(true.body))
        assert heard.body == (b"" if when == "after headers" else true.body[: len(true.body) // 2])


@pytest.mark.parametrize("when", MOMENTS)
async def test_a_connection_is_reset(when: Any) -> None:
    true, heard = await struck(faults.reset(when))
    assert heard.ending == "reset"
    check_part(when, heard, true)


@pytest.mark.parametrize("when", MOMENTS)
def test_an_answer_stalls_for_good(when: Any) -> None:
    true, heard = run_jumping(struck(faults.stall(when)))
    assert (heard.ending, heard.seconds >= 600) == ("silence", True)
    check_part(when, heard, true)


@pytest.mark.parametrize("when", MOMENTS)
def test_an_answer_goes_on_after_a_stall(when: Any) -> None:
    true, heard = run_jumping(struck(faults.stall(when, seconds=45)))
    assert (heard.status, heard.body, heard.ending) == (200, true.body, "closed")
    assert 45 <= heard.seconds < 46


def test_a_moment_that_does_not_exist_is_refused() -> None:
    for make in (faults.reset, faults.stall):
        with pytest.raises(ValueError, match=r"when must be one of 'before headers', .*, not 'later'"):
            make("later")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_stopping_does_not_wait_for_what_stalls() -> None:
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with made() as simulator:
        simulator.faults.add(faults.stall("in body"))
        pending = asyncio.create_task(ask(simulator))
        while not simulator.faults.struck:  # noqa: ASYNC110 - what is waited for is in the simulator
            await asyncio.sleep(0)
        began = loop.time()
    assert loop.time() - began < 0.9
    assert (await pending).ending == "closed"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_stall_ends_with_its_client() -> None:
    async with made() as simulator:
        before = asyncio.all_tasks()
        simulator.faults.add(faults.stall())
        assert (await ask(simulator, patience=0.05)).ending == "silence"
        for _ in range(10):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


def test_a_body_comes_byte_by_byte() -> None:
    true, heard = run_jumping(struck(faults.trickle(), f"{EVENTS}/{START}.0"))
    assert heard.body == true.body
    assert len(true.body) <= heard.seconds < len(true.body) + 2


async def test_hang_up_closes_after_the_answer() -> None:
    """A connection that was to be kept alive is closed after the answer."""
    async with made() as simulator:
        kept_alive = await ask(simulator, patience=0.05, keep=True)
        simulator.faults.add(faults.hang_up())
        heard = await ask(simulator, keep=True)
    assert (kept_alive.ending, heard.ending) == ("silence", "closed")
    assert heard.document == kept_alive.document
    assert "connection" not in heard.headers


async def test_a_body_is_shorter_than_its_length() -> None:
    true, heard = await struck(faults.short_body())
    assert heard.ending == "closed"
    check_part("in body", heard, true)


async def test_a_chunked_body_is_cut() -> None:
    true, heard = await struck(faults.chunks_cut())
    assert heard.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in heard.headers
    first, begun = heard.body.split(b"\r\n")[1::2]
    assert true.body.startswith(first + begun)
    assert len(true.body) // 2 < len(first + begun) < len(true.body)
    assert not heard.body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("fault", [faults.short_body(), faults.chunks_cut(), faults.gzip_corrupt()], ids=repr)
async def test_a_client_notices_a_body_that_is_cut(fault: Fault) -> None:
    async with made() as simulator, aiohttp.ClientSession() as session:
        simulator.faults.add(fault)
        with pytest.raises(aiohttp.ClientPayloadError):
            await (await session.get(simulator.base_url)).read()


async def test_a_compressed_body_is_cut() -> None:
    true, heard = await struck(faults.gzip_cut())
    assert heard.headers["content-encoding"] == "gzip"
    assert heard.headers["content-length"] == str(len(heard.body))
    reader = zlib.decompressobj(wbits=31)
    assert true.body.startswith(reader.decompress(heard.body))
    assert not reader.eof


async def test_a_compressed_body_is_corrupt() -> None:
    _, heard = await struck(faults.gzip_corrupt())
    assert heard.headers["content-encoding"] == "gzip"
    with pytest.raises(zlib.error, match="invalid block type"):
        gzip.decompress(heard.body)


async def test_a_compressed_body_grows_a_thousandfold() -> None:
    true, heard = await struck(faults.gzip_bomb(10_500_000))
    grown = gzip.decompress(heard.body)
    assert len(grown) == 10_500_000 + len(true.body)
    assert len(heard.body) * 900 < len(grown)
    assert json.loads(grown) == true.document


async def test_a_body_has_not_the_encoding_that_is_said() -> None:
    true, heard = await struck(faults.wrong_charset())
    assert heard.headers["content-type"] == "application/json; charset=utf-16"
    assert heard.body == true.body


async def test_a_body_is_not_utf8() -> None:
    true, heard = await struck(faults.invalid_utf8())
    with pytest.raises(UnicodeDecodeError):
        heard.body.decode()
    lenient = json.loads(heard.body.decode(errors="replace"))
    assert lenient["result"] == true.document["result"]


async def test_a_text_has_half_a_character() -> None:
    true, heard = await struck(faults.lone_surrogate())
    first, second = heard.document["result"]["items"]
    assert first == true.document["result"]["items"][0] | {"note": "\ud800"}
    assert "note" not in second


async def test_a_body_begins_with_a_byte_order_mark() -> None:
    true, heard = await struck(faults.byte_order_mark())
    assert heard.body == b"\xef\xbb\xbf" + true.body


async def test_a_body_is_empty_or_anything() -> None:
    _, heard = await struck(faults.empty_body())
    assert (heard.status, heard.body, heard.headers["content-length"]) == (200, b"", "0")
    assert heard.headers["content-type"].startswith("application/json")
    _, heard = await struck(faults.body(b"hello", "text/plain"))
    assert (heard.status, heard.body, heard.headers["content-type"]) == (200, b"hello", "text/plain")


async def test_a_body_is_nested_deep() -> None:
    _, heard = await struck(faults.nested())
    assert heard.body.startswith(b'{"note": ' + b"[" * 100_000 + b"]" * 100_000 + b', "result": ')


async def test_a_page_is_huge() -> None:
    _, heard = await struck(faults.huge(3000))
    page = heard.document["result"]
    assert page["count"] == len(page["items"]) == len({item["n"] for item in page["items"]}) == 3000
    assert set(page) == {"count", "items"}
