"""What was begun and has not been answered for too long."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Attempt(NamedTuple, Generic[T]):
    """Something that was begun."""

    result: T
    started_at: datetime
    answered_at: datetime | None
    """When it was brought to an end, a good one or a bad one."""
    dropped_at: datetime | None = None
    """When it no longer mattered, if it was not."""


def overdue(
    attempts: Iterable[Attempt[T]], limit: timedelta, until: datetime, *, repeated: bool = True
) -> Iterator[tuple[list[T], datetime]]:
    """Find what waited for an answer longer than a limit.

    Args:
        attempts: What was begun, ascending, one thing at a time.
        limit: How long an answer may take.
        until: When the events end.
        repeated: Whether what is begun again within the limit goes on waiting for the same answer. Otherwise what is
            begun again is never answered, however soon that is.

    Yields:
        The unanswered attempts that belong together, and until when they had waited.
    """
    waiting: list[Attempt[T]] = []
    given = [*attempts]
    for attempt, following in zip(given, [*given, None][1:], strict=True):
        if attempt.answered_at is None:
            waiting.append(attempt)
            if repeated and _again(attempt, following, limit):
                continue
        end, left = _end(attempt, following, until), not repeated and following is not None
        if waiting and (left or end - waiting[0].started_at > limit):
            yield [each.result for each in waiting], end
        waiting = []


def _again(attempt: Attempt[T], following: Attempt[T] | None, limit: timedelta) -> bool:
    if attempt.dropped_at is not None or following is None:
        return False
    return following.started_at - attempt.started_at <= limit


def _end(attempt: Attempt[T], following: Attempt[T] | None, until: datetime) -> datetime:
    return attempt.answered_at or attempt.dropped_at or (until if following is None else following.started_at)
