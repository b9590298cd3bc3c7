"""PostgreSQL restored to an older copy, while Temporal and the provider kept what came since: all is accounted for."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.orders import Cancel, Pay, PlaceOrder, Refund, Ship
from domain.order_states import OrderStatus
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import at_rest, reconcile_until_quiet, require_every_penny
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import WAIT, World

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

VISA, DECLINED = "pm_card_visa", "pm_card_chargeDeclined"
EACH = 10
"""Orders of each fate."""


@pytest.fixture
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        lone.world.grace = timedelta(0)
        yield lone


async def checked_out(world: World, sku: str, card: str) -> list[PlaceOrder]:
    orders = [world.order_of(await world.cart((sku, 1)), card=card) for _ in range(EACH)]
    await asyncio.gather(*(world.place(order) for order in orders))
    return orders


async def statuses(world: World, orders: Sequence[PlaceOrder]) -> Counter[str]:
    rows = await world.shop.run(
        "SELECT status FROM orders WHERE id = ANY(CAST(:ids AS uuid[]))", ids=[one.order_id for one in orders]
    )
    return Counter(str(status) for (status,) in rows)


async def test_after_a_restore_no_money_and_no_stock_is_unaccounted_for(
    lone: LoneWorld, postgres: PostgresForTests
) -> None:
    world, dice = lone.world, random.Random(2026)
    sku = await world.goods(stock=1_000)
    async with world.working():
        kept, cancelled, shipped, refunded = [await checked_out(world, sku, VISA) for _ in range(4)]
        unpaid, paid = [await checked_out(world, sku, DECLINED) for _ in range(2)]
        later = [world.order_of(await world.cart((sku, 1))) for _ in range(EACH)]
    copy = await asyncio.to_thread(postgres.copy, lone.database_url)

    async with world.working():
        await asyncio.gather(
            *(world.client.cancel(one.order_id, Cancel(), wait=WAIT) for one in cancelled),
            *(world.client.ship(one.order_id, Ship(), wait=WAIT) for one in shipped),
            *(world.client.refund(replace(one, payment_method=None), Refund(400), wait=WAIT) for one in refunded),
            *(world.client.pay(one.order_id, Pay(VISA), wait=WAIT) for one in paid),
            *(world.place(one) for one in later),
        )
        lost = await checked_out(world, sku, VISA)
        for one in dice.sample([*kept, *paid, *lost, *later], EACH):
            await lone.terminate(one.order_id)
    await asyncio.to_thread(postgres.restore, lone.database_url, copy)

    async with world.working():
        assert await world.shop.run("SELECT 1 FROM orders WHERE id = :id", id=lost[0].order_id) == []
        found = await reconcile_until_quiet(world)
        sys.stdout.write(f"\nrestored: {dict(found)}\n")

        assert await statuses(world, kept) == {OrderStatus.PLACED: EACH}
        assert found["refund_adopted", "healed"] == 2 * EACH, "of those that were refunded, and of those cancelled"
        assert await statuses(world, refunded) == {OrderStatus.PLACED: EACH}
        assert [await world.charged(one.order_id) for one in refunded] == [[600]] * EACH
        assert await statuses(world, cancelled) == {OrderStatus.CANCELLED: EACH}
        assert await statuses(world, paid) == {OrderStatus.PLACED: EACH}
        assert await statuses(world, unpaid) == {OrderStatus.PAYMENT_REQUIRED: EACH}
        assert found["row_restored_after_shipment", "parked"] == EACH
        assert await statuses(world, shipped) == {OrderStatus.PLACED: EACH}
        assert all([(await world.order(one.order_id)).needs_operator for one in shipped])
        for one in [*lost, *later]:
            assert await world.charged(one.order_id) == []
        await require_every_penny(world)

        # The carts that were there are open, and the next checkout is another order that is paid for again.
        again = [world.order_of(one.cart_id, attempt=2) for one in later]
        assert {(await world.place(one)).status for one in again} == {OrderStatus.PLACED}
        await at_rest(world)
        assert [await world.charged(one.order_id) for one in again] == [[1000]] * EACH
        await require_every_penny(world)
