"""1,000 checkouts while one of five calls to the payment provider goes wrong in a random way."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from contracts.orders import PlaceOrder
from domain.order_states import OrderStatus
from sandbox.faults import FaultKind
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import at_rest, reconcile_until_quiet, require_every_penny
from tests.support.temporal import plain_client, running_temporal

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

ORDERS = 1_000
AT_ONCE = 40
RATE = 0.2
TOO_SLOW = 7
"""Seconds; the provider's client gives up after five."""
FAULTS = sorted(set(FaultKind) - {FaultKind.REFUSED, FaultKind.DECLINED, FaultKind.PENDING})
"""What goes wrong on the way; those left out are answers."""
LONG = timedelta(minutes=4)


@pytest.fixture(scope="module")
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        lone.world.grace = timedelta(0)
        yield lone


async def test_checkouts_among_random_faults_are_all_placed_and_charged_once(lone: LoneWorld) -> None:
    world, few = lone.world, asyncio.Semaphore(AT_ONCE)
    sku = await world.goods(stock=ORDERS)
    orders = [world.order_of(await world.cart((sku, 1))) for _ in range(ORDERS)]
    # One after the other has its chance to hit, so each gets what is left of the rate.
    for kind in FAULTS:
        delay = TOO_SLOW if "slow" in kind else 0
        await lone.sandbox.misbehave(kind, rate=RATE / len(FAULTS), times=1_000_000, delay=delay)

    async def bought(order: PlaceOrder) -> str:
        async with few:
            outcome = await world.client.place(order, wait=LONG)
            return getattr(outcome, "status", "accepted")

    async with world.working():
        begun = time.monotonic()
        outcomes = await asyncio.gather(*(bought(order) for order in orders))
        seconds = time.monotonic() - begun
        [[hits]] = await lone.sandbox.fetch("SELECT sum(hits) FROM faults")
        await lone.sandbox.behave()
        await at_rest(world)
        sys.stdout.write(f"\n{ORDERS} checkouts, {hits} faults, {seconds:.0f} s\n")

        assert set(outcomes) == {OrderStatus.PLACED}
        assert hits > ORDERS * RATE
        assert await world.stock(sku) == (0, 0)
        assert await reconcile_until_quiet(world) == {}
        await require_every_penny(world)
        [[captured, charges]] = await lone.sandbox.fetch(
            "SELECT sum(captured_amount - refunded_amount), count(*) FROM payment_intents WHERE captured_amount > 0"
        )
        assert (captured, charges) == (ORDERS * 1000, ORDERS)
