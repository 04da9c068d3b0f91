"""A simulated appliance: its event log, its episodes, and its incidents with the events that show them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from attrs import define, field, frozen

from cfevents._public import set_module

# The incident that changes nothing but the time at which events are collected.
OUTAGE = "outage"

DEFAULT_INCIDENTS = ("crash", "failed_upgrade", "stuck_rekey", "ha_flapping", OUTAGE)
SLOTS_PER_DAY = 240

_MIN_SLOTS_APART = 5  # half an hour between two incidents, after the first boot and before the end

RawEvent: TypeAlias = dict[str, Any]
"""An event as JSON: `e`, `t`, `n`, `a`, `v`."""

_Evidence: TypeAlias = tuple[list[RawEvent], dict[str, Any]]
_Act: TypeAlias = Callable[["Appliance"], _Evidence]
Episode: TypeAlias = Callable[["Appliance"], object]
"""A function that adds the events of an ordinary task to an appliance's log."""


@define
class Appliance:
    """The state, clock and event log of one appliance."""

    random: Random
    tunnels: tuple[str, ...]
    version: str
    blessed: str  # the version that runs after the next boot
    time: int = 0  # its clock, whole seconds since the Unix epoch
    log: list[RawEvent] = field(factory=list)

    @classmethod
    def create(cls, random: Random) -> "Appliance":
        """Return an appliance with two tunnels and a random version."""
        version = f"1.{random.randint(2, 9)}.0"
        return cls(random, (random_id(random), random_id(random)), version, version)

    def record(self, kind: str, after: tuple[int, int] = (0, 0), **payload: str) -> RawEvent:
        """Append an event to the log and return it, from the least to the most seconds after the previous one."""
        self.time += self.random.randint(*after)
        event: RawEvent = {
            "e": {"k": kind, **payload},
            "t": self.time,
            "n": self.log[-1]["n"] + 1 if self.log and self.log[-1]["t"] == self.time else 0,
            "a": self.time + self.random.randint(2, 60),
            "v": self.version,
        }
        self.log.append(event)
        return event


def event_id(event: RawEvent) -> str:
    """Return an event's id as the API spells it, `"1700000000.3"`."""
    return f"{event['t']}.{event['n']}"


def random_id(random: Random) -> str:
    """Return an id that looks like a UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))


@set_module("cfevents.testing")
@frozen
class Incident:
    """Something that went wrong in a history.

    Attributes:
        kind: The incident's name, such as `"crash"`.
        connector_id: The connector.
        first_ts: When its first event was recorded, seconds since the Unix epoch; `last_ts` is of its last one.
        event_ids: The ids, `"t.n"`, of the events that show it, oldest first.
        details: Other facts, such as `url` or `tunnel_id`.
    """

    kind: str
    connector_id: str
    first_ts: int
    last_ts: int
    event_ids: tuple[str, ...]
    details: Mapping[str, Any] = field(factory=dict, hash=False)

    @classmethod
    def shown_by(cls, kind: str, connector_id: str, events: list[RawEvent], details: Mapping[str, Any]) -> "Incident":
        """Return the incident that these events show, oldest first."""
        return cls(kind, connector_id, events[0]["t"], events[-1]["t"], tuple(map(event_id, events)), details)


def boot(appliance: Appliance) -> RawEvent:
    """Boot the version that is blessed; return the `Init` of its process."""
    appliance.version = appliance.blessed
    return _start_process(appliance)


def _start_process(appliance: Appliance) -> RawEvent:
    init = appliance.record("Init")
    _start_up(appliance)
    return init


def _start_up(appliance: Appliance) -> None:
    # What follows every Init.
    attest(appliance)
    appliance.record("HaInit", (0, 2))
    for tunnel in appliance.tunnels:
        appliance.record("RekeyInstallBoth", (0, 3), tunnel_id=tunnel)
    appliance.record("Reconcile", (1, 5))


def reconcile(appliance: Appliance) -> None:
    """Compare the actual with the desired state."""
    appliance.record("Reconcile", (0, 240))


def attest(appliance: Appliance) -> None:
    """Attest the device."""
    appliance.record("StartAttestation", (1, 3))
    appliance.record("FinishAttestationSuccess", (2, 8))


def rotate(appliance: Appliance, what: str) -> None:
    """Rotate the key of the disk, `"CryptKey"`, or the certificates, `"Pki"`."""
    appliance.record(f"StartRotate{what}")
    appliance.record(f"FinishRotate{what}Success", (1, 20))


def rekey(appliance: Appliance, tunnel: str) -> None:
    """Change a tunnel's keys."""
    appliance.record("RekeyStart", tunnel_id=tunnel)
    for _ in range(appliance.random.choice((0, 0, 0, 0, 1, 2))):
        appliance.record("RekeyRestart", (5, 20), tunnel_id=tunnel)
    appliance.record("RekeyAdvance", (3, 30), tunnel_id=tunnel)
    appliance.record("RekeyComplete", (0, 5), tunnel_id=tunnel)


def upgrade(appliance: Appliance) -> None:
    """Upgrade to the next version, which is then blessed."""
    _upgrade_on_trial(appliance)
    appliance.record("BlessSlotSuccess", (5, 30))
    appliance.blessed = appliance.version


def _upgrade_on_trial(appliance: Appliance, *, stops: bool = True) -> _Evidence:
    """Upgrade to the next version, which runs, but is not blessed yet. The old one stops, or is just replaced."""
    version, url = _next_version(appliance)
    start = appliance.record("StartUpgrade", url=url)
    finish = appliance.record("FinishUpgradeSuccess", (20, 60))
    if stops:
        appliance.record("HaLeave", (1, 3))
        appliance.record("Leave", (0, 2))
    appliance.version = version
    appliance.record("Init", (15, 30))
    pending = appliance.record("BlessSlotPending", (0, 1))
    _start_up(appliance)
    return [start, finish, pending], {"url": url, "version": version}


def _next_version(appliance: Appliance) -> tuple[str, str]:
    """Return the version after the one that runs, and the URL of its bundle."""
    major, minor, patch = appliance.version.split(".")
    version = f"{major}.{int(minor) + 1}.{patch}"
    return version, f"https://updates.example.com/appliance/{version}.bundle"


def _upgrade_restart(appliance: Appliance) -> _Evidence:
    (_, finish, _), _ = _upgrade_on_trial(appliance, stops=False)
    init = appliance.log[appliance.log.index(finish) + 1]
    appliance.record("BlessSlotSuccess", (5, 30))
    appliance.blessed = appliance.version
    return [finish, init], {"version": appliance.version}


def _ordered(operation: str, down: tuple[int, int], start: Callable[[Appliance], RawEvent] = boot) -> _Act:
    """Return an act in which the appliance executes an order without a `Leave`, and is down for some seconds."""

    def act(appliance: Appliance) -> _Evidence:
        submitted_ts = appliance.time - appliance.random.randint(30, 60)
        details = {"operation": operation, "submitted_ts": submitted_ts, "triggered_ts": appliance.time}
        appliance.time += appliance.random.randint(*down)
        return [start(appliance)], details

    return act


def _crash_loop(appliance: Appliance) -> _Evidence:
    appliance.version = appliance.blessed
    restarts = appliance.random.randint(4, 6)
    evidence = [appliance.record("Init", (40, 90)) for _ in range(restarts)]
    _start_up(appliance)
    return evidence, {"restarts": restarts}


def _failed(task: str, shortest: int, retry: Episode) -> _Act:
    """Return an act in which a task fails within `shortest` to 30 seconds, and succeeds a minute later."""

    def act(appliance: Appliance) -> _Evidence:
        start = appliance.record(f"Start{task}")
        evidence = [start, appliance.record(f"Finish{task}Failure", (shortest, 30))]
        appliance.time += 60
        retry(appliance)
        return evidence, {}

    return act


def _unfinished_upgrade(appliance: Appliance) -> _Evidence:
    _, url = _next_version(appliance)
    return [appliance.record("StartUpgrade", url=url)], {"url": url}


def _failed_upgrade(appliance: Appliance) -> _Evidence:
    evidence, details = _unfinished_upgrade(appliance)
    return [*evidence, appliance.record("FinishUpgradeFailure", (10, 120))], details


def _unblessed_slot(appliance: Appliance) -> _Evidence:
    evidence, details = _upgrade_on_trial(appliance)
    return [*evidence, appliance.record("BlessSlotFailure", (5, 30))], details


def _stuck_rekey(appliance: Appliance) -> _Evidence:
    tunnel = appliance.random.choice(appliance.tunnels)
    start = appliance.record("RekeyStart", tunnel_id=tunnel)
    times = range(appliance.random.randint(0, 3))
    restarts = [appliance.record("RekeyRestart", (10, 60), tunnel_id=tunnel) for _ in times]
    return [start, *restarts], {"tunnel_id": tunnel}


def _rekey_reset(appliance: Appliance) -> _Evidence:
    tunnel = appliance.random.choice(appliance.tunnels)
    reset = appliance.record("RekeyReset", tunnel_id=tunnel)
    return [reset, appliance.record("RekeyInstallBoth", (1, 10), tunnel_id=tunnel)], {"tunnel_id": tunnel}


def _ha_flapping(appliance: Appliance) -> _Evidence:
    transitions = appliance.random.randint(8, 12)
    evidence = [appliance.record("HaTransition", (20, 40)) for _ in range(transitions // 2)]
    evidence.append(appliance.record("HaError", (1, 5)))
    evidence += [appliance.record("HaTransition", (20, 40)) for _ in range(transitions // 2, transitions)]
    return evidence, {"transitions": transitions}


class Scenario(NamedTuple):
    """The course of an incident."""

    slots: int  # its length on a timeline
    act: _Act | None = None  # records its events, and returns those that show it and details


INCIDENTS: Mapping[str, Scenario] = {
    "crash": Scenario(1, lambda appliance: ([boot(appliance)], {})),
    "crash_loop": Scenario(2, _crash_loop),
    "failed_attestation": Scenario(1, _failed("Attestation", 2, attest)),
    "failed_crypt_key_rotation": Scenario(1, _failed("RotateCryptKey", 1, partial(rotate, what="CryptKey"))),
    "failed_pki_rotation": Scenario(1, _failed("RotatePki", 1, partial(rotate, what="Pki"))),
    "failed_upgrade": Scenario(1, _failed_upgrade),
    "unfinished_upgrade": Scenario(1, _unfinished_upgrade),
    "unblessed_slot": Scenario(1, _unblessed_slot),
    "stuck_rekey": Scenario(1, _stuck_rekey),
    "rekey_reset": Scenario(1, _rekey_reset),
    "ha_flapping": Scenario(2, _ha_flapping),
    "upgrade_restart": Scenario(1, _upgrade_restart),
    "ordered_restart": Scenario(1, _ordered("restart", (5, 30), _start_process)),
    "ordered_reboot": Scenario(1, _ordered("reboot", (60, 120))),
    # Two hours, until somebody turns it on.
    "ordered_shutdown": Scenario(20, _ordered("shutdown", (6840, 6900))),
    OUTAGE: Scenario(60),
}


def place_incidents(
    random: Random, connector_ids: Sequence[str], slots: int, names: Collection[str], *, first: int
) -> dict[str, dict[int, str]]:
    """Choose a connector and a slot for each incident, well apart and spread evenly over the connectors.

    Returns:
        For each connector the incidents by the slot in which they begin, of so many slots from the first on.

    Raises:
        ValueError: A name is unknown, or the timelines are too short for so many.
    """
    for name in names:
        if name not in INCIDENTS:
            raise ValueError(f"there is no incident {name!r}; there are {', '.join(INCIDENTS)}")
    hosts = random.sample(list(connector_ids), len(connector_ids))
    shuffled = random.sample(list(names), len(names))
    shares = {host: shuffled[number :: len(hosts)] for number, host in enumerate(hosts)}
    return {name: _place_on_timeline(random, shares[name], slots, first) for name in connector_ids}


def _place_on_timeline(random: Random, names: Sequence[str], slots: int, first: int) -> dict[int, str]:
    needed = [INCIDENTS[name].slots + _MIN_SLOTS_APART for name in names]
    spare = slots - _MIN_SLOTS_APART - sum(needed)
    if spare < 0:
        raise ValueError(f"the history is too short for {len(names)} incidents on one connector")
    shifts = sorted(random.randint(0, spare) for _ in names)
    return {
        first + _MIN_SLOTS_APART + shift + sum(needed[:number]): name
        for number, (shift, name) in enumerate(zip(shifts, names, strict=True))
    }
