"""A shop that is open is brought from an older revision to the newest, and nobody in it waits for long."""

from pathlib import Path

import pytest

from benchmarks.migrating.clients import CLIENTS
from benchmarks.migrating.command import SINCE
from benchmarks.migrating.measuring import Measured, measure
from db import migrations

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

LONGEST_WAIT = 1.0


@pytest.fixture(scope="module")
async def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder: Path = tmp_path_factory.mktemp("migrating")
    return await measure(folder, 3_000, SINCE, quiet=1, tell=print, shared_buffers="128MB")


def test_nobody_waits_for_a_lock_for_longer_than_a_second(measured: Measured) -> None:
    assert measured.phases[-1].revision == migrations.head()
    for client in CLIENTS:
        assert sum(phase.times.get(client, 0) for phase in measured.phases[1:]) > 50
    assert max(phase.longest.get("lock", 0.0) for phase in measured.phases) < LONGEST_WAIT


def test_the_books_are_right_afterwards_and_nobody_was_thrown_out_of_a_deadlock(measured: Measured) -> None:
    assert (measured.broken, measured.deadlocks) == ({}, 0)
