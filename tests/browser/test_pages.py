"""The report's page in a real Chromium: nothing is requested, no script runs, and it can be read by everybody."""

import json
import os
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from attrs import evolve
from support.appliance_events import history_events
from support.chromium import PROGRAM, Page, chromium
from support.pages import HOSTILE, hostile_report

from cfevents import operations
from cfevents.operations import Report
from cfevents.testing import History
from cfevents.testing.scenarios import INCIDENTS

pytestmark = [pytest.mark.once, pytest.mark.skipif(not PROGRAM, reason="nox -s browser runs these with a Chromium")]

AXE = os.environ.get("CFEVENTS_AXE", "")
UNTIL = 1_750_000_000
DAY = 86_400


def axe_core() -> str:
    return Path(AXE).read_text(encoding="utf-8") + ";0"


Serve = Callable[[str], str]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with chromium() as tab:
        yield tab


@pytest.fixture
def requests() -> list[str]:
    """What was asked of the server."""
    return []


@pytest.fixture
async def serve(requests: list[str]) -> AsyncIterator[Serve]:
    """A function that serves a page, and returns its address."""
    pages = dict[str, str]()

    async def answer(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.Response(text=pages.get(request.path, ""), content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    def add(text: str) -> str:
        pages["/report.html"] = text
        return f"http://127.0.0.1:{port}/report.html"

    yield add
    await runner.cleanup()


@cache
def fleet(connectors: int = 3, days: int = 7) -> Report:
    """The report of a fleet with incidents of all kinds."""
    history = History(seed=7, connectors=connectors, days=days, until=UNTIL, incidents=tuple(INCIDENTS))
    report = operations.report(history_events(history), since=UNTIL - days * DAY, until=UNTIL)
    assert len(report.findings) > 5
    return report


async def has_run(page: Page) -> bool:
    return bool(await page.evaluate("'broken' in window || document.scripts.length > 0"))


async def test_hostile_names_run_nothing_and_request_nothing(page: Page, serve: Serve, requests: list[str]) -> None:
    """Names that try to break out are text: one request is made, no script runs, nothing is reported."""
    url = serve(hostile_report().to_html(about={HOSTILE: HOSTILE}, notes=[HOSTILE]))
    await page.open(url)
    assert requests == ["/report.html"]
    assert [event["request"]["url"] for event in page.named("Network.requestWillBeSent")] == [url]
    assert not await has_run(page)
    assert page.named("Log.entryAdded") == page.named("Page.javascriptDialogOpening") == []
    assert "window.broken=1" in await page.evaluate("document.body.innerText")


async def test_the_policy_holds_what_escaping_would_not(page: Page, serve: Serve, requests: list[str]) -> None:
    """Were a name not escaped, the page's policy would still stop its scripts and requests, and this test sees it."""
    tags = "<script>window.broken=1</script><img src='/leak' onerror='window.broken=1'><style>p{color:red}</style>"
    await page.open(serve(fleet().to_html().replace("<main>", f"{tags}<main>")))
    assert requests == ["/report.html"]
    assert not await page.evaluate("'broken' in window")
    assert len(page.named("Log.entryAdded")) >= 3
    await page.open(serve(tags))
    assert "/leak" in requests
    assert await page.evaluate("window.broken") == 1


async def test_the_page_is_whole_as_a_file(page: Page, tmp_path: Path) -> None:
    """Opened from a disk it asks for nothing else, and its own style counts."""
    file = tmp_path / "report.html"
    file.write_text(fleet().to_html(), encoding="utf-8")
    await page.open(file.as_uri())
    assert [event["request"]["url"] for event in page.named("Network.requestWillBeSent")] == [file.as_uri()]
    assert page.named("Log.entryAdded") == []
    assert await page.evaluate("getComputedStyle(document.querySelector('h2 + .row')).display") == "flex"


async def test_no_width_scrolls_sideways(page: Page, serve: Serve) -> None:
    await page.open(serve(fleet().to_html()))
    for width in (320, 400, 800, 1400):
        await page.look(width)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_colours_follow_the_reader(page: Page, serve: Serve) -> None:
    """Dark where the reader has it dark, and always light on paper."""
    await page.open(serve(fleet().to_html()))

    async def ground(*, dark: bool, media: str) -> str:
        await page.look(800, dark=dark, media=media)
        return str(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    light, dark, paper = [await ground(dark=at > 0, media="print" if at > 1 else "screen") for at in range(3)]
    assert light == paper == "rgb(255, 255, 255)"
    assert dark == "rgb(20, 23, 27)"


@pytest.mark.skipif(not AXE, reason="no axe-core: npm brings it")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
async def test_axe_finds_no_barrier(page: Page, serve: Serve, dark: bool, width: int) -> None:
    """A checker of accessibility finds nothing, contrast included."""
    await page.open(serve(fleet().to_html()))
    await page.look(width, dark=dark)
    await page.evaluate(axe_core())
    found = await page.evaluate(
        "axe.run().then(all => JSON.stringify(all.violations.map(it => [it.id, it.nodes[0].html])))"
    )
    assert json.loads(found) == []


@pytest.mark.parametrize("report", [fleet, hostile_report], ids=["fleet", "hostile"])
def test_a_strict_parser_accepts_the_page(report: Callable[[], Report]) -> None:
    html5lib = pytest.importorskip("html5lib")
    html5lib.HTMLParser(strict=True).parse(report().to_html(about={HOSTILE: HOSTILE}))


async def test_a_month_of_300_connectors_opens_at_once(page: Page, serve: Serve) -> None:
    """300 connectors with a month of events each stay below 5 MB, and are on the screen within two seconds."""
    part, random, connectors = fleet(connectors=10, days=30), Random(1), []
    for number in range(300):
        one, name = part.connectors[number % 10], f"{random.getrandbits(128):032x}"
        named = tuple(evolve(finding, connector_id=name, notes="Branch office") for finding in one.findings)
        connectors.append(evolve(one, connector_id=name, notes="Branch office", findings=named))
    rank = operations.SEVERITIES.index
    findings = sorted(
        (it for one in connectors for it in one.findings), key=lambda it: (-rank(it.severity), it.first_at)
    )
    text = evolve(part, connectors=tuple(connectors), findings=tuple(findings)).to_html()
    await page.open(serve(text))
    await page.look(1400, height=900)
    entries = "['navigation', 'paint'].flatMap(of => performance.getEntriesByType(of))"
    opened = await page.evaluate(f"Math.max(...{entries}.map(it => it.startTime + it.duration))")
    size = len(text.encode())
    print(f"300 connectors, 30 days, {len(findings)} findings: {size / 1e6:.2f} MB, opened in {opened:.0f} ms")
    assert size < 5_000_000
    assert opened < 2000
