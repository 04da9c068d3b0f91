"""Kinds as they are typed in a shell: in any case, with commas, as patterns, and those to leave out."""

from collections.abc import Sequence

from cfevents._model.kinds import kind_names, split_kinds, without_kinds
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.options import CommandOptions


def read_kinds(options: CommandOptions) -> tuple[str, ...]:
    """Return the kinds of ``--kind`` but for those of ``--exclude``, for the ``kind`` of a listing.

    Raises:
        WrongUsage: A name is empty, a pattern matches no documented kind, or nothing is left.
    """
    with arguments_checked():
        wanted = kind_names(_split(options.kinds), "--kind")
        excluded = kind_names(_split(options.excluded), "--exclude")
        return without_kinds(wanted, excluded)


def kinds_text(kinds: Sequence[str]) -> str:
    """Return the end of a sentence about events of some kinds, empty for all."""
    wanted, excluded = split_kinds(kinds)
    return f" of kind {', '.join(wanted)}" * bool(wanted) + f" other than {', '.join(excluded)}" * bool(excluded)


def _split(texts: Sequence[str]) -> list[str] | None:
    names = [name.strip() for text in texts for name in text.split(",") if name.strip() or not text.strip(" ,")]
    return names or None
