"""Forgetting the keys of requests once their day is over."""

from temporalio import activity

from activities.heartbeats import heartbeats
from contracts.idempotency import EXPIRE_KEYS
from db import idempotency
from db.engine import Sessions, single_statements

_AT_ONCE = 5_000


class IdempotencyChores:
    """Implements the chore on PostgreSQL, a bounded number of rows a statement: no lock is held for long."""

    def __init__(self, sessions: Sessions, at_once: int = _AT_ONCE) -> None:
        self._statements = single_statements(sessions)
        self._at_once = at_once

    @activity.defn(name=EXPIRE_KEYS)
    async def expire(self) -> int:
        """Delete every key whose day is over, and return how many they were."""
        expired = 0
        async with heartbeats():
            while deleted := await self._expire():
                expired += deleted
        return expired

    async def _expire(self) -> int:
        async with self._statements() as session:
            return await idempotency.expire(session, most=self._at_once)
