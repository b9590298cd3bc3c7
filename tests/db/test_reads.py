"""Reads that are one statement: what becomes of their connections."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.reads import Reads
from tests.support.postgres import PostgresForTests

MOST = 2
BACKEND = text("SELECT pg_backend_pid(), :number")
SLOW = text("SELECT pg_backend_pid(), pg_sleep(:seconds)")
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)"


@pytest.fixture
async def engine(postgres: PostgresForTests) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres.migrated(), pool_size=1)
    yield engine
    await engine.dispose()


@pytest.fixture
def reads(engine: AsyncEngine) -> Reads:
    return Reads(engine, MOST)


@pytest.fixture
async def observer(postgres: PostgresForTests) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(postgres.migrated())
    yield connection
    await connection.close()


async def backend(reads: Reads, number: int = 1) -> int:
    [[pid, answered]] = await reads.fetch(BACKEND, {"number": str(number)})
    assert answered == str(number)
    return int(pid)


async def test_reads_one_after_the_other_share_a_connection_and_leave_the_pool_alone(
    engine: AsyncEngine, reads: Reads
) -> None:
    async with engine.connect():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reads.fetch(BACKEND, {"number": "1"})
    first = await backend(reads)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT pg_backend_pid()")) != first
        assert {await backend(reads) for _ in range(5)} == {first}


async def test_more_reads_at_once_than_connections_wait_for_each_other(reads: Reads) -> None:
    pids = await asyncio.gather(*(backend(reads, number) for number in range(50)))
    assert len(set(pids)) == MOST


async def test_a_read_that_nobody_waits_for_any_more_leaves_no_answer_to_the_next(reads: Reads) -> None:
    first = await backend(reads)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reads.fetch(SLOW, {"seconds": 5.0})
    assert await asyncio.wait_for(backend(reads, 2), 3) != first


async def test_a_connection_that_the_server_has_closed_is_replaced_before_it_is_used(
    reads: Reads, observer: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before = await backend(reads)
    assert await observer.fetchval("SELECT pg_terminate_backend($1, 5000)", before) is True
    await asyncio.sleep(0.05)  # the news has to arrive: pg_terminate_backend waits for the end of the process alone
    assert await backend(reads) != before


async def test_disposing_of_the_engine_closes_every_connection(
    engine: AsyncEngine, reads: Reads, observer: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    pids = set(await asyncio.gather(*(backend(reads, number) for number in range(MOST))))
    assert await observer.fetchval(OPEN, pids) == MOST
    await engine.dispose()
    async with asyncio.timeout(5):
        while await observer.fetchval(OPEN, pids):  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.01)
