"""What the events mean: operations and how they ended, rekeys, runs, gaps, and a report of what went wrong.

Pure functions of events in any order, listed or with their payloads, of one connector or several. Each takes any
iterable; an asynchronous one too, and is awaited then; or a `Journal`, which holds the events for several questions.
Every result names the ids of the events that it rests on. A time outside the years 1 to 9999 is given as the nearest
that a datetime can hold; the ids have the number itself.
"""

from cfevents.operations.availability import Flapping, HaActivity, ha
from cfevents.operations.findings import SEVERITIES, Finding
from cfevents.operations.gap import Gap, gaps
from cfevents.operations.journal import Journal
from cfevents.operations.lag import Lags, lags
from cfevents.operations.limits import Limits
from cfevents.operations.rekey import Rekey, rekeys
from cfevents.operations.reporting import ConnectorReport, Report, report
from cfevents.operations.run import Run, runs
from cfevents.operations.slot import Slot, slots
from cfevents.operations.span import Span, spans
from cfevents.operations.unknown import Unknown, unknowns

__all__ = [
    "SEVERITIES",
    "ConnectorReport",
    "Finding",
    "Flapping",
    "Gap",
    "HaActivity",
    "Journal",
    "Lags",
    "Limits",
    "Rekey",
    "Report",
    "Run",
    "Slot",
    "Span",
    "Unknown",
    "gaps",
    "ha",
    "lags",
    "rekeys",
    "report",
    "runs",
    "slots",
    "spans",
    "unknowns",
]
