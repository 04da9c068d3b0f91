"""Run a coroutine per item, several at a time; yield the results in the order of the items.

Algorithm: a queue holds one task per item, in input order. Another item is started while fewer than ``concurrency``
tasks run; only the first task's result is ever yielded. Invariant: results come in input order, and an error takes the
place of its own result alone. Bound: ``concurrency`` tasks run and ``concurrency + max_buffered`` are held. Cost: one
pass over the held tasks for each item.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

from cfevents._http.connection import GetConnection, cancel_all
from cfevents.errors import CfEventsError

T = TypeVar("T")
R = TypeVar("R")


async def ordered_map(
    get_connection: GetConnection,
    items: AsyncGenerator[T, None],
    func: Callable[[T], Coroutine[Any, Any, R]],
    concurrency: int,
    max_buffered: float | None = None,
) -> AsyncGenerator[tuple[T, R | CfEventsError], None]:
    """Yield each item with what ``func`` returned for it, or with the error that it raised.

    ``max_buffered`` results may wait for an earlier one, beyond the calls that run; 4 for each of these if it is left
    out. ``items`` is closed at the end; an error that it raises is raised after the results of the items before it.
    """
    max_held = concurrency + (4 * concurrency if max_buffered is None else max_buffered)
    queue, failure = deque[tuple[T, asyncio.Task[R]]](), None
    try:
        async with aclosing(items):
            while True:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    break
                except CfEventsError as error:
                    failure = error
                    break
                queue.append((item, get_connection().create_task(func(item))))
                while queue and await _is_first_due(queue, concurrency, max_held):
                    yield await _first_result(get_connection, queue)
        while queue:
            yield await _first_result(get_connection, queue)
        if failure is not None:
            raise failure
    finally:
        await cancel_all(task for _, task in queue)


async def as_async(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item


async def _is_first_due(queue: "deque[tuple[T, asyncio.Task[R]]]", concurrency: int, max_held: float) -> bool:
    """Return whether to yield the first result now; otherwise return when another item may be started."""
    first = queue[0][1]
    while not first.done() and len(running := [task for _, task in queue if not task.done()]) >= concurrency:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    return first.done() or len(queue) >= max_held


async def _first_result(get_connection: GetConnection, queue: "deque[tuple[T, asyncio.Task[Any]]]") -> tuple[T, Any]:
    item, task = queue[0]
    try:
        return item, await get_connection().result_of(task)
    except CfEventsError as error:
        return item, error
    finally:
        if task.done():
            queue.popleft()
