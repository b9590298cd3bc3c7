"""How long a replay tries again while the shop's processes come and go."""

import asyncio
from time import monotonic

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


class OutOfPatienceError(Exception):
    """Nothing went on for too long."""


class Patience:
    """Pauses that grow, until nothing went on for `limit` seconds. Whatever goes on renews it."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.renew()

    def renew(self) -> None:
        """Begin anew: something went on."""
        self._since = monotonic()
        self._pause = _FIRST_PAUSE

    async def wait(self, asked: float | None = None) -> None:
        """Pause, for as long as the server asked where it did, within bounds.

        Raises:
            OutOfPatienceError: it has been too long.
        """
        if monotonic() - self._since > self.limit:
            raise OutOfPatienceError
        await asyncio.sleep(self._pause if asked is None else min(max(asked, _FIRST_PAUSE), _LONGEST_PAUSE))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
