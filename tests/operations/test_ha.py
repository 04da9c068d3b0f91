"""HA: how often the roles change, and when that is flapping."""

from datetime import timedelta

import pytest
from support.appliance_events import HOUR, events_at, offsets

from cfevents import operations


def every(pause: int, times: int, begin: int = 0) -> list[str]:
    return [f"{begin + number * pause} HaTransition" for number in range(times)]


def test_transitions_are_counted_by_the_hour() -> None:
    sample = events_at("0 Reconcile", *every(600, 7, HOUR), f"{5 * HOUR} Reconcile")
    (activity,) = operations.ha(sample)
    assert (activity.transitions, activity.busiest_hour, activity.per_hour) == (7, 6, 7 / 5)
    assert activity.flapping == ()
    assert len(activity.event_ids) == 7


def test_connector_without_ha_is_left_out() -> None:
    """A connector without transitions and errors has no activity."""
    sample = [*events_at("0 HaInit", "9 HaLeave"), *events_at("0 HaError", connector="other")]
    (activity,) = operations.ha(sample)
    assert (activity.connector_id, activity.transitions, len(activity.error_ids)) == ("other", 0, 1)


@pytest.mark.parametrize(("times", "pause", "flaps"), [(4, 300, True), (4, 301, False), (3, 10, False), (9, 60, True)])
def test_four_transitions_in_a_window_are_flapping(times: int, pause: int, flaps: bool) -> None:
    """Four transitions within a quarter of an hour are flapping."""
    report = operations.report(events_at(*every(pause, times)))
    assert [finding.kind for finding in report.findings] == ["ha_flapping"] * flaps


def test_flapping_is_one_finding() -> None:
    """Flapping is one finding from its first transition to its last."""
    sample = events_at(*every(60, 20), *every(200, 4, 3 * HOUR), f"{6 * HOUR} HaTransition")
    first, second = operations.ha(sample)[0].flapping
    assert (first.transitions, second.transitions) == (20, 4)
    assert offsets(first.event_ids) == [*range(0, 1200, 60)]
    assert offsets(second.event_ids)[0] == 3 * HOUR


def test_errors_near_flapping_belong_to_it() -> None:
    """Errors near flapping belong to it, and others are findings themselves."""
    sample = events_at(*every(60, 6), "130 HaError", "1000 HaError", f"{9 * HOUR} HaError")
    flapping, error = operations.report(sample).findings
    assert (flapping.kind, error.kind) == ("ha_flapping", "ha_error")
    assert offsets(flapping.event_ids)[-1] == 1000
    assert offsets(error.event_ids) == [9 * HOUR]


def test_flapping_limits() -> None:
    """The limits define flapping."""
    sample = events_at(*every(600, 3))
    limits = operations.Limits(flapping_transitions=3, flapping_window=timedelta(hours=1))
    assert len(operations.ha(sample, limits=limits)[0].flapping) == 1


def test_transitions_are_counted_over_an_hour_at_least() -> None:
    """A shorter time counts as an hour."""
    (activity,) = operations.ha(events_at("0 HaTransition", "60 HaTransition"))
    assert activity.per_hour == 2


def test_overlapping_flapping_is_one() -> None:
    """Two series of flapping that share a transition are one."""
    # The first four lie within a quarter of an hour, and the last four; none of those in between do.
    sample = events_at(*(f"{at} HaTransition" for at in (0, 800, 850, 880, 1720, 1760, 1770)))
    (flapping,) = operations.ha(sample)[0].flapping
    assert flapping.transitions == 7
