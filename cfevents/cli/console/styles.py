"""The colours of tables: each can be read on black and on white."""

GOOD = "color(28)"
"""Green: something ended well."""

BAD = "color(160)"
"""Red: something failed, or is an alarm."""

NOTABLE = "color(166)"
"""Orange: worth a look."""

UNKNOWN = "color(133)"
"""Purple: not documented."""

NAME = "color(31)"
"""Blue: whose it is, or what a line is about."""

QUIET = "color(243)"
"""Grey: there if it is looked for."""

_ENDINGS = {"Failure": BAD, "Error": BAD, "Reset": BAD, "Success": GOOD, "Pending": NOTABLE}

_VERDICTS = {"ok": GOOD, "info": QUIET, "unknown": QUIET, "warning": NOTABLE}


def of_verdict(verdict: str) -> str:
    """Choose the colour of a verdict of `cfevents doctor`, or of a finding's severity."""
    return _VERDICTS.get(verdict, BAD) if verdict else ""


def of_event(told: str) -> str:
    """Choose the colour of an event by its kind, which is the first word of what is told of it."""
    from cfevents.events import KINDS  # noqa: PLC0415 - not needed for --help

    kind, _, rest = told.partition(" ")
    if rest.lstrip().startswith("(late)"):
        return NOTABLE
    if kind not in KINDS:
        return UNKNOWN
    return next((colour for ending, colour in _ENDINGS.items() if kind.endswith(ending)), "")
