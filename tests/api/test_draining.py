"""A process of the API that is told to stop finishes what it has begun, and says beforehand that it will."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx2
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from clients.orders import OrderClient
from settings import Settings
from tests.api.answers import problem
from tests.api.buyer import PAYMENT, Buyer, ready_buyer
from tests.support.api_process import ApiProcess, ended, running_api
from tests.support.shop import Shop
from tests.support.temporal import plain_client, running_temporal


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    """Orders are started here, and nobody works on them."""
    async with running_temporal() as environment:
        yield await plain_client(environment)


@pytest.fixture
def environment(settings: Settings, temporal: Client) -> Mapping[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        "EVERORDER_SECRET": settings.secret,
        "EVERORDER_RATE_LIMIT_SCALE": "1000",
    }


def client_of(api: ApiProcess) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=api.url, trust_env=False, verify=False, timeout=30)


async def followed(client: httpx2.AsyncClient, buyer: Buyer) -> str:
    """Read the events of an order until there are no more."""
    answer = await client.get(f"/v1/orders/{buyer.order_id()}/events", headers=buyer.headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_whoever_waits_for_an_outcome_is_told_where_to_look_when_the_process_stops(
    environment: Mapping[str, str], temporal: Client, shop: Shop, tmp_path: Path
) -> None:
    with running_api(environment, tmp_path / "api.log") as api:
        async with client_of(api) as client:
            buyer = await ready_buyer(client, shop)
            waiting = asyncio.create_task(buyer.check_out(PAYMENT, Prefer="wait=20"))
            while not await OrderClient(temporal).is_running(buyer.order_id()):  # noqa: ASYNC110 - it is started elsewhere
                await asyncio.sleep(0.02)
            following = asyncio.create_task(followed(client, buyer))
            began = time.monotonic()
            await asyncio.sleep(0.5)
            api.stop()
            answer = await waiting
            assert (await following).endswith('event: end\ndata: {"reason":"come_back"}\n\n')
            assert time.monotonic() - began < 6
        assert answer.status_code == 202
        assert answer.json() == {"order_id": str(buyer.order_id()), "status": "pending"}
        assert answer.headers["location"] == f"/v1/orders/{buyer.order_id()}"
        assert await asyncio.to_thread(ended, api) == -signal.SIGTERM
    started = await temporal.get_workflow_handle(f"order-{buyer.order_id()}").describe()
    assert started.status is WorkflowExecutionStatus.RUNNING


async def test_a_process_that_is_about_to_stop_says_so_and_goes_on_until_then(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    with running_api({**environment, "EVERORDER_DRAIN_SECONDS": "1.5"}, tmp_path / "api.log") as api:
        async with client_of(api) as client:
            assert (await client.get("/readyz")).status_code == 200
            api.stop()
            while (told := await client.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - the signal is on its way
                await asyncio.sleep(0.01)
            assert problem(told, 503, "temporarily_unavailable")["detail"] == "the process is about to stop"
            assert (await client.post("/v1/carts")).status_code == 201
        assert await asyncio.to_thread(ended, api) == -signal.SIGTERM
        assert "api_draining" in api.log.read_text()


async def test_a_process_that_is_told_twice_stops_at_once(environment: Mapping[str, str], tmp_path: Path) -> None:
    with running_api({**environment, "EVERORDER_DRAIN_SECONDS": "60"}, tmp_path / "api.log") as api:
        api.stop()
        while "api_draining" not in api.log.read_text():  # noqa: ASYNC110 - the log is a file
            await asyncio.sleep(0.02)
        api.stop()
        assert await asyncio.to_thread(ended, api) == -signal.SIGTERM


def test_logs_of_the_process_are_events_with_fields(environment: Mapping[str, str], tmp_path: Path) -> None:
    with running_api({**environment, "EVERORDER_LOG_JSON": "true"}, tmp_path / "api.log") as api:
        api.stop()
        ended(api)
        events = [json.loads(line) for line in api.log.read_text().splitlines()]
    assert [event["event"] for event in events if event["logger"] == "api.draining"] == ["api_draining"]
