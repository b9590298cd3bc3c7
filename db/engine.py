"""Connections to PostgreSQL."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a statement fails with where PostgreSQL is away, or was until a moment ago."""

Sessions = async_sessionmaker[AsyncSession]
"""Opens transactions: `async with sessions.begin() as session`."""


def async_url(database_url: str) -> URL:
    """Point a plain `postgresql://` address at the asyncpg driver."""
    return make_url(database_url).set(drivername="postgresql+asyncpg")


def create_engine(
    database_url: str,
    *,
    pool_size: int = 10,
    application: str = "everorder",
    patient: bool = False,
    lock_timeout: str = "0",
) -> AsyncEngine:
    """Create an engine whose connections are checked before use, so that a restarted server is not an error.

    The check asks the driver, which knows by itself that a connection was closed, and costs no round trip. A statement
    may take 30 s (for ever where one is `patient`), an idle transaction 60 s, and a lock is waited for as long as
    `lock_timeout` says (0: for ever): nothing holds a lock for ever when a process hangs.
    """
    server: Mapping[str, str] = {
        "application_name": application,
        "statement_timeout": "0" if patient else "30s",
        "idle_in_transaction_session_timeout": "60s",
        "lock_timeout": lock_timeout,
        "jit": "off",
    }
    arguments: dict[str, Any] = {"server_settings": server, "timeout": 5, "command_timeout": None if patient else 35}
    engine = create_async_engine(
        async_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args=arguments,
    )
    event.listen(engine.sync_engine, "checkout", _require_open)
    return engine


def _require_open(connection: Any, *_: object) -> None:
    """Have the pool open another connection in the place of one that the server has closed."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Create the opener of transactions for an engine."""
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)


def single_statements(sessions: Sessions) -> Sessions:
    """Open the same database without BEGIN and COMMIT: each statement is a transaction, committed when it is answered.

    It saves two of three round trips where one statement does it all; whatever takes two belongs into `sessions`.
    """
    engine: AsyncEngine = sessions.kw["bind"]
    return create_sessions(engine.execution_options(isolation_level="AUTOCOMMIT"))
