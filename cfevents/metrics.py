"""The state of a follower as metrics of Prometheus. Needs the extra ``metrics``.

::

    prometheus_client.REGISTRY.register(FollowerCollector(follower.metrics))
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

from cfevents._extras import require_extra
from cfevents._following.follower import FollowerMetrics
from cfevents._model.api import Connector, Device
from cfevents._secrets import clean
from cfevents._validation import escape_surrogates
from cfevents._version import __version__

require_extra("metrics", "prometheus_client")
from prometheus_client.core import Metric  # noqa: E402 - an extra
from prometheus_client.registry import Collector  # noqa: E402 - an extra

__all__ = ["FollowerCollector"]


class Family(NamedTuple):
    """A metric: its name, which ends in _total where it counts, what it is, and the attribute of a state it is."""

    name: str
    text: str
    attribute: str = "real"

    def metric(self, *states: tuple[Mapping[str, str], Any]) -> Metric:
        """Return the metric with a sample for each state, which has labels of its own."""
        name, read = self.name.removesuffix("_total"), attrgetter(self.attribute)
        metric = Metric(name, self.text, "gauge" if name == self.name else "counter")
        for labels, state in states:
            metric.add_sample(self.name, {**labels}, _number(read(state)))
        return metric


def _number(value: timedelta | datetime | float | None) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.timestamp() if isinstance(value, datetime) else float(value or 0)


BUILD = Family("cfevents_build_info", "Version of cfevents; always 1.")
CONNECTORS = Family("cfevents_connectors", "Connectors that are followed.")
INFO = Family("cfevents_connector_info", "Serial number and notes of a connector; always 1.")
ERRORS = Family("cfevents_connector_errors_total", "Polls that failed, by the class of the error.")
# Of a file alone: whoever serves metrics is there, and they are of this moment.
WRITTEN = Family("cfevents_written_timestamp_seconds", "When this file was written.")
FAILED = Family("cfevents_run_failed", "1 where the command ended with a failure, else 0.")
_OF_CONNECTOR = (
    Family("cfevents_connector_last_success_timestamp_seconds", "When it was last read; 0 before.", "last_good_at"),
    Family("cfevents_connector_lag_seconds", "Longest lag of the events that were found last.", "recent_lag"),
    Family("cfevents_connector_backlog_seconds", "Age of the event found last while more are coming.", "backlog"),
    Family("cfevents_connector_events_delivered_total", "Events delivered.", "delivered"),
    Family("cfevents_connector_events_late_total", "Events delivered after a newer one.", "late"),
)
_OF_CLIENT = (
    Family("cfevents_requests_total", "Requests sent, repeated ones among them.", "sent"),
    Family("cfevents_requests_repeated_total", "Requests sent again.", "repeated"),
    Family("cfevents_wait_seconds_total", "Time that requests waited for their turn.", "waited"),
    Family("cfevents_budget_left_requests", "Requests that the budget lets leave now.", "left"),
    Family("cfevents_blocks_total", "Times that the API refused all requests for a while.", "blocks"),
)
_OF_SINK = (
    Family("cfevents_sink_events_delivered_total", "Events that the receiver has.", "delivered"),
    Family("cfevents_sink_retries_total", "Batches that had to be written again.", "retried"),
    Family("cfevents_sink_dead_letters_total", "Events that the receiver refused for good.", "dead_letters"),
)


def families(metrics: FollowerMetrics) -> Iterator[Metric]:
    """Yield the metrics of a follower."""
    rows = [({"connector_id": escape_surrogates(name)}, status) for name, status in metrics.connectors.items()]
    listed = {connector.id: connector for connector in metrics.listed}
    yield BUILD.metric(({"version": __version__}, 1))
    yield CONNECTORS.metric(({}, len(rows)))
    yield INFO.metric(*(({**labels, **_called(listed.get(labels["connector_id"]))}, 1) for labels, _ in rows))
    yield ERRORS.metric(
        *(({**labels, "error": name}, n) for labels, status in rows for name, n in status.errors.items())
    )
    yield from (family.metric(*rows) for family in _OF_CONNECTOR)
    for group, state in ((_OF_CLIENT, metrics.usage), (_OF_SINK, metrics.sink)):
        yield from (family.metric(*([({}, state)] if state else [])) for family in group)


def _called(connector: Connector | None) -> dict[str, str]:
    """Return what a connector is called, as one line of bounded length, whatever the API has sent."""
    connector = connector or Connector("")
    names = {"serial_number": (connector.device or Device()).serial_number, "notes": connector.notes}
    return {label: clean(escape_surrogates(name or "")) for label, name in names.items()}


class FollowerCollector(Collector):
    """The metrics of a follower, read anew for each scrape. Several followers need a registry each."""

    def __init__(self, metrics: Callable[[], FollowerMetrics]) -> None:
        """Set the function that is called for each scrape: ``follower.metrics``."""
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their values at this moment."""
        return families(self._metrics())
