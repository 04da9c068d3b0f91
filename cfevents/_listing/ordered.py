"""Work for many things at a time, its outcomes in the order of the things."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

from cfevents._http.connection import GetConnection, cancel_all
from cfevents.errors import CfEventsError

T = TypeVar("T")
R = TypeVar("R")


async def ordered_map(
    get_connection: GetConnection,
    things: AsyncGenerator[T, None],
    work: Callable[[T], Coroutine[Any, Any, R]],
    concurrency: int,
    waiting: float = math.inf,
) -> AsyncGenerator[tuple[T, R | CfEventsError], None]:
    """Do the work for each thing.

    Args:
        get_connection: Returns the open connection.
        things: What to work for; it is closed at the end.
        work: What to do for one.
        concurrency: For how many it is done at a time.
        waiting: How many outcomes may wait for that of an earlier thing.

    Yields:
        Each thing, and what the work returned, or the error that it raised.

    Raises:
        CfEventsError: There are no more things for this reason; those before it have been yielded.
    """
    begun: deque[tuple[T, asyncio.Task[R]]] = deque()
    try:
        async with aclosing(things):
            while not isinstance(thing := await _next(things), _End):
                begun.append((thing, get_connection().create_task(work(thing))))
                while begun and (begun[0][1].done() or await _are_enough(begun, concurrency, waiting)):
                    outcome = await _outcome(get_connection, begun)
                    yield outcome
        while begun:
            late = await _outcome(get_connection, begun)
            yield late
        if thing.error is not None:
            raise thing.error
    finally:
        await cancel_all(task for _, task in begun)


class _End(NamedTuple):
    """That there are no more things, and the error for which."""

    error: CfEventsError | None = None


async def _next(things: AsyncGenerator[T, None]) -> T | _End:
    try:
        return await anext(things)
    except StopAsyncIteration:
        return _End()
    except CfEventsError as error:
        return _End(error)


async def _are_enough(begun: "deque[tuple[T, asyncio.Task[R]]]", concurrency: int, waiting: float) -> bool:
    """Whether the first is to be waited for; before, wait until another may begin."""
    while len(running := [task for _, task in begun if not task.done()]) >= concurrency:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    return begun[0][1].done() or len(begun) >= concurrency + waiting


async def _outcome(
    get_connection: GetConnection, begun: "deque[tuple[T, asyncio.Task[R]]]"
) -> tuple[T, R | CfEventsError]:
    thing, task = begun[0]
    try:
        return thing, await get_connection().result_of(task)
    except CfEventsError as error:
        return thing, error
    finally:
        if task.done():
            begun.popleft()
