"""What a request has caused and a workflow has to finish: begun after the commit, and beside the answer.

Temporal may be away or slow: the answer neither fails nor waits for it, and a sweep begins what was not begun.
"""

import asyncio
from typing import Protocol
from uuid import UUID

import structlog

from domain.errors import TemporarilyUnavailableError

log = structlog.get_logger(__name__)

_MOST = 100


class Begins(Protocol):
    """Begins the workflow of a row, as `clients.messages` and `clients.erasures` do."""

    async def begin(self, id_: UUID, /) -> None:
        """Begin it; nothing happens where it runs.

        Raises:
            TemporarilyUnavailableError: not now.
        """
        ...


class Post:
    """Begins workflows in the background of a process, so many at once; what is too much is left to the sweeps."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, client: Begins, id_: UUID) -> None:
        """Begin the workflow of a row that is committed, without waiting for it."""
        if len(self._under_way) < _MOST:
            task = asyncio.create_task(self._begin(client, id_))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait until everything was begun or given up: a call to Temporal takes seconds at most."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _begin(self, client: Begins, id_: UUID) -> None:
        try:
            await client.begin(id_)
        except TemporarilyUnavailableError:
            log.info("left_to_the_sweep", id=str(id_))


class Outbox:
    """What one request wants to be begun once it is committed."""

    def __init__(self, messages: Begins | None, erasures: Begins | None) -> None:
        self._messages = messages
        self._erasures = erasures
        self._due: list[tuple[Begins, UUID]] = []

    def post(self, notification_id: UUID | None) -> None:
        """Have a message about an account delivered; None is one that there was no need to queue."""
        if notification_id is not None and self._messages is not None:
            self._due.append((self._messages, notification_id))

    def begin(self, client: Begins, id_: UUID) -> None:
        """Have something begun that nobody would miss."""
        self._due.append((client, id_))

    def erase(self, user_id: UUID) -> None:
        """Have an account erased."""
        if self._erasures is not None:
            self._due.append((self._erasures, user_id))

    def hand_to(self, post: Post) -> None:
        """Begin it all; the request is committed."""
        for client, id_ in self._due:
            post.send(client, id_)
