"""Reads that are one statement: straight on the driver, without a transaction and what a session and its pool cost."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, TextClause, event
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util import await_only

_DIALECT: Dialect = asyncpg.dialect()  # type: ignore[no-untyped-call] # it has no types

_FAREWELL = 2.0
"""Seconds that a server has to hear that a connection is over."""

_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"
"""To plan a list for its values takes as long as to read it, and the plan is no better: what each reads is bounded by
its statement, whatever the values are (`tests/proof/test_catalogue_pages.py` holds both plans to that)."""


class Reads:
    """Runs statements on connections of its own. Each sees the database as it is when it begins, and takes no lock.

    A page of products is read hundreds of times a second: a session would cost more than PostgreSQL does. Connections
    are an engine's, taken out of its pool for good, at most `most` of them, and closed when it is disposed of.
    """

    def __init__(self, engine: AsyncEngine, most: int) -> None:
        self.most = most
        self.wanted = 0
        """Statements that are being run, and those that wait for a connection."""
        self._engine = engine
        self._turns = asyncio.Semaphore(most)
        self._idle: list[Any] = []
        event.listen(engine.sync_engine, "engine_disposed", self._close)

    async def fetch(self, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement."""
        sql, names = _compiled(statement)
        self.wanted += 1
        try:
            async with self._turns:
                return await self._fetch(sql, [values[name] for name in names])
        finally:
            self.wanted -= 1

    async def _fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        driver = await self._connection()
        try:
            rows: Sequence[Sequence[Any]] = await driver.fetch(sql, *values)
        except BaseException:
            driver.terminate()  # it may be in the middle of an answer that nobody waits for any more
            raise
        self._idle.append(driver)
        return rows

    async def _connection(self) -> Any:
        """Return the connection that was used last; one that the server has closed is forgotten."""
        while self._idle:
            driver = self._idle.pop()
            if not driver.is_closed():
                return driver
        taken = await self._engine.raw_connection()
        fresh: Any = taken.driver_connection
        taken.detach()
        try:
            await fresh.execute(_PLAN_ONCE)
        except BaseException:
            fresh.terminate()
            raise
        return fresh

    def _close(self, _engine: object) -> None:
        while self._idle:
            with suppress(TimeoutError, OSError):  # it is aborted then
                await_only(self._idle.pop().close(timeout=_FAREWELL))


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
