"""The limits from which a report calls something wrong."""

from datetime import timedelta

from attrs import fields, frozen

from cfevents._time import validate_duration
from cfevents._validation import validate_int, validate_seconds, validate_type


@frozen(kw_only=True)
class Limits:
    """The limits from which a report calls something wrong.

    The API's documentation gives no figures. These follow from the meaning of the kinds, and lie well above what a
    healthy appliance needs on a bad line, so that a finding is worth attention.

    Raises:
        TypeError: A duration is not a timedelta, or a number is not whole.
        ValueError: A value is too small.
    """

    upgrade: timedelta = timedelta(minutes=30)
    """How long an upgrade may go without an answer: half a gigabyte takes as long at two Mbit/s."""

    attestation: timedelta = timedelta(minutes=15)
    """How long an attestation may go without an answer: it exchanges a few messages, in some attempts."""

    rotation: timedelta = timedelta(minutes=15)
    """How long the rotation of a key or a certificate may go without an answer, for the same reason."""

    rekey: timedelta = timedelta(minutes=5)
    """How long a tunnel's rekey may stay incomplete: it needs traffic on the new key, and tunnels are always probed."""

    blessing: timedelta = timedelta(hours=1)
    """How long after an upgrade its slot may stay unblessed: the new version has to prove itself first."""

    loop_pause: timedelta = timedelta(minutes=10)
    """Longest time between two consecutive starts of a restart loop."""

    loop_starts: int = 3
    """Number of starts that make a restart loop: two may be an upgrade and a crash."""

    restart: timedelta = timedelta(minutes=15)
    """How long after an upgrade's end, or after an order was executed, a start is its restart: a boot takes minutes."""

    restart_series: timedelta = timedelta(days=1)
    """Longest time between two unclean restarts in a row: one may be a power cut, several within a day are a fault."""

    flapping_window: timedelta = timedelta(minutes=15)
    """Time within which so many HA transitions are flapping."""

    flapping_transitions: int = 4
    """Number of HA transitions that are flapping: a failover and the way back are two, and each may need two steps."""

    gap_factor: float = 8.0
    """How many times longer than the usual pause a gap is: by pure chance, one pause in 600,000 would be as long."""

    gap_least: timedelta = timedelta(minutes=30)
    """Longest time that is never a gap, however busy the connector is: a reboot takes minutes."""

    gap_pauses: int = 20
    """Number of pauses that have to be known before one is called usual."""

    silence: timedelta = timedelta(hours=12)
    """How long a connector may be silent at the end of a window with too few events to know its usual pause."""

    def __attrs_post_init__(self) -> None:
        """Check the types and bounds."""
        for limit in fields(Limits):
            value = getattr(self, limit.name)
            if limit.type is timedelta:
                validate_duration(limit.name, value)
            elif limit.type is int:
                validate_int(limit.name, value, least=2)
            else:
                validate_seconds(limit.name, value)


def limits_or_default(limits: Limits | None) -> Limits:
    """Return the limits, or the default ones for None; raise a TypeError for anything else."""
    return validate_type("limits", Limits() if limits is None else limits, Limits)
