"""Chores that forget what has ended: sessions, links, registrations that nobody confirmed, counts and keys."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.heartbeats import heartbeats
from contracts.accounts import EXPIRE_ACCOUNTS
from db import links, login_limits, sessions, signing_keys, users
from db.engine import Sessions

_BATCH = 1_000

Forget = Callable[[AsyncSession, int], Awaitable[int]]

_ENDED: tuple[Forget, ...] = (
    sessions.forget_ended,
    links.forget_ended,
    users.forget_unverified,
    login_limits.clean,
)


class AccountChores:
    """Deletes rows that say nothing any more, so many in a transaction."""

    def __init__(self, opens: Sessions) -> None:
        self._sessions = opens

    @activity.defn(name=EXPIRE_ACCOUNTS)
    async def expire(self) -> int:
        """Forget what has ended, and return how many rows that were."""
        async with heartbeats():
            forgotten = 0
            for forget in _ENDED:
                forgotten += await self._all(forget)
            async with self._sessions.begin() as session:
                return forgotten + await signing_keys.forget_ended(session)

    async def _all(self, forget: Forget) -> int:
        forgotten = 0
        while True:
            async with self._sessions.begin() as session:
                found = await forget(session, _BATCH)
            forgotten += found
            if found < _BATCH:
                return forgotten
