"""Starts are paired with their answers, and slots with their upgrades."""

from datetime import timedelta

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, event, events_at, offsets, reconciles, without_payloads

from cfevents import operations


def findings(*events: object, **options: object) -> list[tuple[str, list[int]]]:
    """What a report of a busy connector finds, and when its evidence was recorded."""
    (sample,) = events
    report = operations.report([*sample, *reconciles(-DAY, DAY)], **options)  # type: ignore[misc, call-overload]
    return [(finding.kind, offsets(finding.event_ids)) for finding in report.findings]


@pytest.mark.parametrize("name", ["Upgrade", "Attestation", "RotateCryptKey", "RotatePki"])
@pytest.mark.parametrize("answer", ["success", "failure"])
def test_a_start_is_answered_by_the_next_finish(name: str, answer: str) -> None:
    sample = events_at(f"10 Start{name}", f"70 Finish{name}{answer.title()}")
    (span,) = operations.spans(sample)
    assert (span.operation, span.outcome, span.answer) == (name, answer, answer)
    assert span.duration == timedelta(minutes=1)
    assert offsets(span.event_ids) == [10, 70]
    assert span.connector_id == "site"


def test_span_has_bundle_and_version_of_its_payload() -> None:
    """A span has the bundle and the version if the payload was read."""
    sample = [
        event(0, "StartUpgrade", url="https://x/2.bundle", version="1"),
        event(9, "FinishUpgradeSuccess", version="2"),
    ]
    (span,), (without,) = operations.spans(sample), operations.spans(without_payloads(sample))
    assert (span.url, span.version) == ("https://x/2.bundle", "1")
    assert (without.url, without.version) == (None, None)


def test_only_the_same_operation_answers() -> None:
    """Different operations and connectors do not answer each other."""
    sample = [
        *events_at("0 StartUpgrade", "5 StartAttestation", "9 FinishUpgradeFailure", "20 FinishAttestationSuccess"),
        *events_at("1 FinishUpgradeSuccess", connector="other"),
    ]
    assert [(span.connector_id, span.operation, span.outcome) for span in operations.spans(sample)] == [
        ("other", "Upgrade", "orphan"),
        ("site", "Upgrade", "failure"),
        ("site", "Attestation", "success"),
    ]


def test_sequence_orders_one_second() -> None:
    """The sequence number orders the events of one second."""
    sample = [event(0, "FinishUpgradeSuccess", sequence=2), event(0, "StartUpgrade", sequence=1)]
    (span,) = operations.spans(sample)
    assert (span.outcome, span.duration) == ("success", timedelta(0))


def test_second_start_and_second_finish() -> None:
    """A start before the answer leaves the first open, and a second finish is an orphan."""
    sample = events_at("0 StartUpgrade", "60 StartUpgrade", "90 FinishUpgradeSuccess", "95 FinishUpgradeFailure")
    spans = operations.spans(sample)
    assert [(span.outcome, span.answer, offsets(span.event_ids)) for span in spans] == [
        ("open", None, [0]),
        ("success", "success", [60, 90]),
        ("orphan", "failure", [95]),
    ]
    assert [span.duration for span in spans] == [None, timedelta(seconds=30), None]


def test_unfinished_upgrade_after_half_an_hour() -> None:
    """An upgrade without an end is a finding after half an hour."""
    assert findings(events_at("0 StartUpgrade"), until=event(1801, "Init").event.metadata.recorded_ts) == [
        ("unfinished_upgrade", [0])
    ]
    sample = events_at("0 StartUpgrade")
    assert operations.report(sample, until=event(1800, "Init").event.metadata.recorded_at).findings == ()
    limits = operations.Limits(upgrade=timedelta(minutes=5))
    report = operations.report(sample, until=event(400, "Init").event.metadata.recorded_ts, limits=limits)
    assert [finding.kind for finding in report.findings] == ["unfinished_upgrade"]


def test_an_upgrade_that_is_started_again_was_never_ended() -> None:
    sample = events_at("0 StartUpgrade", "300 StartUpgrade", "360 FinishUpgradeSuccess", "400 BlessSlotSuccess")
    assert findings(sample) == [("unfinished_upgrade", [0])]


def test_retried_attestation_that_succeeds() -> None:
    """An attestation that is tried again and succeeds is no finding."""
    sample = events_at(
        "0 StartAttestation", "300 StartAttestation", "600 StartAttestation", "605 FinishAttestationSuccess"
    )
    assert findings(sample) == []


def test_attestation_retried_too_long() -> None:
    """An attestation that is tried again for too long is a finding."""
    starts = [f"{at} StartAttestation" for at in range(0, 3000, 600)]
    assert findings(events_at(*starts, "3000 FinishAttestationSuccess")) == [
        ("unfinished_attestation", [0, 600, 1200, 1800])
    ]


def test_unfinished_hours_apart_are_two_findings() -> None:
    """Two operations that never ended, hours apart, are two findings."""
    sample = events_at("0 StartRotatePki", f"{5 * HOUR} StartRotatePki")
    assert findings(sample) == [("unfinished_pki_rotation", [0]), ("unfinished_pki_rotation", [5 * HOUR])]


def test_failure_without_a_start() -> None:
    """A failure is a failure even if its start is missing."""
    assert findings(events_at("0 FinishUpgradeFailure")) == [("failed_upgrade", [0])]
    assert findings(events_at("0 FinishUpgradeSuccess")) == [("orphaned_upgrade", [0])]


def test_success_at_the_begin_is_no_orphan() -> None:
    """A success soon after the events begin was started before them."""
    sample = events_at("0 Reconcile", "1700 FinishUpgradeSuccess")
    assert operations.report(sample).findings == ()
    late = operations.report(events_at("0 Reconcile", "1900 FinishUpgradeSuccess"))
    assert [(finding.kind, finding.severity) for finding in late.findings] == [("orphaned_upgrade", "info")]


@pytest.mark.parametrize(("again", "evidence"), [(900, [[0, 900]]), (901, [[0], [901]])])
def test_retry_within_the_limit_is_one_finding(again: int, evidence: list[list[int]]) -> None:
    """A start within the limit after another one is a retry."""
    sample = events_at("0 StartAttestation", f"{again} StartAttestation")
    result = findings(sample, until=event(3600, "Init").event.metadata.recorded_ts)
    assert result == [("unfinished_attestation", item) for item in evidence]


@pytest.mark.parametrize(
    ("operation", "name", "severity"),
    [
        ("Upgrade", "upgrade", "error"),
        ("Attestation", "attestation", "warning"),
        ("RotateCryptKey", "crypt_key_rotation", "warning"),
        ("RotatePki", "pki_rotation", "warning"),
    ],
)
def test_severity_of_failed_and_unfinished(operation: str, name: str, severity: str) -> None:
    """A failure is an error; a missing answer is one for upgrades only."""
    failed = operations.report(events_at(f"0 Start{operation}", f"9 Finish{operation}Failure"))
    assert [(finding.kind, finding.severity) for finding in failed.findings] == [(f"failed_{name}", "error")]
    open_still = operations.report(events_at(f"0 Start{operation}", "7200 Reconcile"))
    assert [(finding.kind, finding.severity) for finding in open_still.findings] == [(f"unfinished_{name}", severity)]


def test_what_came_after_a_silence_began_is_not_known() -> None:
    """An operation of a connector that went silent is open, and no longer known to be so than until then."""
    sample = [*reconciles(-DAY, 600), *events_at("0 StartUpgrade")]
    report = operations.report(sample, until=sample[0].event.metadata.recorded_ts + DAY + 5 * HOUR)
    assert [(finding.kind, finding.message) for finding in report.findings] == [
        ("unfinished_upgrade", "upgrade started, but not finished when the connector went silent 5min 5s later"),
        ("silence", "silent for 4h 54min, and still silent"),
    ]


UPGRADED = ["0 StartUpgrade", "60 FinishUpgradeSuccess"]


def findings_of(*lines: str, until: int = 3 * HOUR) -> list[list[int]]:
    report = operations.report(events_at(*lines), until=event(until, "Init").event.metadata.recorded_ts)
    assert {finding.kind for finding in report.findings} <= {"unblessed_slot"}
    return [offsets(finding.event_ids) for finding in report.findings]


@pytest.mark.parametrize(
    ("sample", "outcome"),
    [
        (["90 BlessSlotPending", "99 BlessSlotSuccess"], "blessed"),
        (["90 BlessSlotFailure", "99 BlessSlotSuccess"], "blessed"),
        (["90 BlessSlotPending", "99 BlessSlotFailure"], "failed"),
        (["90 BlessSlotPending"], "pending"),
        ([], "unknown"),
    ],
)
def test_last_event_of_a_slot_decides(sample: list[str], outcome: str) -> None:
    """The last event of a slot is its outcome."""
    (slot,) = operations.slots(events_at(*UPGRADED, *sample))
    assert slot.outcome == outcome
    assert offsets(slot.event_ids) == [60, *(int(line.split()[0]) for line in sample)]
    assert (slot.decided_at is None) == (outcome in {"pending", "unknown"})


def test_a_slot_that_could_not_be_blessed_is_found_at_once() -> None:
    assert findings_of(*UPGRADED, "90 BlessSlotFailure", until=91) == [[60, 90]]


def test_a_slot_that_is_still_pending_is_found_after_an_hour() -> None:
    assert findings_of(*UPGRADED, "90 BlessSlotPending") == [[60, 90]]
    assert findings_of(*UPGRADED, "90 BlessSlotPending", until=HOUR) == []


def test_appliances_without_slot_events() -> None:
    """Appliances that never record slots have no findings of them."""
    assert findings_of(*UPGRADED) == []


def test_slot_events_are_expected_once_seen() -> None:
    """A connector that recorded a slot's event before is expected to do so again."""
    before = ["0 FinishUpgradeSuccess", "9 BlessSlotSuccess"]
    assert findings_of(*before, "100 StartUpgrade", "200 FinishUpgradeSuccess") == [[200]]


def test_the_next_upgrade_begins_another_slot() -> None:
    sample = events_at(
        "0 FinishUpgradeSuccess", "9 BlessSlotPending", "500 FinishUpgradeSuccess", "510 BlessSlotSuccess"
    )
    assert [slot.outcome for slot in operations.slots(sample)] == ["pending", "blessed"]
    # The first had eight minutes, in which it need not have been blessed.
    assert (
        findings_of("0 FinishUpgradeSuccess", "9 BlessSlotPending", "500 FinishUpgradeSuccess", "510 BlessSlotSuccess")
        == []
    )
    assert operations.slots(sample)[0].replaced_at == sample[2].event.metadata.recorded_at


def test_slot_without_an_upgrade() -> None:
    """Events of a slot without an upgrade are a slot of their own."""
    assert findings_of("0 BlessSlotFailure") == [[0]]
    sample = events_at("0 FinishUpgradeSuccess", "9 BlessSlotSuccess", "900 BlessSlotFailure")
    assert [slot.outcome for slot in operations.slots(sample)] == ["blessed", "failed"]
    assert operations.slots(sample)[1].upgraded_at is None


@pytest.mark.parametrize(("waited", "is_found"), [(HOUR, False), (HOUR + 1, True)])
def test_a_slot_may_be_pending_for_an_hour(waited: int, is_found: bool) -> None:
    assert findings_of("0 BlessSlotPending", until=waited) == [[0]] * is_found


def test_the_version_of_a_slot_is_what_came_with_its_blessing() -> None:
    sample = [event(0, "FinishUpgradeSuccess", version="1"), event(60, "BlessSlotFailure", version="2")]
    assert [slot.version for slot in operations.slots(sample)] == ["2"]
    assert operations.report(sample).findings[0].details["version"] == "2"


def test_a_slot_is_not_known_to_be_unblessed_in_a_silence() -> None:
    sample = [*reconciles(-DAY, 600), *events_at("0 BlessSlotPending")]
    report = operations.report(sample, until=BEGIN + 5 * HOUR)
    message = "boot slot was not blessed when the connector went silent 5min 5s later; the next boot rolls back"
    assert message in [item.message for item in report.findings]
