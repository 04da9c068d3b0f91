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
class Scenario:
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
    begun = [appliance.record("Init", (40, 90)) for _ in range(times)]
    start_up(appliance)
    return begun, {"restarts": times}


def _failed_attestation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.record("StartAttestation"), appliance.record("FinishAttestationFailure", (2, 30))]
    appliance.time += 60
    attest(appliance)
    return evidence, {}


def _failed_crypt_key_rotation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.record("StartRotateCryptKey"), appliance.record("FinishRotateCryptKeyFailure", (1, 30))]
    appliance.time += 60
    rotate_crypt_key(appliance)
    return evidence, {}


def _failed_pki_rotation(appliance: Appliance) -> _Evidence:
    evidence = [appliance.record("StartRotatePki"), appliance.record("FinishRotatePkiFailure", (1, 30))]
    appliance.time += 60
    rotate_pki(appliance)
    return evidence, {}


def _failed_upgrade(appliance: Appliance) -> _Evidence:
    url = bundle_url(next_version(appliance))
    begun = appliance.record("StartUpgrade", url=url)
    return [begun, appliance.record("FinishUpgradeFailure", (10, 120))], {"url": url}


def _unfinished_upgrade(appliance: Appliance) -> _Evidence:
    url = bundle_url(next_version(appliance))
    return [appliance.record("StartUpgrade", url=url)], {"url": url}


def _unblessed_slot(appliance: Appliance) -> _Evidence:
    version = next_version(appliance)
    url = bundle_url(version)
    begun = appliance.record("StartUpgrade", url=url)
    finished = appliance.record("FinishUpgradeSuccess", (20, 60))
    pending = install_version(appliance, version)
    failed = appliance.record("BlessSlotFailure", (5, 30))
    return [begun, finished, pending, failed], {"url": url, "version": version}


def _stuck_rekey(appliance: Appliance) -> _Evidence:
    tunnel = appliance.random.choice(appliance.tunnels)
    begun = appliance.record("RekeyStart", tunnel_id=tunnel)
    times = range(appliance.random.randint(0, 3))
    restarts = [appliance.record("RekeyRestart", (10, 60), tunnel_id=tunnel) for _ in times]
    return [begun, *restarts], {"tunnel_id": tunnel}


def _rekey_reset(appliance: Appliance) -> _Evidence:
    tunnel = appliance.random.choice(appliance.tunnels)
    reset = appliance.record("RekeyReset", tunnel_id=tunnel)
    return [reset, appliance.record("RekeyInstallBoth", (1, 10), tunnel_id=tunnel)], {"tunnel_id": tunnel}


def _ha_flapping(appliance: Appliance) -> _Evidence:
    times = appliance.random.randint(8, 12)
    evidence = [appliance.record("HaTransition", (20, 40)) for _ in range(times // 2)]
    evidence.append(appliance.record("HaError", (1, 5)))
    evidence += [appliance.record("HaTransition", (20, 40)) for _ in range(times - times // 2)]
    return evidence, {"transitions": times}


INCIDENTS: Mapping[str, Scenario] = {
    "crash": Scenario(1, _crash),
    "crash_loop": Scenario(2, _crash_loop),
    "failed_attestation": Scenario(1, _failed_attestation),
    "failed_crypt_key_rotation": Scenario(1, _failed_crypt_key_rotation),
    "failed_pki_rotation": Scenario(1, _failed_pki_rotation),
    "failed_upgrade": Scenario(1, _failed_upgrade),
    "unfinished_upgrade": Scenario(1, _unfinished_upgrade),
    "unblessed_slot": Scenario(1, _unblessed_slot),
    "stuck_rekey": Scenario(1, _stuck_rekey),
    "rekey_reset": Scenario(1, _rekey_reset),
    "ha_flapping": Scenario(2, _ha_flapping),
    OUTAGE: Scenario(60),
}

Episode: TypeAlias = Callable[[Appliance], object]


def boot(appliance: Appliance) -> RawEvent:
    """Start the process; gives its `Init`."""
    appliance.version = appliance.blessed
    begun = appliance.record("Init")
    start_up(appliance)
    return begun


def start_up(appliance: Appliance) -> None:
    """Do what follows every `Init`."""
    attest(appliance)
    appliance.record("HaInit", (0, 2))
    for tunnel in appliance.tunnels:
        appliance.record("RekeyInstallBoth", (0, 3), tunnel_id=tunnel)
    appliance.record("Reconcile", (1, 5))


def reconcile(appliance: Appliance) -> None:
    """Compare the actual with the desired state."""
    appliance.record("Reconcile", (0, 240))


def attest(appliance: Appliance) -> None:
    """Prove what it is."""
    appliance.record("StartAttestation", (1, 3))
    appliance.record("FinishAttestationSuccess", (2, 8))


def rotate_crypt_key(appliance: Appliance) -> None:
    """Change the key of the disk."""
    appliance.record("StartRotateCryptKey")
    appliance.record("FinishRotateCryptKeySuccess", (1, 20))


def rotate_pki(appliance: Appliance) -> None:
    """Change the certificates."""
    appliance.record("StartRotatePki")
    appliance.record("FinishRotatePkiSuccess", (1, 20))


def rekey(appliance: Appliance, tunnel: str) -> None:
    """Change a tunnel's keys."""
    appliance.record("RekeyStart", tunnel_id=tunnel)
    for _ in range(appliance.random.choice((0, 0, 0, 0, 1, 2))):
        appliance.record("RekeyRestart", (5, 20), tunnel_id=tunnel)
    appliance.record("RekeyAdvance", (3, 30), tunnel_id=tunnel)
    appliance.record("RekeyComplete", (0, 5), tunnel_id=tunnel)


def ha_transition(appliance: Appliance) -> None:
    """Change roles with the other appliance of a pair."""
    appliance.record("HaTransition")


def configure_tunnel(appliance: Appliance) -> None:
    """Open a debug tunnel."""
    appliance.record("ConfigureCloudflaredTunnel")


def upgrade(appliance: Appliance) -> None:
    """Change to the next version, which proves itself."""
    version = next_version(appliance)
    appliance.record("StartUpgrade", url=bundle_url(version))
    appliance.record("FinishUpgradeSuccess", (20, 60))
    install_version(appliance, version)
    appliance.record("BlessSlotSuccess", (5, 30))
    appliance.blessed = version


def install_version(appliance: Appliance, version: str) -> RawEvent:
    """Stop, and start with another version, on trial; gives the `BlessSlotPending`."""
    appliance.record("HaLeave", (1, 3))
    appliance.record("Leave", (0, 2))
    appliance.version = version
    appliance.record("Init", (15, 30))
    pending = appliance.record("BlessSlotPending", (0, 1))
    start_up(appliance)
    return pending


def next_version(appliance: Appliance) -> str:
    """Name the version after the one that runs."""
    major, minor, patch = appliance.version.split(".")
    return f"{major}.{int(minor) + 1}.{patch}"


def bundle_url(version: str) -> str:
    """Say where a version's bundle is."""
    return f"https://updates.example.com/appliance/{version}.bundle"
