"""HA: how often the roles change, and when that is flapping."""

from datetime import timedelta

import pytest
from support.told import HOUR, seconds, story

from cfevents import operations


def every(pause: int, times: int, begin: int = 0) -> list[str]:
    return [f"{begin + number * pause} HaTransition" for number in range(times)]


def test_transitions_are_counted_by_the_hour() -> None:
    told = story("0 Reconcile", *every(600, 7, HOUR), f"{5 * HOUR} Reconcile")
    (activity,) = operations.ha(told)
    assert (activity.transitions, activity.busiest_hour, activity.per_hour) == (7, 6, 7 / 5)
    assert activity.flapping == ()
    assert len(activity.event_ids) == 7


def test_a_connector_without_any_is_left_out() -> None:
    told = [*story("0 HaInit", "9 HaLeave"), *story("0 HaError", connector="other")]
    (activity,) = operations.ha(told)
    assert (activity.connector_id, activity.transitions, len(activity.error_ids)) == ("other", 0, 1)


@pytest.mark.parametrize(("times", "pause", "flaps"), [(4, 300, True), (4, 301, False), (3, 10, False), (9, 60, True)])
def test_four_transitions_within_a_quarter_of_an_hour_are_flapping(times: int, pause: int, flaps: bool) -> None:
    report = operations.report(story(*every(pause, times)))
    assert [finding.kind for finding in report.findings] == ["ha_flapping"] * flaps


def test_flapping_is_one_finding_from_its_first_transition_to_its_last() -> None:
    told = story(*every(60, 20), *every(200, 4, 3 * HOUR), f"{6 * HOUR} HaTransition")
    first, second = operations.ha(told)[0].flapping
    assert (first.transitions, second.transitions) == (20, 4)
    assert seconds(first.event_ids) == [*range(0, 1200, 60)]
    assert seconds(second.event_ids)[0] == 3 * HOUR


def test_errors_while_it_flaps_belong_to_that_and_others_stand_alone() -> None:
    told = story(*every(60, 6), "130 HaError", "1000 HaError", f"{9 * HOUR} HaError")
    flapping, error = operations.report(told).findings
    assert (flapping.kind, error.kind) == ("ha_flapping", "ha_error")
    assert seconds(flapping.event_ids)[-1] == 1000
    assert seconds(error.event_ids) == [9 * HOUR]


def test_what_flapping_is_can_be_said() -> None:
    told = story(*every(600, 3))
    limits = operations.Limits(flapping_transitions=3, flapping_window=timedelta(hours=1))
    assert len(operations.ha(told, limits=limits)[0].flapping) == 1


def test_an_hour_is_the_least_that_transitions_are_counted_over() -> None:
    (activity,) = operations.ha(story("0 HaTransition", "60 HaTransition"))
    assert activity.per_hour == 2


def test_flapping_that_shares_a_transition_with_more_of_it_is_one() -> None:
    # The first four lie within a quarter of an hour, and the last four; none of those in between do.
    told = story(*(f"{at} HaTransition" for at in (0, 800, 850, 880, 1720, 1760, 1770)))
    (flapping,) = operations.ha(told)[0].flapping
    assert flapping.transitions == 7
