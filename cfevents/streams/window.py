"""What every stream has: a window that is fixed when it is made."""

from cfevents._listing.query import Query


class Windowed:
    """A listing over a window. Nothing is sent before it is read."""

    def __init__(self, query: Query) -> None:
        """Take what to ask for."""
        self._query = query

    @property
    def since(self) -> int:
        """The window's lower bound, in whole seconds since the Unix epoch."""
        return self._query.start.since

    @property
    def until(self) -> int:
        """The window's upper bound, in whole seconds since the Unix epoch."""
        return self._query.start.until

    @property
    def _label(self) -> str:
        """Whose events they are, in a word."""
        return self._query.start.connector_id

    def _repr_html_(self) -> str:
        from cfevents._html import date_of, fields_of  # noqa: PLC0415 - only a notebook asks for it

        query = self._query
        asked = {
            "connector": self._label,
            "since": date_of(self.since),
            "until": date_of(self.until),
            "kind": ", ".join(query.kinds) or "every kind",
            "page size": query.page_size,
            "slices at a time": query.concurrency if query.concurrency > 1 else None,
            "goes on at": query.start.cursor or (query.start.reached and date_of(query.start.reached)),
            "timeout": query.timeout and f"{query.timeout:g} s",
        }
        return fields_of(f"{type(self).__name__}: what it asks for when it is read", asked)
