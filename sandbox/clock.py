"""What happens by itself: reservations run out, and refunds that were pending end."""

import asyncio
import logging
from datetime import timedelta
from typing import Literal

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sandbox import captures, refunds
from sandbox.database import FAILURES
from sandbox.store import Store
from sandbox.webhooks import Courier

_log = logging.getLogger("sandbox")
_PAUSE = 0.5


class DelayOrder(BaseModel):
    """Ask for a delay in seconds: of the end of an `authorisation`, or of a `refund`."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["authorisation", "refund"]
    seconds: float = Field(ge=0, le=31_536_000)


class Clock:
    """Looks twice a second for what is due. Delays are kept in PostgreSQL, and hold for what begins afterwards."""

    def __init__(self, pool: asyncpg.Pool, store: Store, courier: Courier) -> None:
        self._pool = pool
        self._store = store
        self._courier = courier

    async def set(self, order: DelayOrder) -> None:
        """Change a delay."""
        await self._pool.execute(
            "UPDATE delays SET delay = $2 WHERE name = $1", order.name, timedelta(seconds=order.seconds)
        )

    async def run(self) -> None:
        """Let time take its course until cancelled."""
        while True:
            try:
                if await captures.expire(self._store) + await refunds.settle_due(self._store):
                    self._courier.wake()
            except FAILURES:
                _log.exception("the database failed")
            await asyncio.sleep(_PAUSE)
