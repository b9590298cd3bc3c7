"""The API over a real database: in this process, without a network, with a Temporal that a test writes itself.

With `EVERORDER_TESTS_THROUGH_GATEWAY=1` the same tests speak to nginx, with each service in processes of its own behind
it, and Temporal, workers and the payment sandbox for real (`tests/proof/test_gateway.py`).
"""

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from api.app import ROUTERS, create_app
from api.deps import Resources
from api.services import Service
from cli.gateway.command import DOCUMENT
from clients.orders import OrderClient
from db.engine import create_engine
from settings import Settings
from tests.api.door import Door
from tests.api.orders_double import OrdersDouble
from tests.support.gateway import Gateway, environment_of, running_gateway
from tests.support.people import People
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, running_sandbox
from tests.support.shop import Shop, opened_shop
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import World, open_world

THROUGH_GATEWAY = bool(os.environ.get("EVERORDER_TESTS_THROUGH_GATEWAY"))

SERVICE_TOKEN = "service-token-of-the-tests"
WEBHOOK_SECRETS = ("whsec_new", "whsec_old")


@pytest.fixture(scope="session")
def settings(postgres: PostgresForTests) -> Settings:
    return Settings.model_validate(
        {
            "DATABASE_URL": postgres.migrated(),
            "service_token": SERVICE_TOKEN,
            "currency": "GBP",
            "payment_methods": "card, bank_transfer, cash_on_delivery",
            "stripe_webhook_secret": ",".join(WEBHOOK_SECRETS),
            "rate_limit_scale": 1_000,
            "event_stream_seconds": 0.02,
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
def door(request: pytest.FixtureRequest) -> Door:
    """Where the tests knock: this process, or nginx with every service behind it."""
    if THROUGH_GATEWAY:
        gateway: Gateway = request.getfixturevalue("gateway")
        return Door(gateway.url)
    return Door("http://shop.example", request.getfixturevalue("app"))


@pytest.fixture(scope="session")
async def guest(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who shows nothing."""
    async with door.client() as client:
        yield client


@pytest.fixture(scope="session")
async def staff(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who shows the service token."""
    async with door.client(Authorization=f"Bearer {SERVICE_TOKEN}") as client:
        yield client


@pytest.fixture(autouse=True)
def forgotten(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the double of Temporal know nothing of other tests."""
    double: OrdersDouble | None = request.getfixturevalue("orders") if "orders" in request.fixturenames else None
    if double:
        double.forget()
    yield
    if double:
        double.forget()


@pytest.fixture(scope="session")
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    async with opened_shop(settings.database_url) as shop:
        yield shop


@pytest.fixture(scope="session")
def people(shop: Shop, settings: Settings) -> People:
    """Customers and staff who are logged in."""
    return People(shop.sessions, settings)


# Everything behind the API, for real ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sandbox(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url("sandbox_of_the_api")) as server:
        yield server


@pytest.fixture(scope="session")
async def world(settings: Settings, sandbox: SandboxForTests) -> AsyncIterator[World]:
    engine = create_engine(settings.database_url, pool_size=20)
    async with running_temporal() as environment:
        temporal = await plain_client(environment)
        async with open_world(Shop(engine), temporal, sandbox.url, SECRET_KEY) as world, world.working():
            yield world
    await engine.dispose()


@pytest.fixture(scope="session")
async def live_app(settings: Settings, world: World) -> AsyncIterator[FastAPI]:
    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url, pool_size=10)
        yield Resources(settings, engine, OrderClient(world.temporal))
        await engine.dispose()

    app = create_app(settings, services="", opens=opens)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def live_door(request: pytest.FixtureRequest) -> Door:
    """Where orders are really placed, through the gateway or in this process."""
    if THROUGH_GATEWAY:
        return Door(request.getfixturevalue("gateway").url)
    return Door("http://shop.example", request.getfixturevalue("live_app"))


@pytest.fixture(scope="session")
def gateway(settings: Settings, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Every service in processes of its own behind nginx, and one process for what is nobody's."""
    behind = {"TEMPORAL_ADDRESS": world.temporal.service_client.config.target_host}
    processes = dict.fromkeys(ROUTERS, 1) | {Service.ORDERS: 2, DOCUMENT: 1}
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(environment_of(settings) | behind, folder, processes) as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Through the gateway, keep the tests that knock at its door; say why the others are left out."""
    if not THROUGH_GATEWAY:
        return
    kept, left = [], Counter[str]()
    for item in items:
        reason = _kept_from_the_gateway(item)
        left.update([reason] if reason else [])
        kept += [] if reason else [item]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    print(f"\nthrough the gateway: {len(kept)} tests; not: {dict(left)}")  # noqa: T201 - for who reads the proof


def _kept_from_the_gateway(item: pytest.Item) -> str:
    fixtures = set(getattr(item, "fixturenames", ()))
    if not fixtures & {"guest", "staff", "door", "live_door"}:
        return "asks an API that it makes itself, or none"
    if fixtures & {"app", "orders", "monkeypatch"}:
        return "needs a double inside the process"
    marked = item.get_closest_marker("in_process")
    return str(marked.args[0]) if marked else ""
