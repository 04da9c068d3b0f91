"""What an appliance does when all is well: each episode is begun and brought to its end."""

from collections.abc import Callable
from typing import TypeAlias

from cfevents.testing.appliance import Appliance, RawEvent

__all__ = [
    "Episode",
    "attest",
    "boot",
    "bundle_url",
    "configure_tunnel",
    "ha_transition",
    "install_version",
    "next_version",
    "reconcile",
    "rekey",
    "rotate_crypt_key",
    "rotate_pki",
    "start_up",
    "upgrade",
]

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
