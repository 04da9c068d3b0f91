"""The made-up account behind ``--simulate`` and ``cfevents simulate``."""

from typing import TYPE_CHECKING

import cfevents.testing

if TYPE_CHECKING:
    from cfevents.testing import Simulator


def made_up_simulator(port: int = 0, speed: float = 1) -> "tuple[Simulator, str]":
    """Make the account: a week's past and today's up to now, which then goes on.

    All processes of one UTC day see the same past, so that one can get what another has listed.

    Args:
        port: Where it is to listen; 0 takes a free port.
        speed: How much faster time goes for its appliances from now on.

    Returns:
        The simulator, not yet started, and its first connector's id.
    """
    from cfevents._time import now  # noqa: PLC0415 - not needed for --help

    history = cfevents.testing.LiveHistory(speed=speed, clock=now)
    return cfevents.testing.Simulator(history=history, port=port), next(iter(history.events))
