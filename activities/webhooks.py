"""Chores of what payment providers have reported: nothing is left lying, and nothing is kept for ever."""

from datetime import timedelta

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import EventDesk
from contracts.webhooks import FORGET_EVENTS, SWEEP_EVENTS
from db import webhooks
from db.engine import Sessions
from models.webhooks import WebhookState

GRACE = timedelta(minutes=1)
"""How long the process that received an event may take to hand it over."""

PATIENCE = timedelta(days=7)
"""How long an event may wait for its order to become known. Its payment is reconciled all the while."""

RETENTION = timedelta(days=90)
"""How long a handled event is kept: longer than a provider sends one again."""

_AT_ONCE = 100
_FORGOTTEN_AT_ONCE = 5_000


class WebhookChores:
    """Implements the chores on PostgreSQL, with a desk that hands events over."""

    def __init__(self, sessions: Sessions, desk: EventDesk, grace: timedelta = GRACE) -> None:
        self._sessions = sessions
        self._desk = desk
        self._grace = grace

    @activity.defn(name=SWEEP_EVENTS)
    async def sweep(self) -> int:
        """Hand over what was left, and return how many events reached their order.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the next round goes on.
        """
        delivered = 0
        async with heartbeats():
            while events := await self._left():
                for event in events:
                    delivered += await self._desk.hand_over(event) is WebhookState.DELIVERED
            async with self._sessions.begin() as session:
                await webhooks.give_up(session, patience=PATIENCE)
        return delivered

    @activity.defn(name=FORGET_EVENTS)
    async def forget(self) -> int:
        """Delete events that were handled long ago, a few at a time, and return how many they were."""
        forgotten = 0
        async with heartbeats():
            while deleted := await self._forget():
                forgotten += deleted
        return forgotten

    async def _left(self) -> list[webhooks.StoredEvent]:
        async with self._sessions.begin() as session:
            return list(await webhooks.left(session, grace=self._grace, limit=_AT_ONCE))

    async def _forget(self) -> int:
        async with self._sessions.begin() as session:
            return await webhooks.forget(session, retention=RETENTION, limit=_FORGOTTEN_AT_ONCE)
