"""Places to put events that are followed, each event once, whatever happens to the process."""

from cfevents.storage.archive import Archive
from cfevents.storage.archived_stream import ArchivedStream
from cfevents.storage.extents import Extent
from cfevents.storage.ndjson import NDJSONFile

__all__ = ["Archive", "ArchivedStream", "Extent", "NDJSONFile"]
