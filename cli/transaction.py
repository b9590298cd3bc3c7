"""One transaction of a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cli.errors import CommandError
from db.engine import create_engine, create_sessions
from settings import Settings

T = TypeVar("T")


def in_transaction(settings: Settings, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Do one thing in a transaction, which is committed unless the work raises.

    Raises:
        CommandError: the database does not answer.
    """

    async def done() -> T:
        engine = create_engine(settings.database_url, pool_size=1, application="everorder-command")
        try:
            async with create_sessions(engine).begin() as session:
                return await work(session)
        except (DBAPIError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise CommandError(f"the database does not answer: {str(cause).partition(chr(10))[0]}") from None
        finally:
            await engine.dispose()

    return asyncio.run(done())
