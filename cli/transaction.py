"""One transaction of a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from cli.failures import database_told
from db.engine import create_engine, create_sessions
from settings import Settings

T = TypeVar("T")


def in_transaction(settings: Settings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Do one thing in a transaction, which is committed unless the work raises.

    Raises:
        CommandError: the database does not answer, or would not do it.
    """

    async def done() -> T:
        engine = create_engine(settings.database_url, pool_size=1, application="everorder-command")
        try:
            with database_told():
                async with create_sessions(engine).begin() as session:
                    return await work(session)
        finally:
            await engine.dispose()

    return asyncio.run(done())
