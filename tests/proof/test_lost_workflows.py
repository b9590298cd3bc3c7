"""200 orders whose workflows are terminated at random moments: reconciliation accounts for all money and all stock."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue as ServersQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest

from contracts.orders import Cancel, PlaceOrder
from contracts.queues import TaskQueue
from domain.errors import EverorderError
from domain.order_states import OrderStatus
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import reconcile_until_quiet, require_every_penny
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import WAIT, World
from workers.wiring import WORK, create_worker

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

ORDERS = 200
AT_ONCE = 16
CARDS = ("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined")
SOON = 20
"""Seconds: a delivery that shows no sign of life is given up after ten."""
LATEST = 1.5
"""Seconds after its checkout was sent, or was opened, at which an order's workflow is terminated at the latest."""


@pytest.fixture(scope="module")
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        lone.world.grace = timedelta(0)
        yield lone


async def has_opened(world: World, order: PlaceOrder, placing: "asyncio.Task[Any]") -> None:
    """Wait until an order's row is there, or its checkout was refused."""
    row = "SELECT 1 FROM orders WHERE id = :id"
    while not (placing.done() and placing.exception()) and not await world.shop.run(row, id=order.order_id):  # noqa: ASYNC110 - what is waited for is in the database
        await asyncio.sleep(0.1)


async def test_orders_terminated_at_random_moments_lose_no_money_and_no_stock(lone: LoneWorld) -> None:
    world, dice = lone.world, random.Random(2026)
    skus = [await world.goods(stock=ORDERS) for _ in range(5)]
    orders = [world.order_of(await world.cart((dice.choice(skus), 1)), card=dice.choice(CARDS)) for _ in range(ORDERS)]
    few = asyncio.Semaphore(AT_ONCE)

    async def lost(order: PlaceOrder, moment: float, *, opened: bool, cancelled: bool) -> None:
        async with few:
            placing = asyncio.create_task(world.client.place(order, wait=timedelta(seconds=2)))
            if opened:
                await has_opened(world, order, placing)
            await asyncio.sleep(moment)
            if cancelled:
                await asyncio.gather(world.client.signal_cancel(order.order_id, Cancel()), return_exceptions=True)
                await asyncio.sleep(moment / 4)
            await asyncio.gather(lone.terminate(order.order_id), return_exceptions=True)
            ended = (await asyncio.gather(placing, return_exceptions=True))[0]
            assert not isinstance(ended, BaseException) or isinstance(ended, EverorderError), ended

    async with world.working():
        fates = [(dice.uniform(0, LATEST), dice.random() < 0.5, dice.random() < 0.2) for _ in orders]
        await asyncio.gather(
            *(
                lost(order, moment, opened=opened, cancelled=cancelled)
                for order, (moment, opened, cancelled) in zip(orders, fates, strict=True)
            )
        )
        found = await reconcile_until_quiet(world)
        statuses = Counter(str(status) for (status,) in await world.shop.run("SELECT status FROM orders"))
        sys.stdout.write(f"\n{ORDERS} orders, terminated: {dict(statuses)}; found: {dict(found)}\n")

        assert found["workflow_lost", "healed"] > ORDERS / 4, "the terminations came too early or too late"
        assert {action for _, action in found} == {"healed"}
        assert set(statuses) <= {"placed", "payment_required", "cancelled"}
        await require_every_penny(world)


async def test_cancelled_order_ends_within_seconds_though_nobody_delivers_the_message_that_was_begun(
    lone: LoneWorld,
) -> None:
    """Take a message as a worker that dies at this moment, or a task that the server hands to nobody."""
    world = lone.world
    order = world.order_of(await world.cart((await world.goods(), 1)))
    async with AsyncExitStack() as stack:
        for queue in (TaskQueue.ORDERS, TaskQueue.PAYMENTS):
            await stack.enter_async_context(create_worker(world.temporal, queue, WORK[queue](world.resources)))
        assert (await world.place(order)).status is OrderStatus.PLACED
        task = await world.temporal.workflow_service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(
                namespace=world.temporal.namespace, task_queue=ServersQueue(name=TaskQueue.NOTIFICATIONS)
            )
        )
        assert task.activity_type.name == "notifications.deliver"
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        async with asyncio.timeout(SOON):
            assert (await world.ended(order.order_id)).status is OrderStatus.CANCELLED
