"""A real PostgreSQL and a real rsyslog for the tests that need them; `nox -s sinks` has them."""

from collections.abc import Iterator

import pytest
from support import postgres as support
from support import rsyslog as rsyslog_support
from support.postgres import Cluster
from support.rsyslog import RSyslog


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A server, or no test where none is to be used."""
    if not support.PROGRAMS:
        pytest.skip("'nox -s sinks' runs it")
    with support.cluster() as server:
        yield server


@pytest.fixture
def rsyslog() -> Iterator[RSyslog]:
    """A server, or no test where none is to be used."""
    if not rsyslog_support.PROGRAM:
        pytest.skip("'nox -s sinks' runs it")
    with rsyslog_support.rsyslog() as server:
        yield server
