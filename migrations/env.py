"""Run migrations over asyncpg, one process at a time, each in a transaction of its own."""

import asyncio
import time

from alembic import context
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import models  # noqa: F401 - importing the package is what fills the metadata
from db.engine import create_engine

_MIGRATION_LOCK = 7_216_540_813
_LOOK_AGAIN = 0.2
_LONGEST_WAIT = "800ms"
"""For a lock of a table: whoever wants to read it waits meanwhile, too. `db.migrations` tries again.

It is what a session begins with, so that it holds again after a migration that has waited longer and then `RESET` it.
"""


def _run(connection: Connection) -> None:
    _take_turns(connection)
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _take_turns(connection: Connection) -> None:
    """Wait until nobody else migrates, in no statement: an index that is made `CONCURRENTLY` waits for all of them."""
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _MIGRATION_LOCK}):
        connection.rollback()
        time.sleep(_LOOK_AGAIN)
    connection.commit()


async def _connect_and_run() -> None:
    engine = create_engine(
        context.config.attributes["database_url"],
        pool_size=1,
        application="everorder-migrate",
        patient=True,
        lock_timeout=_LONGEST_WAIT,
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()  # whatever went wrong: the session holds the lock of all migrations


asyncio.run(_connect_and_run())
