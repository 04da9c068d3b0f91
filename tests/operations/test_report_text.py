"""Which payloads tell more of what was found."""

from support.appliance_events import events_at, history_events, without_payloads

from cfevents import operations
from cfevents.operations.report import kinds_with_details
from cfevents.testing import History


def test_payloads_of_a_few_kinds_are_enough() -> None:
    """The payloads of the kinds with details tell as much as all."""
    sample = [*history_events(History(seed=3, connectors=3, days=7))]
    everything = operations.report(sample)
    journal = operations.Journal(without_payloads(sample))
    kinds = kinds_with_details(operations.report(journal).findings)
    chosen = [item for item in sample if item.event.metadata.kind in kinds.get(item.connector_id, ())]
    journal.update(chosen)
    assert 0 < len(chosen) < len(sample) / 3
    assert [_about(finding) for finding in operations.report(journal).findings] == [
        _about(finding) for finding in everything.findings
    ]


def _about(finding: operations.Finding) -> tuple[object, ...]:
    return finding.kind, finding.message, finding.details.get("tunnel_id"), finding.details.get("url")


def test_no_kinds_without_more_details() -> None:
    """Findings without more details need no payloads."""
    result = operations.report(without_payloads(events_at("0 HaError", "9 FinishRotatePkiFailure")))
    assert [finding.kind for finding in result.findings] == ["failed_pki_rotation", "ha_error"]
    assert kinds_with_details(result.findings) == {}
    nobodys = operations.report([item.event for item in without_payloads(events_at("0 RekeyReset"))])
    assert [finding.kind for finding in nobodys.findings] == ["rekey_reset"]
    assert kinds_with_details(nobodys.findings) == {}
