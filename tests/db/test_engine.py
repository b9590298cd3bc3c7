"""Connections to a server that comes and goes."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine, create_sessions
from tests.support.postgres import PostgresForTests

CONNECTIONS = 3


@pytest.fixture
async def engine(postgres: PostgresForTests) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres.migrated(), pool_size=CONNECTIONS)
    yield engine
    await engine.dispose()


async def backends(engine: AsyncEngine) -> set[int]:
    """Use every connection of the pool at once, and tell which processes of the server serve them."""
    sessions = create_sessions(engine)
    together = asyncio.Barrier(CONNECTIONS)

    async def backend() -> int:
        async with sessions.begin() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            await together.wait()
            return int(str(pid))

    return set(await asyncio.gather(*(backend() for _ in range(CONNECTIONS))))


async def terminate(engine: AsyncEngine, pids: set[int]) -> None:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        for pid in pids:
            assert await connection.fetchval("SELECT pg_terminate_backend($1, 5000)", pid) is True
    finally:
        await connection.close()


async def test_connections_that_the_server_has_closed_are_replaced_before_they_are_used(engine: AsyncEngine) -> None:
    before = await backends(engine)
    await terminate(engine, before)

    after = await backends(engine)

    assert len(before) == len(after) == CONNECTIONS
    assert before & after == set()


async def test_open_connections_are_used_again(engine: AsyncEngine) -> None:
    assert await backends(engine) == await backends(engine)
