"""The simulator as a context manager, in an event loop or on a thread of its own."""

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self, TypedDict

from aiohttp import web
from attrs import Factory, define, field

from cfevents._public import set_module
from cfevents._validation import short_repr
from cfevents.testing.backend import Backend
from cfevents.testing.faults.rules import Faults
from cfevents.testing.history import History
from cfevents.testing.server import BASE_PATH, AskedRequest, Quota, Server
from cfevents.testing.store import SimulatorSettings, Store

# A page's URL may carry a long cursor; aiohttp's own limit is 8 KiB.
_MAX_LINE_BYTES = 64 * 1024


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(item, Mapping) for item in value)


def _validate_connectors(_: object, __: object, value: Any) -> None:
    if value is not None and not _is_list_of_objects(value):
        raise ValueError(f"connectors must be a list of JSON objects, not {short_repr(value)}")


def _validate_interrupts(_: object, __: object, value: Any) -> None:
    if not isinstance(value, Mapping) or not all(map(_is_list_of_objects, value.values())):
        raise ValueError(f"interrupts must be lists of JSON objects by connector id, not {short_repr(value)}")


class ClientOptions(TypedDict):
    """The arguments with which a client reaches a simulator."""

    base_url: str
    account_id: str
    api_token: str


@set_module("cfevents.testing")
@define(kw_only=True, eq=False, slots=False)
class Simulator(SimulatorSettings):
    """A local API on a real HTTP server; an async context manager.

    ::

        async with Simulator(events={"site-1": [{"e": {"k": "Init"}, "t": 1700000000, "n": 0}]}) as simulator:
            async with Client(**simulator.client_options) as client:
                ...

    Attributes:
        events: Events by connector id: `{"e": {"k": …}, "t": …, "n": …}`, and `"a"` (else as `t`), `"v"` and
            anything else where wanted. Times are seconds since the Unix epoch. Used when it is made;
            later ones come by `add`.
        history: The history that is served instead, a `LiveHistory` as it goes on; a `History` is made with `seed`
            where neither is given.
        connectors: The connectors' descriptions as JSON; None makes them up.
        interrupts: By connector id what somebody ordered, as JSON, beside what the history has; a test may change it.
        host: The address to listen on.
        port: The port to listen on; 0 is any free one.
        requests: The requests that arrived, oldest first. A test may clear it.
        faults: The faults of its answers; see ``cfevents.testing.faults``.

    Raises:
        ValueError: A setting is not allowed, an event is incomplete or there twice, or both events and a
            history are given.
    """

    events: Mapping[str, Iterable[Mapping[str, Any]]] | None = field(default=None, repr=False)
    history: History | None = None
    connectors: Sequence[Mapping[str, Any]] | None = field(default=None, repr=False, validator=_validate_connectors)
    interrupts: dict[str, list[dict[str, Any]]] = field(factory=dict, repr=False, validator=_validate_interrupts)
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[AskedRequest] = field(factory=list, init=False, repr=False)
    faults: Faults = field(factory=Faults, init=False, repr=False)
    _store: Store = field(factory=Store, init=False, repr=False)
    _quota: Quota = field(init=False, repr=False, default=Factory(Quota, takes_self=True))
    _runner: web.AppRunner | None = field(default=None, init=False, repr=False)
    _base_url: str | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.events is not None and self.history is not None:
            raise ValueError("give events or a history, not both")
        if self.events is None and self.history is None:
            self.history = History(seed=self.seed)
        events = self.history.events if self.history is not None else self.events or {}
        for connector_id, raw_events in events.items():
            self._store.add(connector_id, raw_events)

    @property
    def base_url(self) -> str:
        """The base URL of the API, while the simulator runs; else raises RuntimeError."""
        if self._base_url is None:
            raise RuntimeError("the simulator is not running; use it as 'async with Simulator() as simulator:'")
        return self._base_url

    @property
    def client_options(self) -> ClientOptions:
        """The arguments for a client: `Client(**simulator.client_options)`."""
        return {"base_url": self.base_url, "account_id": self.account_id, "api_token": self.api_token}

    @property
    def environment(self) -> dict[str, str]:
        """The same as environment variables, for another process."""
        return {
            "CLOUDFLARE_BASE_URL": self.base_url,
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
            "CLOUDFLARE_API_TOKEN": self.api_token,
        }

    @property
    def refused(self) -> int:
        """The number of requests that the quota refused since the start."""
        return self._quota.refused

    def add(self, connector_id: str, *events: Mapping[str, Any]) -> None:
        """Add events to a connector, also while it is served and from any thread: all of them or none.

        The connector begins to exist with this; the events have the form of `events`.

        Raises:
            ValueError: An event is incomplete, or its `(t, n)` is already there.
        """
        self._store.add(connector_id, events)

    async def start(self) -> None:
        """Start to listen. Raises RuntimeError if it runs already, OSError if the address or port is not available."""
        if self._runner is not None:
            raise RuntimeError("the simulator is running already")
        self._quota = Quota(self)
        backend = Backend(self, self._store, self.connectors, self.history, self.interrupts)
        self._runner = runner = web.AppRunner(
            Server(self, backend, self.requests, self._quota, self.faults).application(),
            access_log=None,
            # An answer that stalls for good ends with its client.
            handler_cancellation=True,
            shutdown_timeout=1.0,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        try:
            await runner.setup()
            await web.TCPSite(runner, self.host, self.port).start()
        except BaseException:
            await self.stop()
            raise
        host, port, *_ = runner.addresses[0]
        self._base_url = f"http://{f'[{host}]' if ':' in host else host}:{port}{BASE_PATH}"

    async def stop(self) -> None:
        """Close every connection and stop listening; nothing happens if it does not run."""
        runner, self._runner, self._base_url = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@set_module("cfevents.testing")
class SimulatorThread:
    """A context manager that runs a simulator on a thread and an event loop of its own, for code without a loop.

    It starts when it is entered, or raises OSError. Without an argument it runs a simulator with a history::

        with SimulatorThread(Simulator(events={"site-1": []})) as simulator:
            simulator.add("site-1", {"e": {"k": "Init"}, "t": 1700000000, "n": 0})
    """

    def __init__(self, simulator: Simulator | None = None) -> None:
        self._simulator = simulator or Simulator()
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run_thread, name="cfevents-simulator", daemon=True)

    def __enter__(self) -> Simulator:
        self._thread.start()
        self._started.result()
        return self._simulator

    def __exit__(self, *_: object) -> None:
        loop, stopping = self._started.result()
        loop.call_soon_threadsafe(stopping.set)
        self._thread.join()

    def _run_thread(self) -> None:
        try:
            asyncio.run(self._run_simulator())
        except BaseException as error:
            self._started.set_exception(error)

    async def _run_simulator(self) -> None:
        stopping = asyncio.Event()
        async with self._simulator:
            self._started.set_result((asyncio.get_running_loop(), stopping))
            await stopping.wait()
