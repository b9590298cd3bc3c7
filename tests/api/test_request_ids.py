"""One id leads from an answer to the logs of every process that had to do with it, and to the workflow."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import structlog
from structlog.testing import capture_logs
from temporalio.client import Client

from api.app import create_app
from api.deps import Resources
from clients.connection import connect_to
from clients.orders import OrderClient
from contracts.orders import order_workflow_id
from contracts.request_ids import MEMO, request_id_of, with_request_id
from db.engine import create_engine
from settings import Settings
from tests.api.answers import body, problem
from tests.api.buyer import PAYMENT, Buyer, ready_buyer
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, running_sandbox
from tests.support.shop import Shop
from tests.support.temporal import running_temporal
from tests.support.world import World, open_world

DECLINED = {"payment_method": {"token": "pm_card_chargeDeclined"}}


@pytest.fixture(scope="module")
def sandbox(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url("sandbox_of_request_ids")) as server:
        yield server


@pytest.fixture(scope="module")
async def world(settings: Settings, sandbox: SandboxForTests) -> AsyncIterator[World]:
    engine = create_engine(settings.database_url)
    async with running_temporal() as environment:
        temporal = await connect_to(environment.client.service_client.config.target_host, "default")
        async with open_world(Shop(engine), temporal, sandbox.url, SECRET_KEY) as world, world.working():
            yield world
    await engine.dispose()


@pytest.fixture(scope="module")
async def client(settings: Settings, world: World) -> AsyncIterator[httpx2.AsyncClient]:
    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url)
        yield Resources(settings, engine, OrderClient(world.temporal))
        await engine.dispose()

    app = create_app(settings, services="", opens=opens)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client,
    ):
        yield client


@pytest.fixture
async def buyer(client: httpx2.AsyncClient, world: World) -> Buyer:
    return await ready_buyer(client, world.shop)


@pytest.fixture(autouse=True)
def every_level() -> Iterator[None]:
    """Log whatever is said, whoever has configured logs in this process before."""
    kept = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**kept)


async def memo(temporal: Client, buyer: Buyer) -> object:
    return await (await temporal.get_workflow_handle(order_workflow_id(buyer.order_id())).describe()).memo_value(MEMO)


async def test_a_checkout_is_found_by_its_request_id_in_every_log_and_at_the_workflow(
    world: World, buyer: Buyer
) -> None:
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        answer = await buyer.check_out(**{"X-Request-ID": "checkout-of-the-test"})
        await world.told(buyer.order_id())
    assert body(answer, 201)["status"] == "placed"
    assert answer.headers["x-request-id"] == "checkout-of-the-test"

    said = [log for log in logs if log.get("request_id") == "checkout-of-the-test"]
    [request] = [log for log in said if log["event"] == "request"]
    assert (request["method"], request["route"], request["status"]) == ("POST", "/v1/carts/{cart_id}/checkout", 201)
    done = {log["activity"]: log["workflow_id"] for log in said if log["event"] == "activity"}
    assert {"orders.open", "payments.authorise", "payments.capture", "orders.place", "notifications.deliver"} <= set(
        done
    )
    assert set(done.values()) == {order_workflow_id(buyer.order_id())}
    assert await memo(world.temporal, buyer) == "checkout-of-the-test"


async def test_what_a_later_request_causes_bears_the_later_id(
    client: httpx2.AsyncClient, world: World, buyer: Buyer
) -> None:
    problem(await buyer.check_out(DECLINED, **{"X-Request-ID": "first"}), 402, "payment_failed")
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        path = f"/v1/orders/{buyer.order_id()}/payments"
        paid = await client.post(path, headers=buyer.headers | {"X-Request-ID": "second"}, json=PAYMENT)
    assert body(paid, 201)["status"] == "placed"
    done = [log for log in logs if log["event"] == "activity" and log["activity"].startswith("payments.")]
    assert {log["request_id"] for log in done} == {"second"}
    assert await memo(world.temporal, buyer) == "first"


async def test_a_log_line_has_nothing_of_what_stands_in_the_address(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/v1/orders?email=ada@example.com")
        await client.get("/v1/products/ada@example.com")
        await client.get("/ada@example.com")
        await client.get("/healthz")
    assert [log["route"] for log in logs if log["event"] == "request"] == [
        "/v1/orders",
        "/v1/products/{id_or_slug}",
        None,
    ]
    assert "ada@example.com" not in str(logs)


def test_an_id_survives_its_header() -> None:
    assert request_id_of(with_request_id({}, "a-b_c.1")) == "a-b_c.1"
    assert request_id_of({}) is None
