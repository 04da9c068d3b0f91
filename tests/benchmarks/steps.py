"""The processor time of what happens to a page inside this process, step by step, as JSON on stdout.

The steps take turns, so that a change of the machine's speed affects all; a figure is the least of its runs, in seconds
for a whole page. It runs in a process of its own, since the tables import nothing heavy.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from benchmarks.contestants import FAST, FLOOR, OURS
from benchmarks.past import Past
from cfevents import EventStream, Page
from cfevents._listing.pages import _Deduplicator
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventMetadata, Listing
from cfevents._protocol import converter, fast_path, responses

PARSE, MAKE, REPEATS, HAND_OVER = "parse the bytes", "make events", "drop repeats", "hand over, one by one"
STEPS = (PARSE, MAKE, REPEATS, HAND_OVER)
_QUERY = ListQuery.of("site", since=0, until=2_000_000_000)


def steps(events: int) -> dict[tuple[str, str], Callable[[], Any]]:
    """Return what is timed, by step and contestant, for a page of so many events."""
    past = Past(2 * events)
    body = past.page(past.since, past.until, events, None)
    raw = json.loads(body)["result"]["items"]
    pages = [
        converter.structure_at(
            "", json.loads(past.page(past.since, past.until, events, start))["result"], Listing
        ).items
        for start in (0, events)
    ]
    timed: dict[tuple[str, str], Callable[[], Any]] = {
        (PARSE, FLOOR): lambda: json.loads(body),
        (HAND_OVER, FLOOR): lambda: asyncio.run(_count(_each(raw))),
        (PARSE, OURS): lambda: responses._load_json(body),
        (MAKE, OURS): lambda: converter.structure_at("", {"items": raw, "count": events}, Listing),
        (REPEATS, OURS): lambda: _without_repeats(pages),
        (HAND_OVER, OURS): lambda: asyncio.run(_count(aiter(_Read(pages[0])))),
    }
    if decoded := fast_path.decode_listing(body):
        timed[PARSE, FAST] = lambda: fast_path.decode_listing(body)
        timed[MAKE, FAST] = lambda: fast_path.convert_listing(decoded, None)
        timed |= {(step, FAST): timed[step, OURS] for step in (REPEATS, HAND_OVER)}
    return timed


class _Read(EventStream):
    """A stream whose one page was read before."""

    def __init__(self, items: tuple[EventMetadata, ...]) -> None:
        super().__init__(_QUERY, NotImplemented)
        self._items = items

    async def _read_pages(self) -> AsyncGenerator[Page, None]:
        yield Page(self._items)


async def _each(items: Sequence[Any]) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item


async def _count(items: AsyncGenerator[Any, None]) -> int:
    count = 0
    async for _ in items:
        count += 1
    return count


def _without_repeats(pages: Sequence[tuple[EventMetadata, ...]]) -> None:
    deduplicator = _Deduplicator(_QUERY.start)
    for items in pages:
        deduplicator.without_repeats(items)


def measured(events: int, turns: int) -> dict[tuple[str, str], float]:
    """Return the least time of each step, in seconds for a page."""
    timed = steps(events)
    pages = {key: 2 if key[0] == REPEATS else 1 for key in timed}
    least = dict.fromkeys(timed, float("inf"))
    for _ in range(turns):
        for key, step in timed.items():
            began = time.process_time()
            step()
            least[key] = min(least[key], (time.process_time() - began) / pages[key])
    loop = min(_empty_loop() for _ in range(turns))
    return {key: seconds - (loop if key[0] == HAND_OVER else 0) for key, seconds in least.items()}


def _empty_loop() -> float:
    began = time.process_time()
    asyncio.run(_count(_each(())))
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1000, help="of a page")
    parser.add_argument("--turns", type=int, default=200)
    arguments = parser.parse_args()
    figures = measured(arguments.events, arguments.turns)
    in_order = sorted(figures, key=lambda key: STEPS.index(key[0]))
    print(json.dumps([[*key, figures[key] / arguments.events] for key in in_order]))


if __name__ == "__main__":
    main()
