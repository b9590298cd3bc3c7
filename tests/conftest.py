"""Fixtures that every kind of test shares: real servers, started once a run and only when asked for."""

import os
from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresForTests, running_postgres

# For the tests and for the programs that they start: a secret, passwords that cost nothing, no limit in the way.
os.environ.setdefault("EVERORDER_SECRET", "a-secret-that-only-the-tests-know")
os.environ.setdefault("EVERORDER_PASSWORD_MEMORY_KIB", "8")
os.environ.setdefault("EVERORDER_PASSWORD_PASSES", "1")
os.environ.setdefault("EVERORDER_LOGIN_TRIES_ADDRESS", "1000000")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    with running_postgres() as server:
        yield server
