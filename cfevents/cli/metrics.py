"""The metrics of a command: a file for node_exporter, or an address that Prometheus reads."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from cfevents import ArchiveError, Connector, Follower, FollowerMetrics, _time
from cfevents._extras import require_extra
from cfevents._files import AtomicFile, atomic_write, require_regular, write_errors
from cfevents._protocol.requests import is_loopback
from cfevents._validation import escape_surrogates
from cfevents.cli.console.errors import Failure, print_note
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.times import read_pace

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.samples import Sample

_MEASURED = "cfevents.measured"
_LEAST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0  # between two files
_MODE = 0o644  # of the file: node_exporter is another user

_log = logging.getLogger("cfevents")


class Measured:
    """The follower of a command, and the connectors it looked up, as far as they are known."""

    listed: tuple[Connector, ...] = ()
    get_follower: Callable[..., Follower[Any] | None] = lambda *_: None

    def metrics(self) -> FollowerMetrics:
        """Return the state of the follower, with the names of connectors that were looked up."""
        follower = self.get_follower()
        metrics = FollowerMetrics({}) if follower is None else follower.metrics()
        return metrics._replace(listed=metrics.listed or self.listed)


def measured() -> Measured:
    """Return what the metrics of the command that runs are of."""
    context = click.get_current_context(silent=True)
    return Measured() if context is None else context.meta.setdefault(_MEASURED, Measured())


@contextmanager
def export_metrics(options: CommandOptions) -> Iterator[None]:
    """Export metrics where the options say so. What is wrong with these is raised before anything is sent."""
    with ExitStack() as stack:
        if options.metrics or options.metrics_listen:
            require_extra("metrics", "prometheus_client")
        if options.metrics_listen:
            stack.enter_context(_listening(options.metrics_listen))
        if options.metrics:
            pause_s = max(_LEAST_PAUSE_S, min(read_pace(options)["interval"], _LONGEST_PAUSE_S))
            stack.enter_context(_MetricsFile(options.metrics).kept(pause_s))
        yield


@contextmanager
def _listening(address: str) -> Iterator[None]:
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - an extra

    from cfevents.metrics import FollowerCollector  # noqa: PLC0415 - needs an extra

    host, port = _parse_address(address)
    (registry := CollectorRegistry()).register(FollowerCollector(measured().metrics))
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, UnicodeError) as error:  # that, where no host can have such a name
        reason = f"{getattr(error, 'strerror', 'is no name of a host')}; choose another address or port"
        raise Failure(f"--metrics-listen {address}: {reason}") from error
    try:
        reach = "" if is_loopback(host) else ", for everybody who can reach this machine"
        print_note(f"metrics are at http://{address}/metrics{reach}")
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _parse_address(address: str) -> tuple[str, int]:
    with suppress(ValueError):
        parts = urlsplit(f"//{address}")
        if parts.hostname and parts.port and parts.netloc == address:
            return parts.hostname, parts.port
    raise usage_error("--metrics-listen is no address: write HOST:PORT, such as 127.0.0.1:9464.")


class _MetricsFile:
    """A file that is replaced again and again. Its counters, and the times of success, go on from an earlier run.

    Each run of a timer would else count from 0, and where two counted alike, Prometheus would see no increase.
    """

    def __init__(self, name: str) -> None:
        """Read what an earlier run has left; a file of anything else is replaced."""
        from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - an extra

        if not name.endswith(".prom"):
            raise usage_error("--metrics names a file that node_exporter does not read: write NAME.prom.")
        self._path, self._get_metrics, self._is_failed = Path(name).absolute(), measured().metrics, False
        require_regular(self._path, "metrics")
        self._lock = Lock()
        self._past: dict[str, list[Sample]] = {}
        with write_errors(self._path), suppress(FileNotFoundError, ValueError):
            text = self._path.read_text(encoding="utf-8")
            self._past = {family.name: family.samples for family in text_string_to_metric_families(text)}

    @contextmanager
    def kept(self, pause_s: float) -> Iterator[None]:
        """Write the file after each pause and at the end, also where that is a failure."""
        with write_errors(self._path):  # what cannot be written is known before anything is sent
            (file := AtomicFile(self._path)).open()
            file.discard()
        task = asyncio.create_task(self._repeat(pause_s))
        try:
            yield
        except Exception:
            self._is_failed = True
            raise
        finally:
            task.cancel()
            self._renew()

    async def _repeat(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            await asyncio.to_thread(self._renew)  # of 10,000 connectors it takes a second

    def _renew(self) -> None:
        try:
            with self._lock, write_errors(self._path):
                is_new = not self._path.exists()
                atomic_write(self._path, self._rendered())
                if is_new:
                    self._path.chmod(_MODE)
        except ArchiveError as error:  # no reason to deliver nothing
            _log.warning("%s", error)

    def _rendered(self) -> bytes:
        from prometheus_client import generate_latest  # noqa: PLC0415 - an extra

        from cfevents.metrics import FAILED, WRITTEN, families  # noqa: PLC0415 - needs an extra

        metrics = self._get_metrics()
        shown = [WRITTEN.metric(({}, _time.now())), FAILED.metric(({}, self._is_failed)), *families(metrics)]
        for family in shown:
            family.samples = [*self._continued(family, metrics.connectors)]
        registry: Any = SimpleNamespace(collect=lambda: shown)
        return generate_latest(registry)

    def _continued(self, family: "Metric", connectors: Collection[str]) -> "Iterator[Sample]":
        """Yield the samples of a metric, each with what an earlier run had, and those of an earlier run that stay."""
        past = {_key(sample): sample for sample in self._past.get(family.name, ())}
        file = {"file": escape_surrogates(self._path.stem)}
        for sample in family.samples:
            value, before = sample.value, past.pop(_key(sample), None)
            if before and sample.name.endswith("_total"):
                value += before.value
            elif before and sample.name.endswith("_success_timestamp_seconds"):
                value = max(value, before.value)
            yield sample._replace(labels=sample.labels | file, value=value)
        for sample in past.values():
            # Of connectors that are there, the counts that this run has not raised. Where none is known, such as where
            # the API is not reached, all.
            is_counted = family.type == "counter" and sample.labels.get("connector_id") in connectors
            if is_counted or not (connectors or family.samples):
                yield sample._replace(labels=sample.labels | file)


def _key(sample: "Sample") -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(item for item in sample.labels.items() if item[0] != "file")
