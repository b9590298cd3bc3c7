"""One request under one key, through several API processes, through kills, and through a restart of everything."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import cycle
from uuid import uuid4

import httpx2
import pytest

from tests.support.mortal_api import BEFORE_ANSWER, mortal_api
from tests.support.shopper import DECLINED, VISA, Shopper, shopping
from tests.support.stack import RunningStack
from tests.support.world import World

EVERY_SERVER = ("postgres", "temporal", "sandbox", "worker-orders", "worker-payments", "api")
AT_ONCE = 200
PATIENCE = 60.0


@pytest.fixture
async def mortal(stack: RunningStack) -> AsyncIterator[Shopper]:
    """Shop at an API process that dies where a request says so, and whose claims run out at once."""
    environment = {**stack.environment, "EVERORDER_IDEMPOTENCY_LOCK": "0.5"}
    async with mortal_api(environment) as url, shopping(url) as shopper:
        yield shopper


async def answered(shopper: Shopper, path: str, content: object, headers: dict[str, str]) -> httpx2.Response:
    """Ask as the contract says: again while the first request with this key is running, or the shop is away."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await shopper.client.post(path, json=content, headers=headers)
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code < 500 and "retry-after" not in answer.headers:
                return answer
            await asyncio.sleep(0.1)


async def on_hand(stack: RunningStack, sku: str) -> int:
    [(level,)] = await stack.rows("SELECT on_hand FROM stock_levels WHERE sku = $1", sku)
    return int(level)


async def test_two_hundred_requests_over_two_processes_are_one_effect_that_outlives_a_restart_of_everything(
    stack: RunningStack, world: World
) -> None:
    sku, key = await world.goods(stock=10), {"Idempotency-Key": uuid4().hex}
    path, content = f"/v1/stock/{sku}/adjustments", {"location": "main", "delta": 5, "reason": "receipt"}
    async with (
        shopping(stack.api_url, stack.token) as one,
        stack.another_api() as url,
        shopping(url, stack.token) as other,
    ):
        shoppers = [shopper for shopper, _ in zip(cycle([one, other]), range(AT_ONCE), strict=False)]
        answers = await asyncio.gather(*(answered(shopper, path, content, key) for shopper in shoppers))
        changed = await one.client.post(path, json={**content, "delta": 6}, headers=key)

    assert Counter(answer.status_code for answer in answers) == {201: AT_ONCE}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    assert await on_hand(stack, sku) == 15

    for server in EVERY_SERVER:
        await stack.kill(server)
    for server in EVERY_SERVER:
        await stack.alive(server)
    async with shopping(stack.api_url, stack.token) as later:
        again = await answered(later, path, content, key)
    assert (again.status_code, again.content) == (201, answers[0].content)
    assert again.headers["idempotent-replayed"] == "true"
    assert await on_hand(stack, sku) == 15


async def test_checkout_whose_process_dies_before_it_answers_is_one_order_and_one_charge(
    world: World, shopper: Shopper, mortal: Shopper
) -> None:
    cart = await shopper.cart(await world.goods(stock=5))
    headers = {**cart.headers, "Idempotency-Key": uuid4().hex}
    path, content = f"{cart.path}/checkout", {"payment_method": {"token": VISA}}
    with pytest.raises(httpx2.TransportError):
        await mortal.client.post(path, json=content, headers={**headers, "X-Dies": BEFORE_ANSWER})

    answer = await answered(shopper, path, content, headers)
    assert (answer.status_code, answer.json()["status"]) == (201, "placed")
    assert "idempotent-replayed" not in answer.headers
    again = await answered(shopper, path, content, headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
    orders = await world.shop.run("SELECT id FROM orders WHERE cart_id = :id", id=cart.id)
    assert len(orders) == 1
    assert await world.charged(orders[0][0]) == [1000]  # type: ignore[arg-type]


async def test_payment_whose_process_dies_before_it_answers_is_joined_by_the_next_try(
    world: World, shopper: Shopper, mortal: Shopper
) -> None:
    cart = await shopper.cart(await world.goods(stock=5))
    declined = (await shopper.check_out(cart, card=DECLINED)).json()
    path, content = f"/v1/orders/{declined['order_id']}/payments", {"payment_method": {"token": VISA}}
    headers = {**cart.headers, "Idempotency-Key": uuid4().hex}
    with pytest.raises(httpx2.TransportError):
        await mortal.client.post(path, json=content, headers={**headers, "X-Dies": BEFORE_ANSWER})

    answer = await answered(shopper, path, content, headers)
    assert (answer.status_code, answer.json()["status"]) == (201, "placed")
    without_key = await shopper.client.post(path, json=content, headers=cart.headers)
    assert (without_key.status_code, without_key.json()["code"]) == (409, "illegal_transition")
