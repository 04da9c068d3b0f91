"""The search for credentials in everything that a test lets out."""

import base64
import functools
import inspect
import logging
import pickle
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import cfevents
from cfevents.errors import CfEventsError
from cfevents.sinks.webhook import Webhook
from cfevents.storage import Archive, NDJSONFile
from cfevents.testing import Simulator
from support.scripted import ACCOUNT, TOKEN

_SIMULATOR = Simulator(events={})
# Every credential that the tests send; none of them is a word that stands anywhere else.
CREDENTIALS = (
    TOKEN,
    _SIMULATOR.api_token,
    _SIMULATOR.api_key,
    _SIMULATOR.api_email,
    "env-token-77aa",
    "env-key-77aa",
    "env@mail.example",
    "arg-token-33bb",
    "arg-key-33bb",
    "arg@mail.example",
    "rotated-token-44cc",
    "header-secret-55dd",
)


def traces(secret: str) -> set[str]:
    """The texts that show a credential: its two ends, as a printer that cuts leaves them, and its base64 and hex."""
    encoded = {base64.b64encode(bytes(shift) + secret.encode()).decode()[4:-4] for shift in range(3)}
    return {secret[:12], secret[-12:], secret.encode().hex(), *encoded}


TRACES = {trace for secret in CREDENTIALS for trace in traces(secret) if trace not in ACCOUNT}


class Watch(logging.Handler):
    """Keeps each log record, and each exception that leaves a public call, to be searched after the test."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.told: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def keep(self, error: BaseException) -> None:
        """Keep all that an exception tells, as it leaves a public call."""
        self.told += [(type(error).__name__, text) for text in _texts(error)]

    def leaks(self) -> list[str]:
        """Say where a credential showed."""
        shown = self.told + [("log", logging.Formatter().format(record)) for record in self.records]
        return [f"{where}: {text}" for where, text in shown if any(trace in text for trace in TRACES)]

    def watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a public function, method, or maker of an async generator."""

        @functools.wraps(call)
        def plain(*args: Any, **kwargs: Any) -> Any:
            try:
                result: Any = call(*args, **kwargs)
            except BaseException as error:
                self.keep(error)
                raise
            made: Any = result
            if isinstance(result, cfevents.Details):
                made._events = _WatchedGenerator(self, made._events)
                return made
            return _WatchedGenerator(self, made) if inspect.isasyncgen(result) else result

        @functools.wraps(call)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            try:
                return await call(*args, **kwargs)
            except BaseException as error:
                self.keep(error)
                raise

        return awaited if inspect.iscoroutinefunction(call) else plain


class _WatchedGenerator:
    """An async generator whose errors are kept; it is held by nobody else, so that it ends as it would have."""

    def __init__(self, watch: Watch, inner: "AsyncGenerator[Any, None] | _WatchedGenerator") -> None:
        self._watch, self._inner = watch, inner

    def __aiter__(self) -> "_WatchedGenerator":
        return self

    async def __anext__(self) -> Any:
        return await self.asend(None)

    async def athrow(self, *error: Any) -> Any:
        return await self._inner.athrow(*error)

    async def asend(self, value: None) -> Any:
        try:
            return await self._inner.asend(value)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._watch.keep(error)
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()


PUBLIC_CALLS = [
    *(
        (cfevents.Client, name)
        for name, call in vars(cfevents.Client).items()
        if name[0] != "_" and inspect.isfunction(call)
    ),
    (cfevents.Client, "__init__"),
    (cfevents.Client, "__aenter__"),
    (cfevents.Client, "__aexit__"),
    (cfevents.EventStream, "pages"),
    (cfevents.EventStream, "collect"),
    (cfevents.EventStream, "details"),
    (cfevents.EventStream, "__aiter__"),
    (cfevents.EventStream, "to_arrow"),
    (cfevents.EventStream, "to_parquet"),
    (cfevents.Fleet, "list_events"),
    (cfevents.Fleet, "latest_events"),
    (cfevents.FleetStream, "collect"),
    (cfevents.FleetStream, "details"),
    (cfevents.FleetStream, "__aiter__"),
    (cfevents.FleetStream, "to_arrow"),
    (cfevents.FleetStream, "to_parquet"),
    (cfevents.Follower, "batches"),
    (cfevents.Follower, "__aiter__"),
    (cfevents.Checkpoint, "from_json"),
    (cfevents.FollowCheckpoint, "from_json"),
    (cfevents.Details, "to_arrow"),
    (Archive, "open"),
    (Archive, "append"),
    (Archive, "sync"),
    (Archive, "get_event"),
    (Archive, "prune"),
    (NDJSONFile, "open"),
    (NDJSONFile, "write"),
    (Webhook, "__aenter__"),
    (Webhook, "write"),
]


def _texts(error: BaseException) -> list[str]:
    # From the library's own frames inward: the caller's variables are the caller's.
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    trace = traceback.TracebackException(type(error), error, inner, capture_locals=True)
    texts = [repr(error), str(error), "".join(trace.format())]
    if isinstance(error, CfEventsError):
        texts.append(pickle.dumps(error).decode("latin-1"))
    return [*texts, *(text for frame, _ in traceback.walk_tb(inner) for text in _cut_texts([*frame.f_locals.values()]))]


def _cut_texts(value: Any) -> Iterator[str]:
    """Yield what printers show that cut a text before they call repr, as rich and structlog do."""
    if isinstance(value, str):
        yield from (repr(value[:40]), repr(value[-40:]))
    elif isinstance(value, dict | list | tuple):
        for inner in [*value.values()] if isinstance(value, dict) else value:
            yield from _cut_texts(inner)
