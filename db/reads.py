"""Reads that are one statement: straight on the driver, without a transaction and what a session costs."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, TextClause
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

_DIALECT: Dialect = asyncpg.dialect()  # type: ignore[no-untyped-call] # it has no types


class Reads:
    """Runs statements on connections of an engine. Each sees the database as it is when it begins, and takes no lock.

    A page of products is read hundreds of times a second: a session would cost more than PostgreSQL does.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def fetch(self, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement."""
        sql, names = _compiled(statement)
        connection = await self._engine.raw_connection()
        try:
            driver: Any = connection.driver_connection
            rows: Sequence[Sequence[Any]] = await driver.fetch(sql, *(values[name] for name in names))
        except BaseException:
            connection.invalidate()  # it may be in the middle of an answer that nobody waits for any more
            raise
        finally:
            connection.close()
        return rows


Reader = AsyncSession | Reads
"""Whatever a statement can be run on: within a transaction, or by itself."""


async def fetch(reader: Reader, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """Return the rows of a statement."""
    if isinstance(reader, Reads):
        return await reader.fetch(statement, values)
    return (await reader.execute(statement, values)).all()


@lru_cache(maxsize=512)
def _compiled(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    compiled = statement.compile(dialect=_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())
