"""Where and when incidents happen: spread over the connectors, well apart on each."""

from collections.abc import Collection, Sequence
from random import Random

from cfevents.testing.scenarios import INCIDENTS

__all__ = ["plant"]

_APART = 5  # slots between two incidents, after the first boot and before the end: half an hour


def plant(
    random: Random, connector_ids: Sequence[str], slots: int, names: Collection[str]
) -> dict[str, dict[int, str]]:
    """Choose for each incident a connector and the slot of its life in which it begins.

    Args:
        random: Where the choice comes from.
        connector_ids: The connectors.
        slots: How many slots each life has.
        names: The incidents.

    Raises:
        ValueError: A name is unknown, or the lives are too short for so many.
    """
    for name in names:
        if name not in INCIDENTS:
            raise ValueError(f"there is no incident {name!r}; there are {', '.join(INCIDENTS)}")
    shares: dict[str, list[str]] = {connector_id: [] for connector_id in connector_ids}
    hosts = random.sample(list(connector_ids), len(connector_ids))
    for number, name in enumerate(random.sample(list(names), len(names))):
        shares[hosts[number % len(hosts)]].append(name)
    return {connector_id: _place(random, share, slots) for connector_id, share in shares.items()}


def _place(random: Random, names: Sequence[str], slots: int) -> dict[int, str]:
    needed = [INCIDENTS[name].slots + _APART for name in names]
    spare = slots - _APART - sum(needed)
    if spare < 0:
        raise ValueError(f"the history is too short for {len(names)} incidents on one connector")
    shifts = sorted(random.randint(0, spare) for _ in names)
    return {
        _APART + shift + sum(needed[:number]): name
        for number, (shift, name) in enumerate(zip(shifts, names, strict=True))
    }
