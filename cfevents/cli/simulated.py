"""The made-up account behind ``--simulate`` and ``cfevents simulate``."""

from typing import TYPE_CHECKING

import cfevents.testing

if TYPE_CHECKING:
    from cfevents.testing import Simulator

_DAY_SECONDS = 86_400
_DAYS = 8


def made_up_simulator(port: int = 0) -> "tuple[Simulator, str]":
    """Make the account: a week's past and today's up to now.

    All processes of one UTC day see the same events, so that one can get what another has listed.

    Args:
        port: Where it is to listen; 0 takes a free port.

    Returns:
        The simulator, not yet started, and its first connector's id.
    """
    from cfevents.timespan import now  # noqa: PLC0415 - not needed for --help

    seconds = int(now())
    midnight = seconds - seconds % _DAY_SECONDS + _DAY_SECONDS
    history = cfevents.testing.History(until=midnight, days=_DAYS)
    events = {
        connector_id: [event for event in its_events if event["a"] <= seconds]
        for connector_id, its_events in history.events.items()
    }
    return cfevents.testing.Simulator(events=events, port=port), next(iter(events))
