"""Bringing lists after the categories that were moved."""

from temporalio import activity

from activities.heartbeats import heartbeats
from contracts.moved_categories import RELIST_MOVED
from db import moved_categories
from db.engine import Sessions

_AT_ONCE = 500


class MovedCategoryChores:
    """Implements the chore on PostgreSQL, a bounded number of products a transaction: no editor waits for long."""

    def __init__(self, sessions: Sessions, at_once: int = _AT_ONCE) -> None:
        self._sessions = sessions
        self._at_once = at_once

    @activity.defn(name=RELIST_MOVED)
    async def relist(self) -> int:
        """List all products of moved categories where these are now, and return how many were looked at."""
        done = 0
        async with heartbeats():
            while (relisted := await self._relist()) is not None:
                done += relisted
        return done

    async def _relist(self) -> int | None:
        async with self._sessions.begin() as session:
            return await moved_categories.relist(session, most=self._at_once)
