"""The rate-limit headers: lists of structured fields, of which a bad item spoils no other."""

import logging

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from support.scripted import ScriptedAPI, success

from cfevents import Budget, Client, _time
from cfevents._protocol import rate_limits
from cfevents._protocol.rate_limits import Policy, RateLimits, Remainder

BURST, DEFAULT = Policy(100, 60), Policy(5, 1)


@pytest.mark.parametrize(
    "item",
    [
        '"burst";q=100;w=60',
        "burst;q=100;w=60",
        '"burst";w=60;q=100',
        '"burst";qu="requests";q=100;w=60',
        '"burst";q=100;w=60;qu=requests',
        '"burst";q=100;w=60;pk=:cGs=:',
        '"burst";pk=::;q=100;w=60',
        '"burst";partition-key_v2.1=*/x:y;q=100;w=60',
        '"burst";flag;q=100;w=60;on=?1;off=?0',
        '"burst";at=@1659578233;q=100;rate=-1.25;w=60',
        r'"burst";note="a, \"b\"; q=1;w=1";q=100;w=60',
        '"burst";name=%"f%c3%bc, r";q=100;w=60',
        '"burst" ; q = 100 ;\tw=60 ',
        '"burst";q=7;q=100;w=60',
        '"burst";q=100;w=60, "burst";q=200;w=60',
        '"x";q=0;w=60, burst;q=100;w=60',
    ],
)
def test_other_parameters_of_a_policy_are_ignored(item: str) -> None:
    assert RateLimits.of(item, None).policies == {"burst": BURST}
    assert RateLimits.of(f'"default";q=5;w=1,{item}', None).policies == {"default": DEFAULT, "burst": BURST}


@pytest.mark.parametrize(
    ("item", "name"), [('"a, b";r=3;t=9', "a, b"), (r'"a\"\\b";r=3;t=9', 'a"\\b'), ("*a/b:c%;r=3;t=9", "*a/b:c%")]
)
def test_names_are_strings_or_tokens(item: str, name: str) -> None:
    assert RateLimits.of(None, f'{item}, "x";r=1').remainders == {name: Remainder(3, 9), "x": Remainder(1, None)}


BAD_ITEMS = [
    "", "nonsense", '"burst', 'burst"', '"burst"q=100', '"burst";q=', '"burst";q', ";q=100;w=60", "7;q=100;w=60",
    '"burst";q=1.5;w=60', '"burst";q=-1;w=60', '"burst";q="100";w=60', '"burst";q=100;w=60;', '"burst";Q=100;w=60',
    '"burst";q=100;w=60;pk=:cGs=', "b\u00fcrst;q=100;w=60", '"burst";q=9999999999999999;w=60',
    '("burst" "x");q=100;w=60', '"burst";q=100;w=60 "x"',
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ITEMS)
@pytest.mark.parametrize("line", ['{}, "default";q=5;w=1', '"default";q=5;w=1, {}', '"default";q=5;w=1,{},{}'])
def test_bad_item_spoils_no_other(bad: str, line: str) -> None:
    assert RateLimits.of(line.replace("{}", bad), None).policies == {"default": DEFAULT}


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_characters=',"'), max_size=20), max_size=6), st.integers(0, 6)
)
def test_item_survives_whatever_surrounds_it(pieces: list[str], place: int) -> None:
    pieces.insert(place, '"default";q=5;w=1')
    assert RateLimits.of(",".join(pieces), None).policies["default"] == DEFAULT


@settings(max_examples=50)
@given(
    st.text(' "\\;,=\u00e9a', max_size=6) | st.sampled_from(["", "bytes", "a" * 101]),
    st.integers(0, 10**16).map(str) | st.sampled_from(["007", "\u0663"]),
    st.integers(0, 10**16).map(str),
)
def test_the_common_form_is_read_as_any_other(name: str, left: str, seconds: str) -> None:
    """A remainder in the form that the API sends is read quickly, with the same result."""
    policy, item = '"bytes";q=9;w=60;qu=content-bytes', f'"{name}";r={left};t={seconds}'
    assert RateLimits.of(policy, item) == RateLimits.of(policy, f" {item}")


@given(st.text(max_size=50))
def test_any_text_is_parsed(text: str) -> None:
    limits = RateLimits.of(text, text)
    assert limits.resets_in is None or limits.resets_in >= 0


def test_bad_items_are_logged_once_for_a_header(caplog: pytest.LogCaptureFixture) -> None:
    rate_limits._warn_malformed.cache_clear()
    for number in range(3):
        RateLimits.of(f"nonsense;x={number}, worse", f"nonsense;x={number}")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "an item of the header Ratelimit-Policy cannot be read, and is ignored",
        "an item of the header Ratelimit cannot be read, and is ignored",
    ]


def test_limits_of_other_units_are_left_out() -> None:
    """What is limited in another unit than requests says nothing about requests."""
    policy = '"bytes";q=9;w=60;qu="content-bytes", "at-once";q=1;w=60;qu="concurrent-requests", "default";q=5;w=1'
    limits = RateLimits.of(policy, '"bytes";r=0;t=60, "at-once";r=0;t=60, "default";r=3')
    assert limits == RateLimits({"default": DEFAULT}, {"default": Remainder(3, None)})
    assert limits.resets_in is None


@pytest.mark.parametrize("unit", ["", ";qu=requests"])
def test_every_window_of_one_name_is_a_policy(unit: str) -> None:
    """None of several windows hides another, and of their remainders the smallest counts, for as long as it may."""
    windows = [f'"default";q=5;w=1{unit}', f'"default";q=100;w=60{unit}', '"default";q=9;w=60;qu="content-bytes"']
    for policy in (", ".join(windows[:2]), ", ".join(windows[1::-1])):
        limits = RateLimits.of(policy, '"default";r=0;t=1, "default";r=0;t=55, "default";r=3;t=60')
        assert limits == RateLimits({"default": BURST, "default;w=1": DEFAULT}, {"default": Remainder(0, 55)})
    assert RateLimits.of(f"{windows[2]}, {windows[0]}", '"default";r=3').remainders == {"default": Remainder(3, None)}


def test_a_reset_that_is_not_named_is_not_known() -> None:
    assert RateLimits.of(None, '"a";r=0').resets_in == 0
    assert RateLimits.of(None, '"a";r=0, "b";r=0;t=7, "c";r=1;t=9').resets_in == 7


async def test_several_header_lines_are_one_list() -> None:
    headers = CIMultiDict([("RateLimit-Policy", '"default";q=1000;w=300'), ("ratelimit-policy", "burst;q=8;w=60")])

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await success([])(request)
        for name, line in headers.items():
            response.headers.add(name, line)
        return response

    async with ScriptedAPI(answer) as api, Client(**api.client_options, budget=Budget(share=1.0)) as client:
        await client.list_connectors()
        assert client.usage.left == 7


def test_dates_are_read_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response without Retry-After has no date to read for it, and one date is the same for many responses."""
    date = "Mon, 30 Nov 2026 03:00:00 GMT"
    _time.parse_http_date.cache_clear()
    for _ in range(1000):
        assert _time.parse_http_date(date) == 1_796_007_600
    assert _time.parse_http_date.cache_info().misses == 1
    monkeypatch.setattr(rate_limits, "parse_http_date", None)
    assert rate_limits.parse_retry_after(None, date) is None
