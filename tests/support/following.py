"""Whoever follows an order: one stream of server-sent events, or all of them over whatever happens to the API."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx2

from tests.support.shopper import unanswered

SOON = 10.0
_LONGER_THAN_SILENCE = 60.0
_PAUSE = 0.1


@dataclass(frozen=True)
class Told:
    """One server-sent event."""

    id: int | None
    event: str
    data: Any


class Reader:
    """Reads a stream as a browser does."""

    def __init__(self, answer: httpx2.Response, patience: float = SOON) -> None:
        self.answer = answer
        self.comments = 0
        self._patience = patience
        self._lines = answer.aiter_lines()

    async def next(self) -> Told:
        """Return the next event, however many comments come before it.

        Raises:
            EOFError: the stream has ended; what was not told to its end is dropped.
        """
        async with asyncio.timeout(self._patience):
            while True:
                fields = [line async for line in self._block()]
                values = dict(line.split(": ", 1) for line in fields if not line.startswith(":"))
                if "data" in values:
                    number = int(values["id"]) if "id" in values else None
                    return Told(number, values.get("event", "message"), json.loads(values["data"]))
                self.comments += len(fields) - len(values)

    async def _block(self) -> AsyncIterator[str]:
        async for line in self._lines:
            if not line:
                return
            yield line
        raise EOFError

    async def ends(self) -> bool:
        """Tell whether nothing more is sent."""
        async with asyncio.timeout(self._patience):
            try:
                while True:
                    [_ async for _ in self._block()]
            except EOFError:
                return True


class Heard(NamedTuple):
    """An entry of an order's timeline, as its stream tells it."""

    id: int
    type: str
    target: str


class Follower:
    """Follows an order until nothing is left to follow, and comes back with `Last-Event-ID` wherever a stream ends."""

    def __init__(
        self, client: httpx2.AsyncClient, order_id: str, headers: Mapping[str, str], dice: random.Random
    ) -> None:
        self.heard: list[Heard] = []
        self.over = False
        """The shop has said that there is nothing to come back for."""
        self._client = client
        self._path = f"/v1/orders/{order_id}/events"
        self._headers = dict(headers)
        self._dice = dice

    async def follow(self) -> None:
        """Follow it to its end. After every third event or so the connection is lost, as on a train.

        Raises:
            AssertionError: an answer is none that may come.
        """
        while not self.over:
            with suppress(httpx2.TransportError, EOFError, TimeoutError):
                await self._listen()
            await asyncio.sleep(_PAUSE)

    async def _listen(self) -> None:
        last = {"Last-Event-ID": str(self.heard[-1].id)} if self.heard else {}
        async with self._client.stream("GET", self._path, headers=self._headers | last) as answer:
            if unanswered(answer):
                return
            assert answer.status_code in {200, 204}, f"{self._path}: {answer.status_code} {await answer.aread()!r}"
            self.over = answer.status_code == 204
            reader = Reader(answer, _LONGER_THAN_SILENCE)
            while not self.over and (told := await reader.next()).id is not None:
                self.heard.append(Heard(told.id, told.data["type"], told.data["to"]))
                if not self._dice.randrange(3):
                    return
