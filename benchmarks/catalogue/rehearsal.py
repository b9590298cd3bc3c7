"""Every request once, in this process, with the statement that answers it written down for the bare handler."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from asyncpg.connection import LoggedQuery
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app, open_resources
from api.deps import Resources
from benchmarks.catalogue.bare import Recorded
from benchmarks.catalogue.questions import Questions, Read, questions, sample
from benchmarks.errors import BenchError
from db.engine import create_engine, create_sessions
from settings import Settings


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The requests, and what the bare handler has to know to answer them, by the name of the kind of read."""

    questions: Questions
    recorded: dict[str, list[Recorded]]


class _Ear:
    """Remembers the last statement and its values."""

    statement = ""
    values: tuple[Any, ...] = ()

    def listen(self, engine: AsyncEngine) -> None:
        event.listen(engine.sync_engine, "connect", self._connected)

    def _connected(self, connection: Any, _record: object) -> None:
        connection.driver_connection.add_query_logger(self._heard)

    def _heard(self, query: LoggedQuery) -> None:
        self.statement, self.values = query.query, tuple(query.args)


async def rehearse(database_url: str, secret: str) -> Rehearsed:
    """Ask for everything once.

    Raises:
        BenchError: a request is not answered with success.
    """
    engine = create_engine(database_url)
    async with create_sessions(engine)() as session:
        asked = questions(await sample(session))
    await engine.dispose()
    async with _client(Settings(DATABASE_URL=database_url, secret=secret, log_level="WARNING")) as (client, ear):
        return Rehearsed(
            asked, {read.name: [await _recorded(client, ear, read, path) for path in asked[read]] for read in Read}
        )


async def _recorded(client: httpx2.AsyncClient, ear: _Ear, read: Read, path: str) -> Recorded:
    answer = await client.get(path)
    await asyncio.sleep(0)  # the driver tells of a statement after it has answered
    if answer.status_code != 200:
        raise BenchError(f"{path} was answered with {answer.status_code}")
    page = read is not Read.DETAIL
    cursor = json.dumps(answer.json()["next_cursor"]) if page else ""
    return Recorded(ear.statement, ear.values, page, cursor)


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[tuple[httpx2.AsyncClient, _Ear]]:
    ear = _Ear()

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        async with open_resources(settings) as resources:
            ear.listen(resources.engine)
            yield resources

    app = create_app(settings.model_copy(update={"rate_limit_scale": 0}), services="catalog", opens=opens)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bench") as client:
            yield client, ear
