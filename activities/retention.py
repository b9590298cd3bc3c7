"""Forgetting people whom nothing keeps any more."""

from datetime import timedelta
from uuid import UUID

from temporalio import activity

from activities.heartbeats import heartbeats
from contracts.erasures import FORGET_CARTS
from db import erasures
from db.engine import Sessions

_BATCH = 1_000
_FIRST = UUID(int=0)


class Retention:
    """Takes people out of what came to nothing. `carts` is how long a guest's cart may lie untouched."""

    def __init__(self, sessions: Sessions, *, carts: timedelta) -> None:
        self._sessions = sessions
        self._carts = carts

    @activity.defn(name=FORGET_CARTS)
    async def forget_carts(self) -> int:
        """Go through all carts, a batch a transaction; return how many were abandoned."""
        forgotten, after = 0, _FIRST
        async with heartbeats():
            while True:
                async with self._sessions.begin() as session:
                    last, count = await erasures.forget_abandoned(session, after=after, most=_BATCH, kept=self._carts)
                forgotten += count
                if last is None:
                    return forgotten
                after = last
