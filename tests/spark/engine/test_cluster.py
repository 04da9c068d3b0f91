"""Executors that are machines of their own: what they know, what they send together, and that one of them is lost."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import Cluster, cluster
from support.spark import environment, options

from cfevents.testing import Simulator, faults

PROGRAM = Path(__file__).with_name("clustered.py")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "cluster", workers=2) as running:
        yield running


def start(simulator: Simulator, where: Cluster, folder: Path, **more: object) -> "subprocess.Popen[str]":
    """Start a driver, which reads everything."""
    terms = json.dumps(options(simulator, connectors="a,b,c", since="5d", slots=2, **more))
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), where.master, terms],
        env=os.environ | environment(token=False),
        stdout=subprocess.PIPE,
        text=True,
    )


def rows(driver: "subprocess.Popen[str]") -> list[list[str]]:
    """Wait for what a driver read."""
    out, _ = driver.communicate()
    assert driver.returncode == 0
    read: list[list[str]] = json.loads(out.splitlines()[-1])
    return read


def expected(simulator: Simulator) -> list[list[str]]:
    """All that there is to read."""
    assert simulator.history is not None
    events = simulator.history.events
    return sorted([connector, f"{event['t']}.{event['n']}"] for connector in events for event in events[connector])


def test_executors_share_the_quota_and_hide_the_token(small: Simulator, two: Cluster, tmp_path: Path) -> None:
    """Executors find the token in their environment, keep one quota and write no token anywhere."""
    small.max_page_size, small.quota, small.period, small.block = 40, 60, 3.0, 3.0
    # So that nothing but their own pace keeps it.
    small.faults.add(faults.headers({"Ratelimit": None, "Ratelimit-Policy": None}))
    assert rows(start(small, two, tmp_path, requests=60, period="3s")) == expected(small)
    assert small.refused == 0
    logs = [list(worker.folder.glob("work/app-*/*/stderr")) for worker in two.workers]
    assert all(any("Finished task" in log.read_text() for log in paths) for paths in logs)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if small.api_token.encode() in path.read_bytes()] == []


def test_lost_machine_costs_and_doubles_no_row(small: Simulator, two: Cluster, tmp_path: Path) -> None:
    small.max_page_size = 40
    driver = start(small, two, tmp_path, requests=600, period="10s")
    while len(small.requests) < 30:
        assert driver.poll() is None
        time.sleep(0.05)
    two.workers[0].lose()
    assert rows(driver) == expected(small)
    begun = Counter(str(request) for request in small.requests if "cursor" not in request.query)
    assert begun.most_common(1)[0][1] > 1, "nothing was begun again"
