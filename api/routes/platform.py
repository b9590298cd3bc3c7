"""Whether this process lives, whether it can do its work, and how much of it there is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy import text
from starlette.requests import Request

from api.audience import PUBLIC
from api.deps import MetricsDep, Resources, ResourcesDep
from api.errors import ProblemError
from api.openapi import problems
from api.schemas.platform import Health, Readiness
from db import attention
from db.attention import Figures
from db.audit.limits import Limits
from db.engine import UNAVAILABLE
from domain.errors import UnauthenticatedError

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


@router.get("/metrics", response_class=PlainTextResponse, responses=problems("unauthenticated"))
async def metrics(request: Request, resources: ResourcesDep, metrics: MetricsDep) -> PlainTextResponse:
    """Tell Prometheus what this process counts and, where it serves orders, how the shop stands."""
    _require_token(request, resources.settings.metrics_token)
    if metrics.shop is not None:
        await metrics.shop.renew(lambda: _figures(resources), lambda: _overdue(resources))
    return PlainTextResponse(metrics.written(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _require_token(request: Request, token: str) -> None:
    shown = request.headers.get("authorization", "")
    if token and not compare_digest(shown.encode(), f"Bearer {token}".encode()):
        raise UnauthenticatedError("metrics need a bearer token of their own")


async def _figures(resources: Resources) -> Figures:
    async with resources.reads() as session:
        return await attention.figures(session)


async def _overdue(resources: Resources) -> Mapping[str, int]:
    async with resources.reads() as session:
        return await attention.overdue(session, Limits.holding(resources.settings.hold))


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
    except UNAVAILABLE:
        return False
    return True
