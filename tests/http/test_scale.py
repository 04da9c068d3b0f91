"""Thousands of connectors, polled in simulated time: nothing is refused, nobody is left behind."""

from pathlib import Path
from typing import Any

import pytest
from benchmarks.polling import capacity
from support.rounds import COUNTINGS, PERIOD, Case, play

pytestmark = pytest.mark.once


@pytest.mark.parametrize("counting", COUNTINGS)
def test_clients_on_one_budget_poll_evenly(counting: Any) -> None:
    """Clients that share a budget poll 2,500 connectors evenly, and none is refused."""
    (played,) = play(Case(2500, tasks=(8, 8, 8, 8), counting=counting))
    assert (len(played.calls), len(played.arrivals), played.refused) == (2500, 2500, 0)
    # 1,080 at once, and again after each period: the third lot leaves after two of them.
    assert 2 * PERIOD <= played.seconds <= 2 * PERIOD * 1.1
    assert 0.48 <= min(played.served_half_way) <= max(played.served_half_way) <= 0.52
    assert max(played.ends) - min(played.ends) <= 2
    # No more tasks wait than may leave in the next lot, so none of them waits for the one after it.
    assert played.waits[-1] <= PERIOD + 2


def test_five_tokens_poll_2500_connectors_without_a_wait() -> None:
    (played,) = play(Case(2500, tasks=(8,), tokens=5))
    assert (len(played.calls), len(played.arrivals), played.refused) == (2500, 2500, 0)
    assert played.seconds <= PERIOD / 5
    assert max(played.ends) - min(played.ends) <= played.seconds / 5


def test_processes_that_divide_the_share_are_not_refused() -> None:
    """Processes that divide the share among them are not refused."""
    (played,) = play(Case(1500, tasks=(8, 8, 8), apart=True))
    assert played.refused == 0
    assert PERIOD <= played.seconds <= PERIOD * 1.1


@pytest.mark.parametrize("counting", COUNTINGS)
def test_independent_busy_processes_are_not_refused(counting: Any) -> None:
    """Busy processes that know nothing of one another are not refused."""
    (played,) = play(Case(1500, tasks=(8, 8), apart=True, divided=False, counting=counting))
    assert played.refused == 0


def test_the_page_on_scale_has_the_table_that_its_command_makes() -> None:
    page = Path(__file__).parents[2] / "docs" / "scale.md"
    assert "".join(capacity()) in page.read_text(encoding="utf-8")
