"""The event classes, keyed by kind.

One class for each kind that the API documents, in the order of its catalogue, and `UnknownEvent` for the kinds
that it does not document yet. The catalogue has grown with each edition of the documentation; to add a kind, write
its class below and name it in `Event`.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, get_args

from attrs import field, frozen


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
class Init(DocumentedEvent):
    """Initialized process."""

    kind = "Init"
    description = "Initialized process"


@frozen
class Leave(DocumentedEvent):
    """Stopped process."""

    kind = "Leave"
    description = "Stopped process"


@frozen
class StartAttestation(DocumentedEvent):
    """Started attestation."""

    kind = "StartAttestation"
    description = "Started attestation"


@frozen
class FinishAttestationSuccess(DocumentedEvent):
    """Finished attestation."""

    kind = "FinishAttestationSuccess"
    description = "Finished attestation"


@frozen
class FinishAttestationFailure(DocumentedEvent):
    """Failed attestation."""

    kind = "FinishAttestationFailure"
    description = "Failed attestation"


@frozen
class StartRotateCryptKey(DocumentedEvent):
    """Started crypt key rotation."""

    kind = "StartRotateCryptKey"
    description = "Started crypt key rotation"


@frozen
class FinishRotateCryptKeySuccess(DocumentedEvent):
    """Finished crypt key rotation."""

    kind = "FinishRotateCryptKeySuccess"
    description = "Finished crypt key rotation"


@frozen
class FinishRotateCryptKeyFailure(DocumentedEvent):
    """Failed crypt key rotation."""

    kind = "FinishRotateCryptKeyFailure"
    description = "Failed crypt key rotation"


@frozen
class StartRotatePki(DocumentedEvent):
    """Started PKI rotation."""

    kind = "StartRotatePki"
    description = "Started PKI rotation"


@frozen
class FinishRotatePkiSuccess(DocumentedEvent):
    """Finished PKI rotation."""

    kind = "FinishRotatePkiSuccess"
    description = "Finished PKI rotation"


@frozen
class FinishRotatePkiFailure(DocumentedEvent):
    """Failed PKI rotation."""

    kind = "FinishRotatePkiFailure"
    description = "Failed PKI rotation"


@frozen
class StartUpgrade(DocumentedEvent):
    """Started upgrade."""

    kind = "StartUpgrade"
    description = "Started upgrade"

    url: str | None = None
    """Location of upgrade bundle."""


@frozen
class FinishUpgradeSuccess(DocumentedEvent):
    """Finished upgrade."""

    kind = "FinishUpgradeSuccess"
    description = "Finished upgrade"


@frozen
class FinishUpgradeFailure(DocumentedEvent):
    """Failed upgrade."""

    kind = "FinishUpgradeFailure"
    description = "Failed upgrade"


@frozen
class Reconcile(DocumentedEvent):
    """Reconciled."""

    kind = "Reconcile"
    description = "Reconciled"


@frozen
class ConfigureCloudflaredTunnel(DocumentedEvent):
    """Configured Cloudflared tunnel."""

    kind = "ConfigureCloudflaredTunnel"
    description = "Configured Cloudflared tunnel"


@frozen
class RekeyInstallBoth(DocumentedEvent):
    """Installed initial inbound and outbound keys."""

    kind = "RekeyInstallBoth"
    description = "Installed initial inbound and outbound keys"

    tunnel_id: str | None = None
    """Tunnel identifier."""


@frozen
class RekeyStart(DocumentedEvent):
    """Installed new inbound key, kept old outbound."""

    kind = "RekeyStart"
    description = "Installed new inbound key, kept old outbound"

    tunnel_id: str | None = None
    """Tunnel identifier."""


@frozen
class RekeyAdvance(DocumentedEvent):
    """Confirmed traffic on new inbound key, swapped outbound to new."""

    kind = "RekeyAdvance"
    description = "Confirmed traffic on new inbound key, swapped outbound to new"

    tunnel_id: str | None = None
    """Tunnel identifier."""


@frozen
class RekeyComplete(DocumentedEvent):
    """Deleted old keys."""

    kind = "RekeyComplete"
    description = "Deleted old keys"

    tunnel_id: str | None = None
    """Tunnel identifier."""


@frozen
class RekeyReset(DocumentedEvent):
    """Deleted all keys after receiving an unexpected key."""

    kind = "RekeyReset"
    description = "Deleted all keys after receiving an unexpected key"

    tunnel_id: str | None = None
    """Tunnel identifier."""


@frozen
class RekeyRestart(DocumentedEvent):
    """Restarted in-progress rekey with newer key material."""

    kind = "RekeyRestart"
    description = "Restarted in-progress rekey with newer key material"


@frozen
class BlessSlotSuccess(DocumentedEvent):
    """Blessed boot entry slot."""

    kind = "BlessSlotSuccess"
    description = "Blessed boot entry slot"


@frozen
class BlessSlotPending(DocumentedEvent):
    """Boot entry slot is not yet blessed."""

    kind = "BlessSlotPending"
    description = "Boot entry slot is not yet blessed"


@frozen
class BlessSlotFailure(DocumentedEvent):
    """Failed to bless boot entry slot."""

    kind = "BlessSlotFailure"
    description = "Failed to bless boot entry slot"


@frozen
class HaTransition(DocumentedEvent):
    """Completed HA state transition."""

    kind = "HaTransition"
    description = "Completed HA state transition"


@frozen
class HaError(DocumentedEvent):
    """Received unexpected HA error."""

    kind = "HaError"
    description = "Received unexpected HA error"


@frozen
class HaInit(DocumentedEvent):
    """Initialized HA subsystem."""

    kind = "HaInit"
    description = "Initialized HA subsystem"


@frozen
class HaLeave(DocumentedEvent):
    """Stopped HA subsystem."""

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

KindFilter: TypeAlias = str | type[DocumentedEvent] | Collection[str | type[DocumentedEvent]]
"""Kinds to limit a listing to: a name, a class, or a collection of them."""


def kind_names(kind: KindFilter | None) -> tuple[str, ...]:
    """Spell kinds as the API does, each once; none for None.

    Raises:
        TypeError: A kind is neither text nor one of the documented classes.
        ValueError: A name is empty, or the collection is.
    """
    if kind is None:
        return ()
    kinds = [kind] if isinstance(kind, str | type) or not isinstance(kind, Collection) else list(kind)
    if not kinds:
        raise ValueError("kind is an empty collection, which no event is of: leave it out for every kind")
    return tuple(dict.fromkeys(map(_kind_name, kinds)))


def _kind_name(kind: object) -> str:
    if isinstance(kind, type) and issubclass(kind, DocumentedEvent) and kind is not DocumentedEvent:
        return kind.kind
    if not isinstance(kind, str):
        raise TypeError(f"kind={kind!r} is no kind: write a name such as 'Init', or a class such as events.Init")
    if not kind.strip():
        raise ValueError("kind is empty: leave it out for every kind")
    return kind
