"""What goes wrong on an appliance, each incident with the events that show it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from cfevents.testing import episodes
from cfevents.testing.appliance import Appliance, RawEvent

__all__ = ["DEFAULT_INCIDENTS", "INCIDENTS", "OUTAGE", "Act", "Incident", "Trouble"]

OUTAGE = "outage"
"""The incident that changes no event but the time at which it is collected."""

DEFAULT_INCIDENTS = ("crash", "failed_upgrade", "stuck_rekey", "ha_flapping", OUTAGE)

_Evidence: TypeAlias = tuple[list[RawEvent], dict[str, Any]]
Act: TypeAlias = Callable[[Appliance], _Evidence]
"""What an appliance does in trouble."""


@frozen
class Incident:
    """Something that went wrong in a history.

    Attributes:
        kind: What went wrong, such as `"crash"`.
        connector_id: Where.
        first_ts: When its first event was recorded, seconds since the Unix epoch.
        last_ts: When its last event was recorded, seconds since the Unix epoch.
        event_ids: The ids, `"t.n"`, of the events that show it, oldest first.
        details: What else is known, such as `url` or `tunnel_id`.
    """

    kind: str
    connector_id: str
    first_ts: int
    last_ts: int
    event_ids: tuple[str, ...]
    details: Mapping[str, Any] = field(factory=dict, hash=False)

    @classmethod
    def shown_by(cls, kind: str, connector_id: str, events: list[RawEvent], details: Mapping[str, Any]) -> "Incident":
        """Make an incident from its events, oldest first."""
        ids = tuple(f"{event['t']}.{event['n']}" for event in events)
        return cls(kind, connector_id, events[0]["t"], events[-1]["t"], ids, details)


@frozen
class Trouble:
    """How an incident comes about.

    Attributes:
        slots: How many slots of a life it takes.
        act: What the appliance then does, giving the events that show it, and details; None leaves it to
            its ordinary life.
    """

    slots: int
    act: Act | None = None


def _crash(appliance: Appliance) -> _Evidence:
    return [episodes.boot(appliance)], {}


def _crash_loop(appliance: Appliance) -> _Evidence:
    appliance.version = appliance.blessed
    times = appliance.random.randint(4, 6)
    begun = [appliance.note("Init", (40, 90)) for _ in range(times)]
    episodes.start_up(appliance)
    return begun, {"restarts": times}


def _failed_attestation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.note("StartAttestation"), appliance.note("FinishAttestationFailure", (2, 30))]
    appliance.time += 60
    episodes.attest(appliance)
    return evidence, {}


def _failed_crypt_key_rotation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.note("StartRotateCryptKey"), appliance.note("FinishRotateCryptKeyFailure", (1, 30))]
    appliance.time += 60
    episodes.rotate_crypt_key(appliance)
    return evidence, {}


def _failed_pki_rotation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.note("StartRotatePki"), appliance.note("FinishRotatePkiFailure", (1, 30))]
    appliance.time += 60
    episodes.rotate_pki(appliance)
    return evidence, {}


def _failed_upgrade(appliance: Appliance) -> _Evidence:
    url = episodes.bundle_url(episodes.next_version(appliance))
    begun = appliance.note("StartUpgrade", url=url)
    return [begun, appliance.note("FinishUpgradeFailure", (10, 120))], {"url": url}


def _unfinished_upgrade(appliance: Appliance) -> _Evidence:
    url = episodes.bundle_url(episodes.next_version(appliance))
    return [appliance.note("StartUpgrade", url=url)], {"url": url}


def _unblessed_slot(appliance: Appliance) -> _Evidence:
    version = episodes.next_version(appliance)
    url = episodes.bundle_url(version)
    begun = appliance.note("StartUpgrade", url=url)
    finished = appliance.note("FinishUpgradeSuccess", (20, 60))
    pending = episodes.install_version(appliance, version)
    failed = appliance.note("BlessSlotFailure", (5, 30))
    return [begun, finished, pending, failed], {"url": url, "version": version}


def _stuck_rekey(appliance: Appliance) -> _Evidence:
    tunnel = appliance.random.choice(appliance.tunnels)
    begun = appliance.note("RekeyStart", tunnel_id=tunnel)
    times = range(appliance.random.randint(0, 3))
    restarts = [appliance.note("RekeyRestart", (10, 60), tunnel_id=tunnel) for _ in times]
    return [begun, *restarts], {"tunnel_id": tunnel}


def _rekey_reset(appliance: Appliance) -> _Evidence:
    tunnel = appliance.random.choice(appliance.tunnels)
    reset = appliance.note("RekeyReset", tunnel_id=tunnel)
    return [reset, appliance.note("RekeyInstallBoth", (1, 10), tunnel_id=tunnel)], {"tunnel_id": tunnel}


def _ha_flapping(appliance: Appliance) -> _Evidence:
    times = appliance.random.randint(8, 12)
    evidence = [appliance.note("HaTransition", (20, 40)) for _ in range(times // 2)]
    evidence.append(appliance.note("HaError", (1, 5)))
    evidence += [appliance.note("HaTransition", (20, 40)) for _ in range(times - times // 2)]
    return evidence, {"transitions": times}


INCIDENTS: Mapping[str, Trouble] = {
    "crash": Trouble(1, _crash),
    "crash_loop": Trouble(2, _crash_loop),
    "failed_attestation": Trouble(1, _failed_attestation),
    "failed_crypt_key_rotation": Trouble(1, _failed_crypt_key_rotation),
    "failed_pki_rotation": Trouble(1, _failed_pki_rotation),
    "failed_upgrade": Trouble(1, _failed_upgrade),
    "unfinished_upgrade": Trouble(1, _unfinished_upgrade),
    "unblessed_slot": Trouble(1, _unblessed_slot),
    "stuck_rekey": Trouble(1, _stuck_rekey),
    "rekey_reset": Trouble(1, _rekey_reset),
    "ha_flapping": Trouble(2, _ha_flapping),
    OUTAGE: Trouble(60),
}
