"""Run migrations over asyncpg, one process at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import models  # noqa: F401 - importing the package is what fills the metadata
from db.engine import create_engine

_MIGRATION_LOCK = 7_216_540_813


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_server_default=False)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        context.run_migrations()


async def _connect_and_run() -> None:
    engine = create_engine(context.config.attributes["database_url"], pool_size=1, application="everorder-migrate")
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_connect_and_run())
