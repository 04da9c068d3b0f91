"""The quota with a real Spark, whose tasks know nothing of one another."""

from pathlib import Path
from typing import Any

import pytest
from support.spark import load, running

from cfevents.testing import Simulator, faults

SILENCE = faults.headers({"Ratelimit": None, "Ratelimit-Policy": None})


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("counting", ["sliding", "fixed"])
def test_any_number_of_tasks_keeps_the_quota(slots: int, counting: Any, tmp_path: Path, small: Simulator) -> None:
    """Any number of tasks keeps the quota, although the API says nothing of it."""
    small.max_page_size, small.counting = 40, counting
    small.quota, small.period, small.block = 60, 3.0, 3.0
    small.faults.add(SILENCE)
    terms = {"requests": 60, "period": "3s", "slots": slots, "connectors": "all", "since": "5d"}
    with running(tmp_path, f"local[{slots}]") as session:
        count = load(session, small, **terms).count()
    assert small.history is not None
    assert count == sum(map(len, small.history.events.values()))
    assert len(small.requests) > 90
    assert small.refused == 0
