"""Run a coroutine per item, several at a time; yield the results in the order of the items.

Algorithm: a queue holds one task per item, in input order. Another item is started while fewer than ``concurrency``
tasks run; only the first task's result is ever yielded. Invariant: results come in input order, and an error takes the
place of its own result alone. Bound: ``concurrency`` tasks run and ``concurrency + max_buffered`` are held; beside them
run those that stall, up to ``max_stalled``. Cost: one pass over the held tasks for each item.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

from cfevents._http.connection import GetConnection, cancel_all
from cfevents.errors import CfEventsError

T = TypeVar("T")
R = TypeVar("R")

STALL_S = 2.0
"""Seconds after which a call of the API that was not answered makes room for another."""


class _Call(NamedTuple):
    """A task, and when it began on the event loop's clock."""

    task: asyncio.Task[Any]
    began: float


class _Stalls(NamedTuple):
    """Which calls stall, and how many of them may run beside the others."""

    get_connection: GetConnection
    most: int
    answered_at: Callable[[Any], float]

    def of(self, calls: Iterable[tuple[Any, _Call]]) -> tuple[int, float | None]:
        """Return how many calls make room for others, and the seconds until one more may."""
        # What waits for the budget gets no answer either.
        if not self.most or self.get_connection().wait:
            return 0, None
        now = asyncio.get_running_loop().time()
        waits = [max(call.began, self.answered_at(item)) + STALL_S - now for item, call in calls]
        return min(self.most, sum(wait <= 0 for wait in waits)), min((wait for wait in waits if wait > 0), default=None)


async def ordered_map(
    get_connection: GetConnection,
    items: AsyncGenerator[T, None],
    func: Callable[[T], Coroutine[Any, Any, R]],
    concurrency: int,
    *,
    max_buffered: float | None = None,
    max_stalled: int = 0,
    answered_at: Callable[[T], float] = lambda _: -math.inf,
) -> AsyncGenerator[tuple[T, R | CfEventsError], None]:
    """Yield each item with what ``func`` returned for it, or with the error that it raised.

    ``max_buffered`` results may wait for an earlier one, beyond the calls that run; 4 for each of these if it is left
    out. A call stalls if the API has given it no answer for a while; ``answered_at`` is when its item got the last one,
    on the event loop's clock. ``items`` is closed at the end; an error that it raises is raised after the results of
    the items before it.
    """
    max_held = concurrency + (4 * concurrency if max_buffered is None else max_buffered)
    stalls = _Stalls(get_connection, max_stalled, answered_at)
    queue, failure, loop = deque[tuple[T, _Call]](), None, asyncio.get_running_loop()
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
                queue.append((item, _Call(get_connection().create_task(func(item)), loop.time())))
                while queue and await _is_first_due(queue, concurrency, max_held, stalls):
                    yield await _first_result(get_connection, queue)
        while queue:
            yield await _first_result(get_connection, queue)
        if failure is not None:
            raise failure
    finally:
        await cancel_all(call.task for _, call in queue)


async def as_async(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item


async def _is_first_due(queue: deque[tuple[T, _Call]], concurrency: int, max_held: float, stalls: _Stalls) -> bool:
    """Return whether to yield the first result now; otherwise return when another item may be started."""
    first, stalled = queue[0][1].task, 0
    while not first.done():
        running = [(item, call) for item, call in queue if not call.task.done()]
        stalled, timeout = stalls.of(running)
        if len(running) - stalled < concurrency:
            break
        tasks = [call.task for _, call in running]
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return first.done() or len(queue) - stalled >= max_held


async def _first_result(get_connection: GetConnection, queue: deque[tuple[T, _Call]]) -> tuple[T, Any]:
    item, (task, _) = queue[0]
    try:
        return item, await get_connection().result_of(task)
    except CfEventsError as error:
        return item, error
    finally:
        if task.done():
            queue.popleft()
