"""What goes wrong on an appliance, each incident with the events that show it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from cfevents.testing.appliance import Appliance, RawEvent

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

    __module__ = "cfevents.testing"

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
    return [boot(appliance)], {}


def _crash_loop(appliance: Appliance) -> _Evidence:
    appliance.version = appliance.blessed
    times = appliance.random.randint(4, 6)
    begun = [appliance.note("Init", (40, 90)) for _ in range(times)]
    start_up(appliance)
    return begun, {"restarts": times}


def _failed_attestation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.note("StartAttestation"), appliance.note("FinishAttestationFailure", (2, 30))]
    appliance.time += 60
    attest(appliance)
    return evidence, {}


def _failed_crypt_key_rotation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.note("StartRotateCryptKey"), appliance.note("FinishRotateCryptKeyFailure", (1, 30))]
    appliance.time += 60
    rotate_crypt_key(appliance)
    return evidence, {}


def _failed_pki_rotation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.note("StartRotatePki"), appliance.note("FinishRotatePkiFailure", (1, 30))]
    appliance.time += 60
    rotate_pki(appliance)
    return evidence, {}


def _failed_upgrade(appliance: Appliance) -> _Evidence:
    url = bundle_url(next_version(appliance))
    begun = appliance.note("StartUpgrade", url=url)
    return [begun, appliance.note("FinishUpgradeFailure", (10, 120))], {"url": url}


def _unfinished_upgrade(appliance: Appliance) -> _Evidence:
    url = bundle_url(next_version(appliance))
    return [appliance.note("StartUpgrade", url=url)], {"url": url}


def _unblessed_slot(appliance: Appliance) -> _Evidence:
    version = next_version(appliance)
    url = bundle_url(version)
    begun = appliance.note("StartUpgrade", url=url)
    finished = appliance.note("FinishUpgradeSuccess", (20, 60))
    pending = install_version(appliance, version)
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

Episode: TypeAlias = Callable[[Appliance], object]


def boot(appliance: Appliance) -> RawEvent:
    """Start the process; gives its `Init`."""
    appliance.version = appliance.blessed
    begun = appliance.note("Init")
    start_up(appliance)
    return begun


def start_up(appliance: Appliance) -> None:
    """Do what follows every `Init`."""
    attest(appliance)
    appliance.note("HaInit", (0, 2))
    for tunnel in appliance.tunnels:
        appliance.note("RekeyInstallBoth", (0, 3), tunnel_id=tunnel)
    appliance.note("Reconcile", (1, 5))


def reconcile(appliance: Appliance) -> None:
    """Compare the actual with the desired state."""
    appliance.note("Reconcile", (0, 240))


def attest(appliance: Appliance) -> None:
    """Prove what it is."""
    appliance.note("StartAttestation", (1, 3))
    appliance.note("FinishAttestationSuccess", (2, 8))


def rotate_crypt_key(appliance: Appliance) -> None:
    """Change the key of the disk."""
    appliance.note("StartRotateCryptKey")
    appliance.note("FinishRotateCryptKeySuccess", (1, 20))


def rotate_pki(appliance: Appliance) -> None:
    """Change the certificates."""
    appliance.note("StartRotatePki")
    appliance.note("FinishRotatePkiSuccess", (1, 20))


def rekey(appliance: Appliance, tunnel: str) -> None:
    """Change a tunnel's keys."""
    appliance.note("RekeyStart", tunnel_id=tunnel)
    for _ in range(appliance.random.choice((0, 0, 0, 0, 1, 2))):
        appliance.note("RekeyRestart", (5, 20), tunnel_id=tunnel)
    appliance.note("RekeyAdvance", (3, 30), tunnel_id=tunnel)
    appliance.note("RekeyComplete", (0, 5), tunnel_id=tunnel)


def ha_transition(appliance: Appliance) -> None:
    """Change roles with the other appliance of a pair."""
    appliance.note("HaTransition")


def configure_tunnel(appliance: Appliance) -> None:
    """Open a debug tunnel."""
    appliance.note("ConfigureCloudflaredTunnel")


def upgrade(appliance: Appliance) -> None:
    """Change to the next version, which proves itself."""
    version = next_version(appliance)
    appliance.note("StartUpgrade", url=bundle_url(version))
    appliance.note("FinishUpgradeSuccess", (20, 60))
    install_version(appliance, version)
    appliance.note("BlessSlotSuccess", (5, 30))
    appliance.blessed = version


def install_version(appliance: Appliance, version: str) -> RawEvent:
    """Stop, and start with another version, on trial; gives the `BlessSlotPending`."""
    appliance.note("HaLeave", (1, 3))
    appliance.note("Leave", (0, 2))
    appliance.version = version
    appliance.note("Init", (15, 30))
    pending = appliance.note("BlessSlotPending", (0, 1))
    start_up(appliance)
    return pending


def next_version(appliance: Appliance) -> str:
    """Name the version after the one that runs."""
    major, minor, patch = appliance.version.split(".")
    return f"{major}.{int(minor) + 1}.{patch}"


def bundle_url(version: str) -> str:
    """Say where a version's bundle is."""
    return f"https://updates.example.com/appliance/{version}.bundle"
