"""The API over a real database: in this process, without a network, with a Temporal that a test writes itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.deps import Resources
from db.engine import create_engine
from settings import Settings
from tests.api.orders_double import OrdersDouble
from tests.support.people import People
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop

SERVICE_TOKEN = "service-token-of-the-tests"
WEBHOOK_SECRETS = ("whsec_new", "whsec_old")


@pytest.fixture(scope="session")
def settings(postgres: PostgresForTests) -> Settings:
    return Settings.model_validate(
        {
            "DATABASE_URL": postgres.migrated(),
            "service_token": SERVICE_TOKEN,
            "currency": "GBP",
            "stripe_webhook_secret": ",".join(WEBHOOK_SECRETS),
            "rate_limit_scale": 1_000,
            "_env_file": None,
        }
    )


@pytest.fixture(scope="session")
def orders() -> OrdersDouble:
    return OrdersDouble()


@pytest.fixture(scope="session")
async def app(settings: Settings, orders: OrdersDouble) -> AsyncIterator[FastAPI]:
    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url)
        yield Resources(settings, engine, orders)
        await engine.dispose()

    app = create_app(settings, services="", opens=opens)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def guest(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who shows nothing."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client:
        yield client


@pytest.fixture(scope="session")
async def staff(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who shows the service token."""
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.example", headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def shop(app: FastAPI) -> Shop:
    return Shop(app.state.resources.engine)


@pytest.fixture(scope="session")
def people(shop: Shop, settings: Settings) -> People:
    """Customers and staff who are logged in."""
    return People(shop.sessions, settings)
