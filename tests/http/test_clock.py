"""The API's clock, by the Date of its responses, and this machine's beside it."""

import asyncio
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from support.clock import run_jumping
from support.scripted import Reply, ScriptedAPI, failure, success

from cfevents import CfEventsError, Client, _time

NOW = 1_780_000_000.0


def connection_after(
    monkeypatch: pytest.MonkeyPatch, *aheads: float, latency: float = 0.0, reply: Reply | None = None, date: str = ""
) -> Any:
    """The clock of a connection after responses, at each of which this machine's clock is ahead by some seconds."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        began, ahead = loop.time(), list(aheads)

        def truth() -> float:
            return NOW + loop.time() - began

        async def answer(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(latency)
            response = await (reply or success([]))(request)
            response.headers["Date"] = date or formatdate(truth(), usegmt=True)
            return response

        monkeypatch.setattr(_time, "time", SimpleNamespace(time=lambda: truth() + ahead[0]))
        async with ScriptedAPI(answer) as api, Client(**api.client_options) as client:
            shown: Any = None
            while ahead:
                try:
                    await client.list_connectors(timeout=None if reply is None else 5)
                except CfEventsError:
                    assert reply is not None
                clock = client._connection.clock if client._connection else None
                assert clock is not None
                await asyncio.sleep(100)
                time = clock.at(loop.time())
                shown = clock.ahead, None if time is None else time - truth()
                ahead.pop(0)
            return shown

    return run_jumping(main())


@pytest.mark.parametrize("ahead", [2 * 86_400.0, -365 * 86_400.0, 90.0, -90.0])
def test_wrong_clock_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    """A clock that is wrong by more than a minute is logged once, and once more after it was right."""
    shown, error = connection_after(monkeypatch, ahead, ahead, 0.0, ahead, ahead)
    messages = [record.getMessage() for record in caplog.records if "clock is" in record.getMessage()]
    assert len(messages) == 2
    assert ("ahead of the API's" if ahead > 0 else "behind the API's") in messages[0]
    assert abs(shown - ahead) <= 2
    assert -2 <= error <= 0.01


@pytest.mark.parametrize(("ahead", "latency"), [(0.0, 0.0), (55.0, 0.0), (-55.0, 0.0), (0.0, 25.0), (-20.0, 25.0)])
def test_clock_within_a_minute_is_right(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ahead: float, latency: float
) -> None:
    """Less than a minute is no difference, and a response that takes its time is none either."""
    assert connection_after(monkeypatch, ahead, latency=latency)[0] == 0.0
    assert "clock is" not in caplog.text


@pytest.mark.parametrize("date", ["yesterday", "Thu, 99 May 2026 20:26:40 GMT", " "])
def test_unreadable_date_is_no_witness(monkeypatch: pytest.MonkeyPatch, date: str) -> None:
    assert connection_after(monkeypatch, 86_400.0, date=date) == (0.0, None)


def test_sleep_of_the_machine_is_no_difference(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine that falls asleep before it reads a response finds its clock ahead of that, and says nothing."""
    slept = [0.0]

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await success([])(request)
        response.headers["Date"] = formatdate(NOW + slept[0], usegmt=True)
        slept[0] += 8 * 3600
        return response

    async def main() -> float:
        monkeypatch.setattr(_time, "time", SimpleNamespace(time=lambda: NOW + slept[0]))
        async with ScriptedAPI(answer) as api, Client(**api.client_options) as client:
            await client.list_connectors()
            assert client._connection is not None
            return client._connection.clock.ahead

    assert run_jumping(main()) == 0.0
    assert "clock is" not in caplog.text


def test_date_of_a_cached_response_is_no_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's cache repeats the Date of an earlier time, and says so by Age."""
    cached, fresh = (Reply(success([]).body, headers={"Age": age}) for age in ("7200", "0"))
    date = formatdate(NOW - 7200, usegmt=True)
    assert connection_after(monkeypatch, 0.0, reply=cached, date=date) == (0.0, None)
    assert connection_after(monkeypatch, 0.0, reply=fresh, date=date)[0] == pytest.approx(7200, abs=2)


@pytest.mark.parametrize("reply", [failure(403), Reply("<html>", 200), Reply("", 403)])
def test_date_of_a_failure_is_no_witness(monkeypatch: pytest.MonkeyPatch, reply: Reply) -> None:
    """Only what the API answers with success has its time: a server in front of it may have another."""
    assert connection_after(monkeypatch, 86_400.0, reply=reply) == (0.0, None)
