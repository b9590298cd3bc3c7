"""Fixtures that every kind of test shares: real servers, started once a run and only when asked for."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import PostgresForTests, running_postgres

# For the tests and for the programs that they start: a secret, passwords that cost nothing, no limit in the way.
os.environ.setdefault("EVERORDER_SECRET", "a-secret-that-only-the-tests-know")
os.environ.setdefault("EVERORDER_PASSWORD_MEMORY_KIB", "8")
os.environ.setdefault("EVERORDER_PASSWORD_PASSES", "1")
os.environ.setdefault("EVERORDER_LOGIN_TRIES_ADDRESS", "1000000")

_TEMPORARY = "PYTEST_DEBUG_TEMPROOT"
_root = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of each run in a root of its own, which the processes that it starts share.

    The usual root belongs to all runs of one user, and each that begins closes it to others: for root, to PostgreSQL.
    """
    if _TEMPORARY not in os.environ:
        config.stash[_root] = Path(tempfile.mkdtemp(prefix="everorder-tests-"))
        os.environ[_TEMPORARY] = str(config.stash[_root])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave no files behind but those of a run that failed."""
    root = session.config.stash.get(_root, None)
    if root and exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres: PostgresForTests) -> str:
    """Migrate a database for the tests of one file, and return its address."""
    return postgres.migrated()
