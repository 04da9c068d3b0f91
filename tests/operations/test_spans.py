"""Starts are paired with what answers them."""

from datetime import timedelta

import pytest
from support.told import DAY, HOUR, bare, event, seconds, story, ticking

from cfevents import operations


def findings(*events: object, **options: object) -> list[tuple[str, list[int]]]:
    """What a report of a busy connector finds, and when its evidence was recorded."""
    (told,) = events
    report = operations.report([*told, *ticking(-DAY, DAY)], **options)  # type: ignore[misc, call-overload]
    return [(each.kind, seconds(each.event_ids)) for each in report.findings]


@pytest.mark.parametrize("name", ["Upgrade", "Attestation", "RotateCryptKey", "RotatePki"])
@pytest.mark.parametrize("answer", ["success", "failure"])
def test_a_start_is_answered_by_the_next_finish(name: str, answer: str) -> None:
    told = story(f"10 Start{name}", f"70 Finish{name}{answer.title()}")
    (span,) = operations.spans(told)
    assert (span.operation, span.outcome, span.answer) == (name, answer, answer)
    assert span.duration == timedelta(minutes=1)
    assert seconds(span.event_ids) == [10, 70]
    assert span.connector_id == "site"


def test_a_span_tells_the_bundle_and_the_version_where_the_payload_is_there() -> None:
    told = [
        event(0, "StartUpgrade", url="https://x/2.bundle", version="1"),
        event(9, "FinishUpgradeSuccess", version="2"),
    ]
    (span,), (without,) = operations.spans(told), operations.spans(bare(told))
    assert (span.url, span.version) == ("https://x/2.bundle", "1")
    assert (without.url, without.version) == (None, None)


def test_different_operations_and_connectors_do_not_answer_each_other() -> None:
    told = [
        *story("0 StartUpgrade", "5 StartAttestation", "9 FinishUpgradeFailure", "20 FinishAttestationSuccess"),
        *story("1 FinishUpgradeSuccess", connector="other"),
    ]
    assert [(span.connector_id, span.operation, span.outcome) for span in operations.spans(told)] == [
        ("other", "Upgrade", "orphan"),
        ("site", "Upgrade", "failure"),
        ("site", "Attestation", "success"),
    ]


def test_events_of_one_second_are_in_the_order_of_their_numbers() -> None:
    told = [event(0, "FinishUpgradeSuccess", sequence=2), event(0, "StartUpgrade", sequence=1)]
    (span,) = operations.spans(told)
    assert (span.outcome, span.duration) == ("success", timedelta(0))


def test_what_is_started_again_stays_open_and_a_second_finish_is_an_orphan() -> None:
    told = story("0 StartUpgrade", "60 StartUpgrade", "90 FinishUpgradeSuccess", "95 FinishUpgradeFailure")
    spans = operations.spans(told)
    assert [(span.outcome, span.answer, seconds(span.event_ids)) for span in spans] == [
        ("open", None, [0]),
        ("success", "success", [60, 90]),
        ("orphan", "failure", [95]),
    ]
    assert [span.duration for span in spans] == [None, timedelta(seconds=30), None]


def test_an_upgrade_without_an_end_is_found_when_it_has_lasted_half_an_hour() -> None:
    assert findings(story("0 StartUpgrade"), until=event(1801, "Init").event.metadata.recorded_ts) == [
        ("unfinished_upgrade", [0])
    ]
    told = story("0 StartUpgrade")
    assert operations.report(told, until=event(1800, "Init").event.metadata.recorded_at).findings == ()
    limits = operations.Limits(upgrade=timedelta(minutes=5))
    report = operations.report(told, until=event(400, "Init").event.metadata.recorded_ts, limits=limits)
    assert [finding.kind for finding in report.findings] == ["unfinished_upgrade"]


def test_an_upgrade_that_is_started_again_was_never_ended() -> None:
    told = story("0 StartUpgrade", "300 StartUpgrade", "360 FinishUpgradeSuccess", "400 BlessSlotSuccess")
    assert findings(told) == [("unfinished_upgrade", [0])]


def test_an_attestation_that_is_tried_again_and_succeeds_is_no_finding() -> None:
    told = story("0 StartAttestation", "300 StartAttestation", "600 StartAttestation", "605 FinishAttestationSuccess")
    assert findings(told) == []


def test_an_attestation_that_is_tried_again_and_again_is_one() -> None:
    starts = [f"{at} StartAttestation" for at in range(0, 3000, 600)]
    assert findings(story(*starts, "3000 FinishAttestationSuccess")) == [
        ("unfinished_attestation", [0, 600, 1200, 1800])
    ]


def test_two_that_never_ended_hours_apart_are_two_findings() -> None:
    told = story("0 StartRotatePki", f"{5 * HOUR} StartRotatePki")
    assert findings(told) == [("unfinished_pki_rotation", [0]), ("unfinished_pki_rotation", [5 * HOUR])]


def test_a_failure_is_a_failure_also_where_its_start_is_missing() -> None:
    assert findings(story("0 FinishUpgradeFailure")) == [("failed_upgrade", [0])]
    assert findings(story("0 FinishUpgradeSuccess")) == [("orphaned_upgrade", [0])]


def test_a_success_soon_after_the_events_begin_was_started_before_them() -> None:
    told = story("0 Reconcile", "1700 FinishUpgradeSuccess")
    assert operations.report(told).findings == ()
    late = operations.report(story("0 Reconcile", "1900 FinishUpgradeSuccess"))
    assert [(each.kind, each.severity) for each in late.findings] == [("orphaned_upgrade", "info")]


@pytest.mark.parametrize(("again", "evidence"), [(900, [[0, 900]]), (901, [[0], [901]])])
def test_what_is_begun_again_within_the_limit_is_another_attempt(again: int, evidence: list[list[int]]) -> None:
    told = story("0 StartAttestation", f"{again} StartAttestation")
    found = findings(told, until=event(3600, "Init").event.metadata.recorded_ts)
    assert found == [("unfinished_attestation", each) for each in evidence]


@pytest.mark.parametrize(
    ("operation", "name", "severity"),
    [
        ("Upgrade", "upgrade", "error"),
        ("Attestation", "attestation", "warning"),
        ("RotateCryptKey", "crypt_key_rotation", "warning"),
        ("RotatePki", "pki_rotation", "warning"),
    ],
)
def test_what_fails_is_an_error_and_what_is_not_answered_only_where_it_is_an_upgrade(
    operation: str, name: str, severity: str
) -> None:
    failed = operations.report(story(f"0 Start{operation}", f"9 Finish{operation}Failure"))
    assert [(each.kind, each.severity) for each in failed.findings] == [(f"failed_{name}", "error")]
    open_still = operations.report(story(f"0 Start{operation}", "7200 Reconcile"))
    assert [(each.kind, each.severity) for each in open_still.findings] == [(f"unfinished_{name}", severity)]
