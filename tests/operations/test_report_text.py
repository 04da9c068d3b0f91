"""Which payloads tell more of what was found."""

from support.told import bare, events_of, story

from cfevents import operations
from cfevents.operations.report import kinds_with_details
from cfevents.testing import History


def test_the_payloads_of_a_few_kinds_tell_as_much_as_all() -> None:
    told = [*events_of(History(seed=3, connectors=3, days=7))]
    everything = operations.report(told)
    journal = operations.Journal(bare(told))
    kinds = kinds_with_details(operations.report(journal).findings)
    chosen = [each for each in told if each.event.metadata.kind in kinds.get(each.connector_id, ())]
    journal.update(chosen)
    assert 0 < len(chosen) < len(told) / 3
    assert [_about(each) for each in operations.report(journal).findings] == [
        _about(each) for each in everything.findings
    ]


def _about(finding: operations.Finding) -> tuple[object, ...]:
    return finding.kind, finding.message, finding.details.get("tunnel_id"), finding.details.get("url")


def test_where_payloads_tell_nothing_more_none_are_named() -> None:
    found = operations.report(bare(story("0 HaError", "9 FinishRotatePkiFailure")))
    assert [each.kind for each in found.findings] == ["failed_pki_rotation", "ha_error"]
    assert kinds_with_details(found.findings) == {}
    nobodys = operations.report([each.event for each in bare(story("0 RekeyReset"))])
    assert [each.kind for each in nobodys.findings] == ["rekey_reset"]
    assert kinds_with_details(nobodys.findings) == {}
