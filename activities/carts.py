"""Ending carts that nobody came back to."""

from datetime import timedelta

from temporalio import activity

from activities.heartbeats import heartbeats
from contracts.carts import EXPIRE_CARTS
from db import idle_carts
from db.engine import Sessions, single_statements

_AT_ONCE = 1_000


class CartChores:
    """Implements the chore on PostgreSQL, a bounded number of carts a statement: no lock is held for long.

    `kept` is how long an open cart may lie untouched.
    """

    def __init__(self, sessions: Sessions, *, kept: timedelta, at_once: int = _AT_ONCE) -> None:
        self._statements = single_statements(sessions)
        self._kept = kept
        self._at_once = at_once

    @activity.defn(name=EXPIRE_CARTS)
    async def expire(self) -> int:
        """End every cart that was left, and return how many they were. One in checkout, or an order, is left alone."""
        expired = 0
        async with heartbeats():
            while ended := await self._expire():
                expired += ended
        return expired

    async def _expire(self) -> int:
        async with self._statements() as session:
            return await idle_carts.expire(session, kept=self._kept, most=self._at_once)
