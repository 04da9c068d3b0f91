"""Whose payloads would tell more of what was found."""

from collections.abc import Iterable

from cfevents.events import KINDS
from cfevents.operations.findings import Finding

# By finding, what the kinds have in their names whose payload has its tunnel, its bundle or its version. Of a rekey
# that are all steps: one without a payload may be taken for another tunnel's.
_TOLD_BY = {
    "crash": "Init",
    "failed_upgrade": "Upgrade",
    "orphaned_upgrade": "Upgrade",
    "rekey_reset": "Rekey",
    "stuck_rekey": "Rekey",
    "unblessed_slot": "BlessSlot",
    "unfinished_upgrade": "Upgrade",
}


def telling_kinds(findings: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """Find the kinds whose payloads tell more of some findings, by connector, where there are any."""
    kinds: dict[str, set[str]] = {}
    for finding in findings:
        if finding.connector_id is not None and (part := _TOLD_BY.get(finding.kind)):
            kinds.setdefault(finding.connector_id, set()).update(kind for kind in KINDS if part in kind)
    return {connector_id: tuple(sorted(its)) for connector_id, its in kinds.items()}
