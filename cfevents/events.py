"""The event classes, keyed by kind.

One class for each kind that the API documents, in the order of its catalogue, and `UnknownEvent` for the kinds
that it does not document yet. The catalogue has grown with each edition of the documentation; to add a kind, write
its class below and name it in `Event`.
"""

import logging
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, get_args

from attrs import field, fields, frozen

_log = logging.getLogger("cfevents")


@frozen
class DocumentedEvent:
    """What all documented kinds have in common."""

    kind: ClassVar[str]
    """The API's name for it (``k``)."""

    description: ClassVar[str]
    """What the API's documentation says of it."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Every field of the payload that is not documented, or not of its documented type, as it was sent."""


@frozen
class TunnelEvent(DocumentedEvent):
    """What the documented steps of a tunnel's rekeying have in common."""

    tunnel_id: str | None = None
    """Tunnel identifier."""


class Init(DocumentedEvent):
    """Initialized process."""

    __slots__ = ()
    kind = "Init"
    description = "Initialized process"


class Leave(DocumentedEvent):
    """Stopped process."""

    __slots__ = ()
    kind = "Leave"
    description = "Stopped process"


class StartAttestation(DocumentedEvent):
    """Started attestation."""

    __slots__ = ()
    kind = "StartAttestation"
    description = "Started attestation"


class FinishAttestationSuccess(DocumentedEvent):
    """Finished attestation."""

    __slots__ = ()
    kind = "FinishAttestationSuccess"
    description = "Finished attestation"


class FinishAttestationFailure(DocumentedEvent):
    """Failed attestation."""

    __slots__ = ()
    kind = "FinishAttestationFailure"
    description = "Failed attestation"


class StartRotateCryptKey(DocumentedEvent):
    """Started crypt key rotation."""

    __slots__ = ()
    kind = "StartRotateCryptKey"
    description = "Started crypt key rotation"


class FinishRotateCryptKeySuccess(DocumentedEvent):
    """Finished crypt key rotation."""

    __slots__ = ()
    kind = "FinishRotateCryptKeySuccess"
    description = "Finished crypt key rotation"


class FinishRotateCryptKeyFailure(DocumentedEvent):
    """Failed crypt key rotation."""

    __slots__ = ()
    kind = "FinishRotateCryptKeyFailure"
    description = "Failed crypt key rotation"


class StartRotatePki(DocumentedEvent):
    """Started PKI rotation."""

    __slots__ = ()
    kind = "StartRotatePki"
    description = "Started PKI rotation"


class FinishRotatePkiSuccess(DocumentedEvent):
    """Finished PKI rotation."""

    __slots__ = ()
    kind = "FinishRotatePkiSuccess"
    description = "Finished PKI rotation"


class FinishRotatePkiFailure(DocumentedEvent):
    """Failed PKI rotation."""

    __slots__ = ()
    kind = "FinishRotatePkiFailure"
    description = "Failed PKI rotation"


@frozen
class StartUpgrade(DocumentedEvent):
    """Started upgrade."""

    kind = "StartUpgrade"
    description = "Started upgrade"

    url: str | None = None
    """Location of upgrade bundle."""


class FinishUpgradeSuccess(DocumentedEvent):
    """Finished upgrade."""

    __slots__ = ()
    kind = "FinishUpgradeSuccess"
    description = "Finished upgrade"


class FinishUpgradeFailure(DocumentedEvent):
    """Failed upgrade."""

    __slots__ = ()
    kind = "FinishUpgradeFailure"
    description = "Failed upgrade"


class Reconcile(DocumentedEvent):
    """Reconciled."""

    __slots__ = ()
    kind = "Reconcile"
    description = "Reconciled"


class ConfigureCloudflaredTunnel(DocumentedEvent):
    """Configured Cloudflared tunnel."""

    __slots__ = ()
    kind = "ConfigureCloudflaredTunnel"
    description = "Configured Cloudflared tunnel"


class RekeyInstallBoth(TunnelEvent):
    """Installed initial inbound and outbound keys."""

    __slots__ = ()
    kind = "RekeyInstallBoth"
    description = "Installed initial inbound and outbound keys"


class RekeyStart(TunnelEvent):
    """Installed new inbound key, kept old outbound."""

    __slots__ = ()
    kind = "RekeyStart"
    description = "Installed new inbound key, kept old outbound"


class RekeyAdvance(TunnelEvent):
    """Confirmed traffic on new inbound key, swapped outbound to new."""

    __slots__ = ()
    kind = "RekeyAdvance"
    description = "Confirmed traffic on new inbound key, swapped outbound to new"


class RekeyComplete(TunnelEvent):
    """Deleted old keys."""

    __slots__ = ()
    kind = "RekeyComplete"
    description = "Deleted old keys"


class RekeyReset(TunnelEvent):
    """Deleted all keys after receiving an unexpected key."""

    __slots__ = ()
    kind = "RekeyReset"
    description = "Deleted all keys after receiving an unexpected key"


class RekeyRestart(DocumentedEvent):
    """Restarted in-progress rekey with newer key material."""

    __slots__ = ()
    kind = "RekeyRestart"
    description = "Restarted in-progress rekey with newer key material"


class BlessSlotSuccess(DocumentedEvent):
    """Blessed boot entry slot."""

    __slots__ = ()
    kind = "BlessSlotSuccess"
    description = "Blessed boot entry slot"


class BlessSlotPending(DocumentedEvent):
    """Boot entry slot is not yet blessed."""

    __slots__ = ()
    kind = "BlessSlotPending"
    description = "Boot entry slot is not yet blessed"


class BlessSlotFailure(DocumentedEvent):
    """Failed to bless boot entry slot."""

    __slots__ = ()
    kind = "BlessSlotFailure"
    description = "Failed to bless boot entry slot"


class HaTransition(DocumentedEvent):
    """Completed HA state transition."""

    __slots__ = ()
    kind = "HaTransition"
    description = "Completed HA state transition"


class HaError(DocumentedEvent):
    """Received unexpected HA error."""

    __slots__ = ()
    kind = "HaError"
    description = "Received unexpected HA error"


class HaInit(DocumentedEvent):
    """Initialized HA subsystem."""

    __slots__ = ()
    kind = "HaInit"
    description = "Initialized HA subsystem"


class HaLeave(DocumentedEvent):
    """Stopped HA subsystem."""

    __slots__ = ()
    kind = "HaLeave"
    description = "Stopped HA subsystem"


@frozen
class UnknownEvent:
    """An event of a kind that is not in the catalogue, kept whole."""

    kind: str
    """The API's name for it (``k``)."""

    payload: dict[str, Any] = field(factory=dict, hash=False)
    """All its other fields, as they were sent."""


Event: TypeAlias = (
    Init
    | Leave
    | StartAttestation
    | FinishAttestationSuccess
    | FinishAttestationFailure
    | StartRotateCryptKey
    | FinishRotateCryptKeySuccess
    | FinishRotateCryptKeyFailure
    | StartRotatePki
    | FinishRotatePkiSuccess
    | FinishRotatePkiFailure
    | StartUpgrade
    | FinishUpgradeSuccess
    | FinishUpgradeFailure
    | Reconcile
    | ConfigureCloudflaredTunnel
    | RekeyInstallBoth
    | RekeyStart
    | RekeyAdvance
    | RekeyComplete
    | RekeyReset
    | RekeyRestart
    | BlessSlotSuccess
    | BlessSlotPending
    | BlessSlotFailure
    | HaTransition
    | HaError
    | HaInit
    | HaLeave
    | UnknownEvent
)
"""Any event: one of the documented classes, or `UnknownEvent`."""

KINDS: Mapping[str, type[DocumentedEvent]] = MappingProxyType(
    {cls.kind: cls for cls in get_args(Event) if cls is not UnknownEvent}
)
"""The documented kinds: name to class, in catalogue order."""

PAYLOAD_FIELDS: tuple[str, ...] = tuple(
    dict.fromkeys(each.name for kind in KINDS.values() for each in fields(kind) if each.name != "extra")
)
"""The documented payload fields of all kinds, in the order of the catalogue. All of them are text."""

KindFilter: TypeAlias = str | type[DocumentedEvent] | Collection[str | type[DocumentedEvent]]
"""Kinds to limit a listing to: a name, a class, or a collection of them."""


def kind_names(kind: KindFilter | None, argument: str = "kind") -> tuple[str, ...]:
    """Spell kinds as the API does, each once; none for None.

    Args:
        kind: The kinds.
        argument: The argument that they were given as.

    Raises:
        TypeError: A kind is neither text nor one of the documented classes.
        ValueError: A name is empty, or the collection is.
    """
    if kind is None:
        return ()
    if isinstance(kind, str | bytes | type) or not isinstance(kind, Collection):
        kind = [kind]
    kinds = list(kind)
    if not kinds:
        raise ValueError(f"{argument} is an empty collection, which no event is of: leave it out for every kind")
    return tuple(dict.fromkeys(_kind_name(each, argument) for each in kinds))


@cache
def warn_unknown_kind(name: str) -> None:
    """Log once that a kind is not in the catalogue, and the nearest that is: it may be new, or a typing error."""
    if name in KINDS:
        return
    from difflib import get_close_matches  # noqa: PLC0415 - rarely needed, and importing has to be quick

    known = {kind.lower(): kind for kind in KINDS}
    (nearest,) = get_close_matches(name.lower(), known, n=1, cutoff=0)
    _log.warning("asking for the unknown kind %r; the nearest known one is %r", name, known[nearest])


def _kind_name(kind: object, argument: str) -> str:
    for cls in KINDS.values():
        if kind is cls:
            return cls.kind
    if not isinstance(kind, str):
        raise TypeError(f"{argument}={kind!r} is no kind: write a name such as 'Init', or a class such as events.Init")
    if not kind.strip():
        raise ValueError(f"{argument} is empty: leave it out for every kind")
    return kind
