"""How long callers wait for outcomes, which is less once their process has been told to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta


class Waits:
    """The waits of one process. What is waited for goes on by itself: only the waiting ends."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._most: timedelta | None = None

    @asynccontextmanager
    async def within(self, wait: timedelta) -> AsyncIterator[None]:
        """Wait for no longer than this.

        Raises:
            TimeoutError: it took longer.
        """
        most = wait if self._most is None else min(wait, self._most)
        async with asyncio.timeout(most.total_seconds()) as timeout:
            self._open.add(timeout)
            try:
                yield
            finally:
                self._open.discard(timeout)

    def shorten(self, most: timedelta) -> None:
        """Have every wait, also those under way, end soon."""
        self._most = most
        end = asyncio.get_running_loop().time() + most.total_seconds()
        for timeout in self._open:
            when = timeout.when()
            if when is None or end < when:
                timeout.reschedule(end)
