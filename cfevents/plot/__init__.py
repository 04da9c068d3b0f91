"""Pictures of events, drawn with matplotlib (extra ``plot``). Each function accepts what `cfevents.operations` accepts.

If that is an asynchronous stream, the result must be awaited::

    axes = await plot.timeline(client.fleet().list_events(since="7d"))

All return the axes that they drew on, for anything else that matplotlib can do with them. People who see fewer colours
can tell the colours apart. Events recorded outside the years 1000 to 8999 are drawn at their edge.
"""

from cfevents.plot.pictures import counts, lag, timeline

__all__ = ["counts", "lag", "timeline"]
