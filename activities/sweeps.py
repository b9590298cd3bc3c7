"""Chores that find what was written down and not begun: the process died after its commit, or Temporal was away.

Beginning what is under way changes nothing, so every row that is due is begun again.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import Begins
from contracts.erasures import SWEEP_ERASURES
from contracts.messages import SWEEP_MESSAGES
from db import erasures, messages
from db.engine import Sessions

_BATCH = 200

Due = Callable[[AsyncSession, int], Awaitable[Sequence[UUID]]]
LookedAt = Callable[[AsyncSession, Sequence[UUID]], Awaitable[None]]


class Sweeps:
    """Begins the workflows of rows that have none."""

    def __init__(self, sessions: Sessions, messages: Begins, erasures: Begins) -> None:
        self._sessions = sessions
        self._messages = messages
        self._erasures = erasures

    @activity.defn(name=SWEEP_MESSAGES)
    async def messages(self) -> int:
        """Begin to deliver the messages without an order that nobody delivers; return how many were due.

        What could not be delivered within days is dropped: its link opens nothing any more, and its news is old.
        """
        async with heartbeats():
            async with self._sessions.begin() as session:
                await messages.drop_late(session)
            return await self._begin(messages.due, messages.looked_at, self._messages)

    @activity.defn(name=SWEEP_ERASURES)
    async def erasures(self) -> int:
        """Begin to erase the accounts that were closed and that nobody erases; return how many were due."""
        async with heartbeats():
            return await self._begin(erasures.due, erasures.looked_at, self._erasures)

    async def _begin(self, due: Due, looked_at: LookedAt, client: Begins) -> int:
        """Begin what is due, a batch at a time; a batch is noted only after all of it was begun."""
        begun = 0
        while True:
            async with self._sessions.begin() as session:
                ids = await due(session, _BATCH)
            for id_ in ids:
                await client.begin(id_)
            async with self._sessions.begin() as session:
                await looked_at(session, ids)
            begun += len(ids)
            if len(ids) < _BATCH:
                return begun
