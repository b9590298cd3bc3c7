"""Noting which products are sold out."""

from temporalio import activity

from activities.heartbeats import heartbeats
from contracts.availability import NOTE_SOLD_OUT
from db import availability
from db.engine import Sessions, single_statements

_AT_ONCE = 5_000


class AvailabilityChores:
    """Implements the chore on PostgreSQL, a bounded number of rows a statement: no lock is held for long."""

    def __init__(self, sessions: Sessions, at_once: int = _AT_ONCE) -> None:
        self._statements = single_statements(sessions)
        self._at_once = at_once

    @activity.defn(name=NOTE_SOLD_OUT)
    async def note(self) -> int:
        """Note every product that is sold out, or is not any more, and return how many they were."""
        noted = 0
        async with heartbeats():
            while found := await self._note():  # a last look finds what came in while the one before it was written
                noted += found
        return noted

    async def _note(self) -> int:
        async with self._statements() as session:
            return await availability.note(session, most=self._at_once)
