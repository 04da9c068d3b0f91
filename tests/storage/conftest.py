"""What tests of storage read from, and store into."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cfevents import Client
from cfevents.storage import Archive
from cfevents.testing import Simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    async with Client(**simulator.client_options) as opened:
        yield opened


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with Archive(tmp_path / "events.db") as opened:
        yield opened
