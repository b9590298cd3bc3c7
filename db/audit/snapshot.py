"""One look at the whole database: every query of an audit sees the same moment, and can change nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Sessions

_MEMORY = text("SET LOCAL work_mem = '64MB'")
_ISOLATION = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@asynccontextmanager
async def snapshot(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Open one REPEATABLE READ, READ ONLY transaction."""
    async with sessions() as session:
        await session.connection(execution_options=_ISOLATION)
        await session.execute(_MEMORY)
        yield session
