"""Whether this process lives, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.audience import PUBLIC
from api.deps import Resources, ResourcesDep
from api.errors import ProblemError
from api.openapi import problems
from api.schemas.platform import Health, Readiness

router = APIRouter(tags=["platform"], dependencies=[PUBLIC])

_PATIENCE = 2.0


@router.get("/healthz", responses=problems())
async def healthz() -> Health:
    """Tell that the process answers."""
    return Health(status="ok")


@router.get("/readyz", responses=problems())
async def readyz(resources: ResourcesDep) -> Readiness:
    """Tell whether the database and Temporal can be reached, and the process is not about to stop."""
    if resources.draining:
        raise ProblemError("temporarily_unavailable", "the process is about to stop", checks={})
    database, temporal = await asyncio.gather(
        _within_patience(lambda: _database_answers(resources)), _within_patience(resources.orders.reachable)
    )
    checks = {"database": database, "temporal": temporal}
    away = [name for name, reachable in checks.items() if not reachable]
    if away:
        raise ProblemError("temporarily_unavailable", f"can not reach: {', '.join(away)}", checks=checks)
    return Readiness(status="ready", checks=checks)


async def _within_patience(check: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check()
    except TimeoutError:
        return False


async def _database_answers(resources: Resources) -> bool:
    try:
        async with resources.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, SQLAlchemyError, asyncpg.PostgresError):
        return False
    return True
