"""Pictures of events, drawn with matplotlib (extra ``plot``). Each takes what `cfevents.operations` takes.

An asynchronous stream too, and then it is awaited::

    axes = await plot.timeline(client.fleet().list_events(since="7d"))

All give the axes that they drew on, so that whatever else matplotlib has can be done with them. The colours are told
apart by those who do not see all of them, too. What was recorded outside the years 1000 to 8999 is drawn at their edge.
"""

from cfevents.plot.counts import counts
from cfevents.plot.lag import lag
from cfevents.plot.timeline import timeline

__all__ = ["counts", "lag", "timeline"]
