"""From when on something counts as wrong."""

from datetime import timedelta
from typing import Any

from attrs import field, frozen

from cfevents._time import validate_duration
from cfevents._validation import validate_int, validate_seconds, validate_type


def _is_length(_limits: object, attribute: Any, value: timedelta) -> None:
    validate_duration(attribute.name, value)


def _is_seconds(_limits: object, attribute: Any, value: float) -> None:
    validate_seconds(attribute.name, value)


def _is_number(_limits: object, attribute: Any, value: int) -> None:
    validate_int(attribute.name, value, least=2)


@frozen(kw_only=True)
class Limits:
    """From when on something counts as wrong.

    The API's documentation gives no figures. These come from what the kinds mean, and lie well above what a healthy
    appliance needs on a bad line, so that a finding is worth a look.

    Raises:
        TypeError: A length of time is no timedelta, or a number is not whole.
        ValueError: One is too small.
    """

    __module__ = "cfevents.operations"

    upgrade: timedelta = field(default=timedelta(minutes=30), validator=_is_length)
    """How long an upgrade may go without an answer: half a gigabyte takes as long at two Mbit/s."""

    attestation: timedelta = field(default=timedelta(minutes=15), validator=_is_length)
    """How long an attestation may: an exchange of a few messages, and some attempts."""

    rotation: timedelta = field(default=timedelta(minutes=15), validator=_is_length)
    """How long the rotation of a key or a certificate may: likewise."""

    rekey: timedelta = field(default=timedelta(minutes=5), validator=_is_length)
    """How long a tunnel's rekey may stay incomplete: it waits for traffic on the new key, and tunnels are probed all
    the time."""

    blessing: timedelta = field(default=timedelta(hours=1), validator=_is_length)
    """How long after an upgrade its slot may stay unblessed: the new version has to prove itself first."""

    loop_pause: timedelta = field(default=timedelta(minutes=10), validator=_is_length)
    """How far apart the starts of a restart loop lie at most, one from the next."""

    loop_starts: int = field(default=3, validator=_is_number)
    """How many starts make a restart loop: two may be an upgrade and a crash."""

    flapping_window: timedelta = field(default=timedelta(minutes=15), validator=_is_length)
    """In what time so many HA transitions are flapping."""

    flapping_transitions: int = field(default=4, validator=_is_number)
    """How many HA transitions are flapping: a failover and the way back are two, and each may need two steps."""

    gap_factor: float = field(default=8.0, validator=_is_seconds)
    """How many times a connector's usual pause makes a gap. Were its events spread by pure chance, one pause in 600,000
    would be as long."""

    gap_least: timedelta = field(default=timedelta(minutes=30), validator=_is_length)
    """What is never a gap, however busy the connector is: a reboot takes minutes."""

    gap_pauses: int = field(default=20, validator=_is_number)
    """How many pauses have to be known before one is called usual."""


def limits_of(limits: Limits | None) -> Limits:
    """Give the limits that were given; the usual ones where they were left out.

    Raises:
        TypeError: They are none.
    """
    return validate_type("limits", Limits() if limits is None else limits, Limits)
