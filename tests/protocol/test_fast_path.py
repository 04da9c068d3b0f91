"""The extra `speed`: what it takes is what the ordinary way makes of it, and the documented is what it takes."""

import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from random import Random
from typing import Any

import pytest
from cattrs import Converter
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.json_values import json_values
from support.mutated import ODD, mutated, with_a_value_replaced
from yarl import URL

from cfevents import CfEventsError, EventMetadata, events
from cfevents._model.api import Listing, RecordedEvent
from cfevents._protocol import converter, fast_path, responses
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, Result, parse_envelope, parse_result
from cfevents._secrets import remember
from cfevents.testing import History

pytest.importorskip("msgspec")

CASES = int(os.environ.get("CFEVENTS_FUZZ_CASES", "20000"))
TOKEN = "repeated-by-the-answer"
REQUEST: Request[Listing] = Request(URL("https://api.example.com/accounts/a"), Listing)
HISTORY = History(seed=3, connectors=["c1"], days=1, until=1_780_000_000).events["c1"][:12]
ITEMS = [{"a": event["a"], "k": event["e"]["k"], "n": event["n"], "t": event["t"]} for event in HISTORY]
LISTING = {"count": 12, "items": ITEMS, "cursor": "abc+/="}
ITEM = '{"k":"Init","t":1,"n":0,"a":2}'
# Values that change little: most pages with one of them are still as documented.
SMALL = ["0", "-0", "1", "-7", "9223372036854775807", "-9223372036854775808", '"x"', '"\\u00e4\\/\\n"', "null", "\t5 "]


def page(items: str = ITEM, result: str = "", envelope: str = '"success":true') -> bytes:
    return f'{{"result":{{"items":[{items}]{result}}},{envelope}}}'.encode("utf-8", "surrogatepass")


def response(body: bytes, status: int = 200) -> Response:
    remember([TOKEN])
    return Response(status, body, "ray")


def shown(answer: Result[Listing]) -> str:
    """All that an answer tells, to the last type."""
    listing = answer.result
    return repr((listing.items, listing.cursor, listing.count, listing.extra, *answer[1:]))


@cache
def general_way() -> Converter:
    """A converter that makes every event by cattrs."""
    made = converter.converter.__wrapped__()
    made.register_structure_hook(Listing, converter._object_hook(Listing, made))
    return made


def outcome(body: bytes) -> str:
    """What becomes of a body without the extra: a result, or an error and its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "decode_listing", lambda _: None)
        try:
            return shown(parse_result(REQUEST, response(body)))
        except CfEventsError as error:
            return f"{type(error).__name__} {getattr(error, 'place', '')} {error}"


def is_the_same_by_cattrs(body: bytes) -> bool:
    """Return whether the general way makes the same of a body as the way that makes all events of a page at once."""
    general = general_way()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converter, "converter", lambda: general)
        by_cattrs = outcome(body)
    return outcome(body) == by_cattrs


def way_of(body: bytes) -> str:
    """Tell which way a body goes; where it is the quick one, the ordinary one comes to the same."""
    if fast_path.decode_listing(body) is None:
        return "ordinary"
    opened = parse_envelope(REQUEST, response(body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "decode_listing", lambda _: None)
        ordinary = parse_envelope(REQUEST, response(body))
    assert opened.cursor == ordinary.cursor
    assert shown(opened.read()) == shown(ordinary.read())
    return "quick"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"result": LISTING, "success": True, "errors": [], "messages": []}).encode(),
        json.dumps({"result": LISTING, "success": True}, indent=2).encode(),
        page(result=',"cursor":null,"count":null', envelope='"success":true,"errors":null,"messages":null'),
        page(result=',"cursor":"","count":-3', envelope='"messages":[],"success":true'),
        page('{"k":"NotYetDocumented","t":-5,"n":9223372036854775807,"a":-9223372036854775808}'),
        page('{"k":"\\u00e9\\ud83d\\ude00\\u0000\\/","t":-0,"n":0,"a":2}'),
        page(f'{{"\\u006b":"{TOKEN}","t":1,"n":0,"a":2}}'),
        page('{"k":"Init","k":"Leave","t":1,"t":3,"n":0,"a":2}', result=',"items":[],"cursor":"a","cursor":"b"'),
        page("", envelope=f'"success":false,"success":true,"result":{{"items":[{ITEM}]}}'),
        page() + b" \t\r\n",
    ],
)
def test_a_listing_as_documented_goes_the_quick_way(body: bytes) -> None:
    assert way_of(body) == "quick"


def item(**values: str) -> str:
    pairs = {"k": '"Init"', "t": "1", "n": "0", "a": "2"} | values
    return "{" + ",".join(f'"{name}":{value}' for name, value in pairs.items()) + "}"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"\xef\xbb\xbf" + page(), page().decode().encode("utf-16"), page() + b"x",
        page() + b"\0", page()[:-1], page(envelope='"success":false'), page(envelope='"success":1'),
        page(envelope='"errors":[]'), page(envelope='"success":null'),
        page(envelope='"success":true,"errors":[{"code":1}]'), page(envelope='"success":true,"messages":["x"]'),
        page(envelope='"success":true,"messages":{}'), page(envelope='"success":true,"result_info":{}'),
        page(envelope='"success":true,"errors":' + "[" * 100_000), page(envelope='"success":true,"result":null'),
        page(result=',"more":1'), page(result=',"extra":{}'), page(result=',"extra":' + "[" * 100_000),
        page(result=',"cursor":5'), page(result=',"count":"1"'),
        page(result=',"count":1.0'), page(result=',"count":true'), page(result=',"cursor":"\\ud800"'),
        page("null"), page("[]"), page(item(x="1")), page(item(extra="{}")), page(item(kind='"Init"')),
        page('{"k":"Init","t":1,"n":0}'), page(item(k="5")), page(item(k='"\\ud800"')), page(item(k='"\ud800"')),
        page(item(k='"\\ud83dx"')), page(item(k='"\1"')), page(item(k='"\\x"')),
        page().replace(b"Init", b"\xff"), page().replace(b"Init", b"\xc0\x80"),
        *(page(item(**{letter: value})) for letter in "tna"
          for value in ("3.0", "1.5", "-0.0", "1e3", "1e400", "NaN", "Infinity", "true", '"1"', "null", "01", "1.",
                        "+1", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 5000)),
    ],
)  # fmt: skip
def test_whatever_is_not_quite_so_is_left_to_the_ordinary_way(body: bytes) -> None:
    assert way_of(body) == "ordinary"


def test_events_share_kinds_and_no_extra() -> None:
    """Events share the catalogue's text of their kind, and each has an extra of its own."""
    body = page(f"{ITEM},{ITEM}")
    assert way_of(body) == "quick"
    one, other = parse_result(REQUEST, response(body)).result.items
    assert type(one) is EventMetadata
    assert one.kind is other.kind is events.Init.kind
    assert one.extra is not other.extra
    one.extra["mine"] = 1
    assert parse_result(REQUEST, response(body)).result.items[0].extra == {}


def test_an_undocumented_kind_costs_others_no_text() -> None:
    """Beside an event of a kind that is not documented, the others share the catalogue's text all the same."""
    body = page(f"{ITEM},{item().replace('Init', 'New')},{ITEM}")
    assert way_of(body) == "quick"
    one, new, other = parse_result(REQUEST, response(body)).result.items
    assert (one.kind, new.kind) == ("Init", "New")
    assert one.kind is other.kind is events.Init.kind


@pytest.mark.parametrize("status", [199, 301, 400, 429, 500])
def test_status_of_failure_is_an_error_with_any_body(status: int) -> None:
    """A status other than success is an error, whatever the body."""
    with pytest.raises(CfEventsError):
        parse_result(REQUEST, response(page(), status))


KINDS = [
    '"Init"', '"\\u0049nit"', '"Init "', '"New"', '""', '"a\\"k\\":b"', '"{}[],:"', '"\\\\"', '"\\\\\\""', '"é"',
    "null", "5",
]  # fmt: skip
NUMBERS = [
    "0",
    "-0",
    "7",
    "1780000000",
    "9223372036854775807",
    "-1",
    "9223372036854775808",
    "3.0",
    "1e2",
    "true",
    '"1"',
]
SPACES = ["", "", "", " ", "\n\t", "\r\n  "]


def rearranged(random: Random) -> str:
    """A page as documented but for some of it: the order of fields, white space, fields that come twice, odd texts."""
    space = random.choice(SPACES)

    def joined(pairs: list[tuple[str, str]]) -> str:
        random.shuffle(pairs)
        return "{" + f"{space},{space}".join(f'"{name}"{space}:{space}{value}' for name, value in pairs) + "}"

    def an_item() -> str:
        odd = random.random() < 0.1
        pairs = [("k", random.choice(KINDS) if odd else '"Leave"')]
        pairs += [(name, random.choice(NUMBERS) if odd else str(random.randrange(2**33))) for name in "tna"]
        if random.random() < 0.1:
            pairs += [
                random.choice([random.choice(pairs), ("n", "1"), ("k", '"Init"'), ("x", '"\\""'), ("\\u006b", '"New"')])
            ]
        if random.random() < 0.03:
            del pairs[random.randrange(len(pairs))]
        return joined(pairs)

    items = f"[{space}{f'{space},{space}'.join(an_item() for _ in range(random.randrange(5)))}{space}]"
    result, envelope = [("items", items)], [("success", "true")]
    result += random.sample([("count", "3"), ("cursor", '"a\\"items\\":[{"'), ("cursor", '"abc"'), ("items", "[]")], 2)
    envelope += random.sample([("errors", "[]"), ("messages", "null"), ("result", "null")], 2)
    return joined([("result", joined(result)), *envelope])


@pytest.mark.once
@pytest.mark.timeout(3600)
def test_rearranged_pages_give_the_same_all_ways() -> None:
    """With the extra, without it, and event by event, a page gives the same result, or the same error."""
    random = Random(f"rearranged {CASES}")
    seen: Counter[str] = Counter()
    for _ in range(CASES // 50 if CASES < 100_000 else CASES):
        body = rearranged(random).encode("utf-8", "surrogatepass")
        seen[way_of(body)] += 1
        assert is_the_same_by_cattrs(body), body
    assert min(seen["quick"], seen["ordinary"]) > sum(seen.values()) / 10


@pytest.mark.once
@pytest.mark.timeout(3600)
def test_mutated_pages_give_the_same_both_ways() -> None:
    random = Random(f"quick {CASES}")
    seen: Counter[str] = Counter()
    for _ in range(CASES):
        text = json.dumps({"result": LISTING, "success": True, "errors": [], "messages": []})
        for _ in range(random.randrange(3)):
            text = with_a_value_replaced(random, text, random.choice(SMALL))
        if random.random() < 0.7:
            text = mutated(random, text)
        body = text.encode("utf-8", "surrogatepass")
        if random.random() < 0.1:
            at = random.randrange(len(body) + 1)
            body = body[:at] + random.randbytes(random.randint(1, 2)) + body[at:]
        seen[way_of(body)] += 1
    assert min(seen["quick"], seen["ordinary"]) > CASES / 10


raw_json = st.recursive(
    st.sampled_from([*SMALL, *(text for text in ODD if len(text) < 100)]) | json_values.map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda texts: f"[{','.join(texts)}]")
        | st.lists(st.tuples(st.sampled_from(["k", "t", "n", "a", "x", "extra"]), inner), max_size=5).map(
            lambda pairs: "{" + ",".join(f'"{name}":{text}' for name, text in pairs) + "}"
        )
    ),
    max_leaves=6,
)


@pytest.mark.once
@pytest.mark.timeout(1800)
@settings(max_examples=examples(max(300, CASES // 20)))
@example(ITEM, "1", '"c"')
@given(raw_json, raw_json, raw_json)
def test_random_listings_give_the_same_both_ways(one: str, count: str, cursor: str) -> None:
    way_of(page(f"{ITEM},{one}"))
    way_of(page(item(k=cursor, t=one, n=count, a=count)))
    way_of(page(ITEM, f',"count":{count},"cursor":{cursor}'))
    way_of(page(ITEM, envelope=f'"success":true,"errors":{one},"messages":{count}'))
    way_of(one.encode("utf-8", "surrogatepass"))


@settings(max_examples=examples(300))
@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_anywhere_in_a_page_give_the_same_both_ways(data: bytes, at: int) -> None:
    body = page(f"{ITEM},{ITEM}", ',"count":2,"cursor":"abc"')
    way_of(body[:at] + data + body[at:])
    way_of(data)


def test_msgspec_is_loaded_at_the_first_page_and_not_before() -> None:
    program = f"""
import sys
from yarl import URL
from cfevents import Client
from cfevents._model.api import Latest, Listing
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, parse_result
for result in (Latest, Listing):
    parse_result(Request(URL("https://api.example.com"), result), Response(200, {page("")!r}))
    print("msgspec" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_an_answer_to_another_call_is_never_read_as_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: bytes) -> Any:
        raise AssertionError("read as a listing")

    monkeypatch.setattr(responses, "decode_listing", never)
    recorded = b'{"result":{"e":{"k":"Init"},"t":1,"n":0},"success":true}'
    assert parse_result(Request(REQUEST.url, RecordedEvent), Response(200, recorded)).result.kind == "Init"
