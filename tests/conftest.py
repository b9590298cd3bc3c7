"""Fixtures that every kind of test shares: real servers, started once a run and only when asked for."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresForTests, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    with running_postgres() as server:
        yield server
