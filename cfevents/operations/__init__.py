"""What the events mean: operations and how they ended, rekeys, runs, gaps, and a report of what went wrong.

Pure functions of events in any order, listed or with their payloads, of one connector or several. Each takes any
iterable; an asynchronous one too, and is awaited then; or a `Journal`, which holds the events for several questions.
Every result names the ids of the events that it rests on. A time outside the years 1 to 9999 is given as the nearest
that a datetime can hold; the ids have the number itself.
"""

from cfevents.operations.boot_slots import Slot, slots
from cfevents.operations.findings import SEVERITIES, Finding
from cfevents.operations.gaps import Gap, gaps
from cfevents.operations.ha import Flapping, HaActivity, ha
from cfevents.operations.journal import Journal
from cfevents.operations.lags import Lags, lags
from cfevents.operations.limits import Limits
from cfevents.operations.rekeys import Rekey, rekeys
from cfevents.operations.report import ConnectorReport, Report, report
from cfevents.operations.runs import Run, runs
from cfevents.operations.spans import Span, spans
from cfevents.operations.unknowns import Unknown, unknowns

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
