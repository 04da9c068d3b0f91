"""What every stream has: a window that is fixed when it is made."""

from cfevents.query import Query


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
