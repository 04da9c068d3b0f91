"""The event classes, keyed by kind.

One class for each kind that the API documents, in the order of its catalogue, and `UnknownEvent` for all other kinds.
The catalogue grows with the editions of the documentation. To add a kind, write its class, and name it in `Event`.
"""

# ruff: noqa: D101 - the docstring of a kind is made from its description

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, get_args

from attrs import field, fields, frozen


@frozen
class DocumentedEvent:
    """An event of a documented kind."""

    kind: ClassVar[str]
    """The API's name for it (``k``)."""

    description: ClassVar[str]
    """Its description in the API's documentation."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Every field of the payload that is not documented, or not of its documented type, as it was sent."""

    def __init_subclass__(cls, *, description: str = "") -> None:
        """Name a kind after its class, and document it by its description."""
        # attrs creates a class with slots twice. The second time it copies the attributes and passes no description.
        if description:
            cls.kind, cls.description, cls.__doc__ = cls.__name__, description, f"{description}."


@frozen
class TunnelEvent(DocumentedEvent):
    """A documented step of a tunnel's rekeying."""

    tunnel_id: str | None = None
    """Tunnel identifier."""


class Init(DocumentedEvent, description="Initialized process"):
    __slots__ = ()


class Leave(DocumentedEvent, description="Stopped process"):
    __slots__ = ()


class StartAttestation(DocumentedEvent, description="Started attestation"):
    __slots__ = ()


class FinishAttestationSuccess(DocumentedEvent, description="Finished attestation"):
    __slots__ = ()


class FinishAttestationFailure(DocumentedEvent, description="Failed attestation"):
    __slots__ = ()


class StartRotateCryptKey(DocumentedEvent, description="Started crypt key rotation"):
    __slots__ = ()


class FinishRotateCryptKeySuccess(DocumentedEvent, description="Finished crypt key rotation"):
    __slots__ = ()


class FinishRotateCryptKeyFailure(DocumentedEvent, description="Failed crypt key rotation"):
    __slots__ = ()


class StartRotatePki(DocumentedEvent, description="Started PKI rotation"):
    __slots__ = ()


class FinishRotatePkiSuccess(DocumentedEvent, description="Finished PKI rotation"):
    __slots__ = ()


class FinishRotatePkiFailure(DocumentedEvent, description="Failed PKI rotation"):
    __slots__ = ()


@frozen
class StartUpgrade(DocumentedEvent, description="Started upgrade"):
    url: str | None = None
    """Location of upgrade bundle."""


class FinishUpgradeSuccess(DocumentedEvent, description="Finished upgrade"):
    __slots__ = ()


class FinishUpgradeFailure(DocumentedEvent, description="Failed upgrade"):
    __slots__ = ()


class Reconcile(DocumentedEvent, description="Reconciled"):
    __slots__ = ()


class ConfigureCloudflaredTunnel(DocumentedEvent, description="Configured Cloudflared tunnel"):
    __slots__ = ()


class RekeyInstallBoth(TunnelEvent, description="Installed initial inbound and outbound keys"):
    __slots__ = ()


class RekeyStart(TunnelEvent, description="Installed new inbound key, kept old outbound"):
    __slots__ = ()


class RekeyAdvance(TunnelEvent, description="Confirmed traffic on new inbound key, swapped outbound to new"):
    __slots__ = ()


class RekeyComplete(TunnelEvent, description="Deleted old keys"):
    __slots__ = ()


class RekeyReset(TunnelEvent, description="Deleted all keys after receiving an unexpected key"):
    __slots__ = ()


class RekeyRestart(DocumentedEvent, description="Restarted in-progress rekey with newer key material"):
    __slots__ = ()


class BlessSlotSuccess(DocumentedEvent, description="Blessed boot entry slot"):
    __slots__ = ()


class BlessSlotPending(DocumentedEvent, description="Boot entry slot is not yet blessed"):
    __slots__ = ()


class BlessSlotFailure(DocumentedEvent, description="Failed to bless boot entry slot"):
    __slots__ = ()


class HaTransition(DocumentedEvent, description="Completed HA state transition"):
    __slots__ = ()


class HaError(DocumentedEvent, description="Received unexpected HA error"):
    __slots__ = ()


class HaInit(DocumentedEvent, description="Initialized HA subsystem"):
    __slots__ = ()


class HaLeave(DocumentedEvent, description="Stopped HA subsystem"):
    __slots__ = ()


@frozen
class UnknownEvent:
    """An event of a kind that is not in the catalogue, kept whole."""

    kind: str
    """The API's name for it (``k``)."""

    payload: dict[str, Any] = field(factory=dict, hash=False)
    """All other fields, as they were sent."""


_Process: TypeAlias = Init | Leave
_Attestation: TypeAlias = StartAttestation | FinishAttestationSuccess | FinishAttestationFailure
_CryptKey: TypeAlias = StartRotateCryptKey | FinishRotateCryptKeySuccess | FinishRotateCryptKeyFailure
_Pki: TypeAlias = StartRotatePki | FinishRotatePkiSuccess | FinishRotatePkiFailure
_Upgrade: TypeAlias = StartUpgrade | FinishUpgradeSuccess | FinishUpgradeFailure
_Configuration: TypeAlias = Reconcile | ConfigureCloudflaredTunnel
_Rekey: TypeAlias = RekeyInstallBoth | RekeyStart | RekeyAdvance | RekeyComplete | RekeyReset | RekeyRestart
_BlessSlot: TypeAlias = BlessSlotSuccess | BlessSlotPending | BlessSlotFailure
_Ha: TypeAlias = HaTransition | HaError | HaInit | HaLeave
_Security: TypeAlias = _Attestation | _CryptKey | _Pki
Event: TypeAlias = _Process | _Security | _Upgrade | _Configuration | _Rekey | _BlessSlot | _Ha | UnknownEvent
"""Any event: one of the documented classes, or `UnknownEvent`."""

KINDS: Mapping[str, type[DocumentedEvent]] = MappingProxyType(
    {cls.kind: cls for cls in get_args(Event) if cls is not UnknownEvent}
)
"""The documented kinds: name to class, in catalogue order."""

PAYLOAD_FIELDS: tuple[str, ...] = tuple(
    dict.fromkeys(attribute.name for cls in KINDS.values() for attribute in fields(cls) if attribute.name != "extra")
)
"""The documented payload fields of all kinds, in catalogue order. All of them are text."""

KindFilter: TypeAlias = str | type[DocumentedEvent] | Collection[str | type[DocumentedEvent]]
"""Kinds to limit a listing to: a name, a class, a pattern such as ``"Rekey*"``, or a collection of them.

In any case. With ``!`` before it a name or pattern is left out: ``"!Reconcile"`` is every kind but that one.
"""
