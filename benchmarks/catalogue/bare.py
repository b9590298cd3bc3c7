"""`python -m benchmarks.catalogue.bare`: FastAPI and asyncpg, and nothing else, with the same bytes to return.

Each request names a statement and its values that the product has run before; what is left is to run it as a prepared
statement and to put commas between the rows.
"""

import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI, Response


@dataclass(frozen=True, slots=True)
class Recorded:
    """One read as PostgreSQL was asked for it; `page` tells a list from a single product."""

    statement: str
    values: tuple[Any, ...]
    page: bool
    cursor: str


_PLAN_ONCE = {"plan_cache_mode": "force_generic_plan"}
"""As the product does (`db/reads.py`)."""


async def _keep_session(_: object) -> None:
    """Leave the session as it is: the usual reset would be a round trip more."""


def app(database_url: str, recorded: dict[str, list[Recorded]]) -> FastAPI:
    """Make the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            database_url, min_size=10, max_size=10, reset=_keep_session, server_settings=_PLAN_ONCE
        ) as pool:
            app.state.pool = pool
            yield

    bare = FastAPI(lifespan=lifespan)

    @bare.get("/{read}/{number}")
    async def answer(read: str, number: int) -> Response:
        one = recorded[read][number]
        async with bare.state.pool.acquire() as connection:
            rows = await connection.fetch(one.statement, *one.values)
        documents = [row["document"] for row in rows]
        body = f'{{"items":[{",".join(documents[:20])}],"next_cursor":{one.cursor}}}' if one.page else documents[0]
        return Response(body, media_type="application/json")

    return bare


if __name__ == "__main__":
    port, url, file = sys.argv[1:]
    kept = pickle.loads(Path(file).read_bytes())
    uvicorn.run(app(url, kept), port=int(port), access_log=False, log_level="warning")
