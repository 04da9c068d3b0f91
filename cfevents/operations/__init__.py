"""Interpretation of events: operations and their outcome, rekeys, runs, gaps, and a report of what went wrong.

Pure functions of events in any order, listed or with their payloads, of one connector or several. Each accepts any
iterable, or an asynchronous one, in which case the result must be awaited, or a `Journal`, which sorts the events once
for several functions. Every result names the ids of the events that it rests on. A time outside the years 1 to 9999
becomes the nearest that a datetime can hold; the ids keep the number itself.
"""

from cfevents.operations.gaps import Gap, gaps
from cfevents.operations.ha import Flapping, HaActivity, ha
from cfevents.operations.journal import Journal
from cfevents.operations.limits import Limits
from cfevents.operations.measures import Lags, Unknown, lags, unknowns
from cfevents.operations.rekeys import Rekey, rekeys
from cfevents.operations.report import ConnectorReport, Report, report
from cfevents.operations.rules import SEVERITIES, Finding
from cfevents.operations.runs import Run, runs
from cfevents.operations.spans import Slot, Span, slots, spans
from cfevents.operations.surroundings import GapEvent
from cfevents.operations.watching import FindingUpdate

__all__ = [
    "SEVERITIES",
    "ConnectorReport",
    "Finding",
    "FindingUpdate",
    "Flapping",
    "Gap",
    "GapEvent",
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

# Reprs, pickles and the documentation name the public module.
for _public in [globals()[name] for name in __all__]:
    if isinstance(_public, type):
        _public.__module__ = __name__
