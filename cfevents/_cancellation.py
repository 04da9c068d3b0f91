"""Work that is finished although its caller is cancelled."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def finish(work: "asyncio.Future[T]") -> T:
    """Return the result of work that must not be left halfway, such as closing a file.

    If the caller is cancelled, however often, the cancellation is raised when the work has ended.
    """
    cancellation: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return work.result()
    if not work.cancelled():
        work.exception()  # a result that nobody takes would be logged
    raise cancellation
