"""The application: `uvicorn --factory api.app:create_app`."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol

from fastapi import APIRouter, FastAPI

from api import audience, errors, openapi
from api.deps import Resources
from api.draining import drains
from api.metrics.registry import Metrics
from api.middleware import front_door
from api.rate_limits import RateLimits
from api.routes import (
    addresses,
    auth,
    carts,
    catalog,
    catalog_edits,
    checkout,
    documentation,
    imports,
    inventory,
    mailbox,
    manual_payments,
    notifications,
    order_events,
    orders,
    personal_data,
    platform,
    preferences,
    promotions,
    reconciliations,
    refunds,
    returns,
    shipments,
    shipping,
    taxes,
    users,
    webhooks,
)
from api.services import VARIABLE, Service, parse
from clients.chores import ChoreClient
from clients.connection import connect
from clients.erasures import ErasureClient
from clients.imports import ImportClient
from clients.messages import MessageClient
from clients.orders import OrderClient
from db.engine import create_engine
from settings import Settings, get_settings
from settings.logs import configure_logs

ROUTERS: Mapping[Service, Sequence[APIRouter]] = {
    Service.CATALOG: (
        catalog.router,
        catalog_edits.router,
        imports.router,
        promotions.router,
        taxes.router,
        shipping.router,
    ),
    Service.INVENTORY: (inventory.router,),
    Service.CARTS: (carts.router,),
    Service.ORDERS: (
        checkout.router,
        orders.router,
        order_events.router,
        refunds.router,
        shipments.router,
        returns.router,
    ),
    Service.PAYMENTS: (webhooks.router, reconciliations.router, manual_payments.router),
    Service.NOTIFICATIONS: (notifications.router,),
    Service.USERS: (auth.router, users.router, addresses.router, preferences.router, personal_data.router),
}

_TAGS = [
    {"name": "catalog", "description": "What is on sale."},
    {"name": "prices", "description": "What is taken off and added: promotions, taxes, shipping."},
    {"name": "inventory", "description": "What is in stock."},
    {"name": "carts", "description": "What a buyer wants."},
    {"name": "orders", "description": "What was bought, and what became of it."},
    {"name": "payments", "description": "What payment providers report, and what is compared with them."},
    {"name": "users", "description": "Accounts, and what people have kept with them."},
    {"name": "notifications", "description": "What buyers were told."},
    {"name": "platform", "description": "How the process feels."},
]


class Opens(Protocol):
    """Opens what a process keeps for its requests."""

    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[Resources]:
        """Open it, and close it at the end."""
        ...


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Log as the settings say; connect to PostgreSQL and Temporal when they are first needed.

    A server that is away stops no start.
    """
    configure_logs(settings)
    engine = create_engine(settings.database_url, pool_size=settings.database_pool_size, application="everorder-api")
    client = await connect(settings, lazy=True)
    resources = Resources(
        settings,
        engine,
        OrderClient(client),
        messages=MessageClient(client),
        erasures=ErasureClient(client),
        chores=ChoreClient(client),
        imports=ImportClient(client),
    )
    try:
        with drains(resources.drain, settings.drain_seconds):
            yield resources
    finally:
        await resources.post.close()
        await engine.dispose()


def create_app(
    settings: Settings | None = None, *, services: str | None = None, opens: Opens = open_resources
) -> FastAPI:
    """Make the API, or those of its services that the environment names in `EVERORDER_SERVICES`.

    Raises:
        SettingsError: a setting is missing or wrong.
    """
    chosen = settings or get_settings()
    served = parse(os.environ.get(VARIABLE, "") if services is None else services)
    limits = RateLimits(scale=chosen.rate_limit_scale, redis_url=chosen.redis_url)
    metrics = Metrics(tells_of_shop=Service.ORDERS in served)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aclosing(limits), opens(chosen) as resources, aclosing(resources.feed):
            app.state.resources = resources
            metrics.connections.look_at(resources.engine, resources.single_reads)
            metrics.streams.set_function(lambda: len(resources.feed))
            yield

    app = FastAPI(
        title="Everorder",
        version="1",
        description="Orders that can not be lost, paid twice, oversold or left half done.",
        openapi_tags=_TAGS,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=front_door(chosen, limits, metrics.requests),
    )
    app.state.metrics = metrics
    errors.install(app)
    openapi.install(app)
    _mount(app, chosen, served)
    return app


def _mount(app: FastAPI, settings: Settings, services: frozenset[Service]) -> None:
    routers = [router for service, routers in ROUTERS.items() if service in services for router in routers]
    own = [mailbox.router] if settings.mailbox_dir else []
    # What the shop lives by comes first: a request is compared with each route until one matches.
    for router in (*routers, platform.router, documentation.router, *own):
        audience.document(router)
        openapi.name_operations(router)
        # As they are: `include_router` would look for each route twice a request, once by way of its router.
        app.router.routes.extend(router.routes)
