"""What all questions have in common: they take events as they come, at once or asynchronously."""

import inspect
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from cfevents.operations.journal import AnyEvent, Journal

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)

AnyEvents: TypeAlias = Journal | Iterable[AnyEvent] | AsyncIterable[AnyEvent]
"""Events in any order: a `Journal`, any iterable, or any asynchronous one, whose result is to be awaited."""


class Question(Protocol[P, T_co]):
    """A function of events; where they come asynchronously, so does its result."""

    @overload
    def __call__(
        self, events: AsyncIterable[AnyEvent], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T_co]: ...

    @overload
    def __call__(self, events: Journal | Iterable[AnyEvent], *args: P.args, **kwargs: P.kwargs) -> T_co: ...


def accepts_any_events(ask: Callable[Concatenate[Journal, P], T_co]) -> Question[P, T_co]:
    """Let a function of a journal take any events."""

    @wraps(ask)
    def asked(events: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(events, Journal):
            return ask(events, *args, **kwargs)
        if isinstance(events, AsyncIterable):
            return _later(ask, events, args, kwargs)
        return ask(Journal(events), *args, **kwargs)

    # What the reference shows is what may be given, not what the function then gets.
    signature = inspect.signature(ask)
    first, *others = signature.parameters.values()
    vars(asked)["__signature__"] = signature.replace(parameters=[first.replace(annotation=AnyEvents), *others])
    asked.__annotations__ = {**ask.__annotations__, first.name: AnyEvents}
    return asked


async def _later(ask: Any, events: AsyncIterable[AnyEvent], args: Any, kwargs: Any) -> Any:
    return ask(await Journal.read(events), *args, **kwargs)
