"""The recorded statements of orders again, for new orders, through asyncpg's prepared statements and nothing else."""

import itertools
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from benchmarks.driving import Turn
from benchmarks.rehearsal import Script, Transaction

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Renaming:
    """Gives every id of a recorded order a new one, so that its statements become those of another order."""

    def __init__(self) -> None:
        self._new: defaultdict[str, UUID] = defaultdict(uuid4)

    def apply(self, value: Any) -> Any:
        """Return a value with its ids exchanged."""
        if isinstance(value, str):
            return _ID.sub(lambda found: str(self._new[found[0]]), value)
        if isinstance(value, list | tuple):
            return [self.apply(part) for part in value]
        if hasattr(value, "hex") and hasattr(value, "int"):  # one of several classes of UUIDs
            return self._new[str(value)]
        return value


@asynccontextmanager
async def bare_sql(database_url: str, scripts: Iterable[Script], connections: int) -> AsyncIterator[Turn]:
    """Open a pool, and return what runs the statements of one more order."""
    upcoming = itertools.cycle(list(scripts))
    # The usual reset would be a round trip after every transaction that an order does not make.
    async with asyncpg.create_pool(
        database_url, min_size=connections, max_size=connections, reset=_keep_session
    ) as pool:

        async def turn() -> None:
            renaming = Renaming()
            for transaction in next(upcoming):
                async with pool.acquire() as connection:
                    await _run(connection, transaction, renaming)

        yield turn


async def _run(connection: Any, transaction: Transaction, renaming: Renaming) -> None:
    isolation = {"isolation": "repeatable_read", "readonly": True} if transaction.reads_only else {}
    async with nullcontext() if transaction.bare else connection.transaction(**isolation):
        for sql, values in transaction.statements:
            await connection.fetch(sql, *map(renaming.apply, values))


async def _keep_session(_: Any) -> None:
    """Leave the session as it is."""
