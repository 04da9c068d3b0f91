"""A real PostgreSQL for the tests that need one; `nox -s sinks` has it."""

from collections.abc import Iterator

import pytest
from support import postgres as support
from support.postgres import Cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A server, or no test where none is to be used."""
    if not support.PROGRAMS:
        pytest.skip("'nox -s sinks' runs it")
    with support.cluster() as server:
        yield server
