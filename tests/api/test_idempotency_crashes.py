"""A process that is killed between what it does and what it answers, and the same request asked of another."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest

from settings import Settings
from tests.api.answers import body, problem
from tests.api.conftest import SERVICE_TOKEN
from tests.support.mortal_api import BEFORE_ANSWER, BEFORE_SENDING, mortal_api
from tests.support.shop import Shop

LOCK = 2.0
RECEIPT = {"location": "main", "delta": 5, "reason": "receipt"}


@pytest.fixture
async def mortal(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    environment = {
        "DATABASE_URL": settings.database_url,
        "EVERORDER_SECRET": settings.secret,
        "EVERORDER_SERVICE_TOKEN": SERVICE_TOKEN,
        "EVERORDER_IDEMPOTENCY_LOCK": str(LOCK),
    }
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
    async with (
        mortal_api(environment) as url,
        httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client,
    ):
        yield client


async def on_hand(shop: Shop, sku: str) -> int:
    [(level,)] = await shop.run("SELECT on_hand FROM stock_levels WHERE sku = :sku", sku=sku)
    return int(str(level))


async def test_killed_after_the_commit_the_next_try_gets_the_answer_that_nobody_saw(
    mortal: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku, key = await shop.buyable(stock=10), {"Idempotency-Key": uuid4().hex}
    path = f"/v1/stock/{sku}/adjustments"
    with pytest.raises(httpx2.TransportError):
        await mortal.post(path, json=RECEIPT, headers=key | {"X-Dies": BEFORE_SENDING})
    assert await on_hand(shop, sku) == 15

    again = await staff.post(path, json=RECEIPT, headers=key)
    assert body(again, 201)["on_hand"] == 15
    assert again.headers["idempotent-replayed"] == "true"
    assert await on_hand(shop, sku) == 15


async def test_killed_before_the_commit_nothing_is_done_until_the_lock_ends_and_then_once(
    mortal: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku, key = await shop.buyable(stock=10), {"Idempotency-Key": uuid4().hex}
    path = f"/v1/stock/{sku}/adjustments"
    began = time.monotonic()
    with pytest.raises(httpx2.TransportError):
        await mortal.post(path, json=RECEIPT, headers=key | {"X-Dies": BEFORE_ANSWER})
    assert await on_hand(shop, sku) == 10

    async with asyncio.timeout(LOCK + 20):
        while (again := await staff.post(path, json=RECEIPT, headers=key)).status_code == 409:
            problem(again, 409, "idempotency_in_progress")
            await asyncio.sleep(0.1)
    assert time.monotonic() - began >= LOCK
    assert "idempotent-replayed" not in again.headers
    assert body(again, 201)["on_hand"] == 15
    assert body(await staff.post(path, json=RECEIPT, headers=key), 201)["on_hand"] == 15
    assert await on_hand(shop, sku) == 15
