"""The API with settings of a test's own, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import FastAPI

from api.app import create_app
from api.deps import Resources
from db.engine import create_engine
from settings import Settings
from tests.api.orders_double import OrdersDouble


def shop_app(settings: Settings, **changed: Any) -> FastAPI:
    """Make the API with some settings changed, on the tests' database, with a Temporal that reaches nothing."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url, pool_size=2)
        yield Resources(settings, engine, OrdersDouble())
        await engine.dispose()

    return create_app(settings.model_copy(update=changed), services="", opens=opens)


@asynccontextmanager
async def open_shop(settings: Settings, **changed: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask such a shop."""
    app = shop_app(settings, **changed)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client,
    ):
        yield client
