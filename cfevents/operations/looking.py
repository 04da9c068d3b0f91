"""What a notebook shows of a result."""

from collections.abc import Mapping

from attrs import fields

from cfevents._html import fields_of

# A result may rest on thousands of events.
_MOST = 12


class Shown:
    """A result that a notebook shows as a small table of its fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        told = {each.name: getattr(self, each.name) for each in fields(type(self)) if each.repr}  # type: ignore[arg-type]
        return fields_of(type(self).__name__, {name: _shown(value) for name, value in told.items()})


def _shown(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, tuple):
        return value
    more = len(value) - _MOST
    return ", ".join(map(str, value[:_MOST])) + (f", and {more:,} more" if more > 0 else "")
