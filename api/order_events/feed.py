"""One look a second at all orders that somebody follows in this process, however many do.

Nobody who follows an order holds a connection to PostgreSQL. Who is new is told at once what has happened so far, by a
look that those share who come at the same time; after that nobody causes a statement of their own. A connection that
listens (`LISTEN`) would tell a second sooner, but every writer of an event would queue for the lock that `NOTIFY` takes
while it commits, and a pooler in between would lose what was told.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from time import monotonic
from uuid import UUID

import structlog

from db import order_events
from db.engine import UNAVAILABLE, Sessions
from db.order_events import PlacedEvent
from domain.errors import RateLimitedError, TemporarilyUnavailableError

log = structlog.get_logger(__name__)

INTERVAL = 1.0
"""Seconds between two looks for everybody: how late an event may be told."""
_LEAST = 0.05
"""Seconds from one look to the next where somebody new does not want to wait: many new ones are served together."""
_PATIENCE = 5.0
_MOST_OF_A_CALLER = 50
"""Streams that one caller may have open in a process: an address may be shared by a whole office."""
_RETRY_AFTER = 5


class Watch:
    """Somebody who follows an order. One who is slow is handed nothing more until they have taken what they have."""

    def __init__(self, order_id: UUID, position: int) -> None:
        self.order_id = order_id
        self.position = position
        self.over = False
        """Nothing more will be told here: the process is about to stop."""
        self._batch: Sequence[PlacedEvent] = ()
        self._woken = asyncio.Event()

    @property
    def waits(self) -> bool:
        """Whether everything that was handed over has been taken."""
        return not self._batch

    def hand(self, events: Sequence[PlacedEvent]) -> None:
        """Hand over what has happened since."""
        if events:
            self._batch = events
            self._woken.set()

    def end(self) -> None:
        """Tell that nothing follows."""
        self.over = True
        self._woken.set()

    async def take(self, seconds: float) -> Sequence[PlacedEvent]:
        """Wait for events for so long, and take them; none where nothing has happened, or nothing follows."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        taken, self._batch = self._batch, ()
        if taken:
            self.position = taken[-1].id
        if not self.over:
            self._woken.clear()
        return taken


class OrderFeed:
    """Tells those who follow orders what happens to them. It looks only while there is somebody."""

    def __init__(self, statements: Sessions, most: int) -> None:
        self._statements = statements
        self._most = most
        self._watches: set[Watch] = set()
        self._new: set[Watch] = set()
        """Those of them for whom nobody has looked yet."""
        self._callers: Counter[str] = Counter()
        self._asked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._draining = False
        self._away = False

    def __len__(self) -> int:
        """Count who is here."""
        return len(self._watches)

    @asynccontextmanager
    async def watching(self, order_id: UUID, position: int, caller: str | None) -> AsyncIterator[Watch]:
        """Follow an order from a place in its story on. `caller` is who is counted; None: nobody counts them.

        Raises:
            TemporarilyUnavailableError: this process has as many as it can have, or is about to stop.
            RateLimitedError: the caller has.
        """
        self._admit(caller)
        watch = Watch(order_id, position)
        self._watches.add(watch)
        self._new.add(watch)
        self._count(caller, 1)
        self._look_soon()
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            self._new.discard(watch)
            self._count(caller, -1)
            if not self._watches:
                self._asked.set()

    def drain(self) -> None:
        """Send everybody away; they come back elsewhere, and miss nothing."""
        self._draining = True
        for watch in self._watches:
            watch.end()

    async def aclose(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def _admit(self, caller: str | None) -> None:
        if self._draining or len(self._watches) >= self._most:
            raise TemporarilyUnavailableError("Too many follow orders here; the order itself can be asked for.")
        if caller is not None and self._callers[caller] >= _MOST_OF_A_CALLER:
            raise RateLimitedError("Too many streams are open; close one first.", _RETRY_AFTER)

    def _count(self, caller: str | None, more: int) -> None:
        if caller is not None:
            self._callers[caller] += more
            if not self._callers[caller]:
                del self._callers[caller]

    def _look_soon(self) -> None:
        self._asked.set()
        if self._looking is None or self._looking.done():
            # Its logs bear the id of no request: it works for all of them.
            self._looking = asyncio.create_task(self._look(), context=Context())

    async def _look(self) -> None:
        """Look for everybody once in each `INTERVAL`, and in between for who is new."""
        due = monotonic()
        while self._watches:
            self._asked.clear()
            new, self._new = self._new, set()
            if monotonic() < due:
                await self._hand_out(list(new))
            else:
                await self._hand_out([watch for watch in self._watches if watch.waits])
                due = monotonic() + INTERVAL
            await asyncio.sleep(_LEAST)
            with suppress(TimeoutError):
                async with asyncio.timeout(due - monotonic()):
                    await self._asked.wait()

    async def _hand_out(self, watches: Sequence[Watch]) -> None:
        positions: dict[UUID, int] = {}
        for watch in watches:
            positions[watch.order_id] = min(watch.position, positions.get(watch.order_id, watch.position))
        events = await self._happened(positions) if positions else ()
        told: dict[UUID, list[PlacedEvent]] = {}
        for event in events:
            told.setdefault(event.order_id, []).append(event)
        for watch in watches:
            watch.hand([event for event in told.get(watch.order_id, ()) if event.id > watch.position])

    async def _happened(self, positions: dict[UUID, int]) -> Sequence[PlacedEvent]:
        """Ask PostgreSQL; nothing happens while it is away, and whoever follows waits."""
        try:
            async with asyncio.timeout(_PATIENCE), self._statements() as session:
                events = await order_events.after(session, positions)
        except UNAVAILABLE as error:  # a time-out is an OSError
            if not self._away:
                log.warning("order_events_unavailable", error=type(error).__name__)
            self._away = True
            return ()
        self._away = False
        return events
