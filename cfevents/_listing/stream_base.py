"""What every stream and its details can become: a table of Arrow, pandas or polars, or a Parquet file.

`cfevents.frames` makes them. It is imported inside the methods, since it needs what only the extras bring.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, ClassVar

from cfevents._extras import needed
from cfevents._model.results import Block
from cfevents.streams.window import Windowed

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


def blocks_of(stream: "Framed") -> AsyncGenerator[Block, None]:
    """Read a stream in blocks, each as soon as it is there."""
    return stream._blocks()


class Framed(Windowed, ABC):
    """What can become a table, whose columns are always the same.

    ``connector_id``, ``id`` (text), ``recorded_at`` and ``collected_at`` (timestamps in UTC, of microseconds; null
    outside the years 1 to 9999), ``sequence`` (64 bits), ``kind`` (dictionary, or categorical). Of details also
    ``version``, each documented payload field, and ``extra``: the rest of the payload as JSON text, null where there is
    no payload.
    """

    _has_payloads: ClassVar[bool] = False

    @abstractmethod
    def _blocks(self) -> AsyncGenerator[Block, None]:
        """Read events in blocks, such as a page."""

    async def to_arrow(self) -> "pyarrow.Table":
        """Read everything into an Arrow table, page by page. Needs the extra ``arrow``.

        Raises:
            ConfigurationError: pyarrow is not installed; nothing was sent.
            CfEventsError: As reading it event by event does; what had been read by then is lost to the caller.
        """
        needed("arrow", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_arrow(self._blocks(), payloads=self._has_payloads)

    async def to_pandas(self) -> "pandas.DataFrame":
        """Read everything into a data frame of pandas. Needs the extra ``pandas``.

        Raises:
            ConfigurationError: pandas or pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow` does.
        """
        needed("pandas", "pandas", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_pandas(self._blocks(), payloads=self._has_payloads)

    async def to_polars(self) -> "polars.DataFrame":
        """Read everything into a data frame of polars. Needs the extra ``polars``.

        Raises:
            ConfigurationError: polars or pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow` does.
        """
        needed("polars", "polars", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_polars(self._blocks(), payloads=self._has_payloads)

    async def to_parquet(self, path: str | os.PathLike[str]) -> int:
        """Write everything to a Parquet file, a row group after the other. Needs the extra ``arrow``.

        While it is written its name ends in ``.part``; only a file that is whole takes the place of another.

        Args:
            path: The file.

        Returns:
            How many events it has.

        Raises:
            ArchiveError: It cannot be written. What was there before stays.
            ConfigurationError: pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow` does. What was there before stays.
        """
        needed("arrow", "pyarrow")
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        return await parquet.write(self._blocks(), path, payloads=self._has_payloads)
