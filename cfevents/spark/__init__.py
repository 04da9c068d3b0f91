"""The data source for Apache Spark. Needs the extra ``spark``.

::

    from cfevents.spark import EventsDataSource

    spark.dataSource.register(EventsDataSource)
    spark.read.format("cfevents").option("connectors", "all").option("since", "30d").load()
"""

from typing import TYPE_CHECKING, Any

from cfevents._extras import require_extra

if TYPE_CHECKING:
    from cfevents.spark.source import EventsDataSource

__all__ = ["EventsDataSource"]


def __getattr__(name: str) -> Any:
    """Load the data source on first use: the other modules of the package need no Spark."""
    if name != "EventsDataSource":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_extra("spark", "pyspark", "pyarrow")
    from cfevents.spark.source import EventsDataSource  # noqa: PLC0415 - an extra

    return EventsDataSource
