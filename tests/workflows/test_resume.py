"""A workflow that was lost has a way back: from the order's row, in any state."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateStage

from contracts.orders import Cancel, OrderOutcome, Pay, PlaceOrder, order_workflow_id
from contracts.queues import TaskQueue
from db import orders
from domain.order_states import OrderStatus
from tests.support.gates import Gate
from tests.support.world import WAIT, World
from workers.wiring import WORK
from workflows.order import OrderWorkflow

STEPS = ("orders.open", "payments.authorise", "payments.capture", "orders.place")
DECLINED = "pm_card_chargeDeclined"


async def terminate(world: World, order: PlaceOrder) -> None:
    await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).terminate("a test does the worst")


async def resume(world: World, order: PlaceOrder) -> None:
    """Resume as `everorder orders resume` does: with nothing but the order's row."""
    async with world.sessions.begin() as session:
        restart = await orders.restart(session, order.order_id)
    await world.client.resume(restart)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_order_terminated_around_a_step_is_placed_once_when_it_is_resumed(
    world: World, step: str, where: str
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))
    gate = Gate(step, where)
    queue = TaskQueue.PAYMENTS if step.startswith("payments") else TaskQueue.ORDERS

    async with world.working({queue: gate.apply(WORK[queue](world.resources))}):
        placing = asyncio.create_task(world.client.place(order, wait=timedelta(seconds=30)))
        await gate.reached.wait()
        await terminate(world, order)
        gate.opened.set()
        await asyncio.gather(placing, return_exceptions=True)

    async with world.working():
        # A buyer who asks again does what `resume` does, also where there is no row yet.
        outcome = await world.place(order)

    assert outcome.status is OrderStatus.PLACED
    assert await world.stock(sku) == (8, 0)
    assert await world.charged(order.order_id) == [2000]
    assert await world.events(order.order_id) == ["opened", "placed"]


async def test_order_that_waits_for_a_payment_takes_one_after_it_is_resumed(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)), card=DECLINED)

    async with world.working():
        await world.place(order)
        deadline = (await world.order(order.order_id)).payment_deadline
        await terminate(world, order)
        await resume(world, order)
        paid = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)

    assert isinstance(paid, OrderOutcome)
    assert paid.status is OrderStatus.PLACED
    assert (await world.order(order.order_id)).payment_deadline == deadline
    assert await world.charged(order.order_id) == [2000]


async def test_hold_of_a_resumed_order_still_runs_out(hasty_world: World) -> None:
    world = hasty_world
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)), card=DECLINED)

    async with world.working():
        await world.place(order)
        await world.ended(order.order_id)
        row = await world.order(order.order_id)

    assert (row.status, row.reason) == (OrderStatus.FAILED, "payment_expired")
    assert await world.stock(sku) == (10, 0)


async def test_placed_order_can_be_cancelled_after_it_is_resumed(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        await terminate(world, order)
        await resume(world, order)
        await resume(world, order)
        outcome = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []


@pytest.mark.parametrize("step", ["payments.reverse", "orders.finish_cancel"])
async def test_order_terminated_while_it_was_being_cancelled_is_cancelled_when_it_is_resumed(
    world: World, step: str
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))
    gate = Gate(step, "before")
    queue = TaskQueue.PAYMENTS if step.startswith("payments") else TaskQueue.ORDERS

    async with world.working({queue: gate.apply(WORK[queue](world.resources))}):
        await world.place(order)
        await world.client.signal_cancel(order.order_id, Cancel())
        await gate.reached.wait()
        await terminate(world, order)
        gate.opened.set()

    async with world.working():
        await resume(world, order)
        outcome = await world.ended(order.order_id)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []


async def test_order_that_is_cancelled_before_its_resumed_workflow_has_looked_at_it_is_refunded(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))
    async with world.working():
        await world.place(order)
    await terminate(world, order)
    await resume(world, order)
    await world.client.signal_cancel(order.order_id, Cancel())

    async with world.working():
        outcome = await world.ended(order.order_id)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert (await world.order(order.order_id)).payment_status == "refunded"


async def test_cancelling_again_waits_for_the_cancellation_that_was_resumed(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 2)))
    async with world.working():
        await world.place(order)
    await terminate(world, order)
    await world.shop.run("UPDATE orders SET status = 'cancelling' WHERE id = :id", id=order.order_id)
    gate = Gate("payments.reverse", "before")
    handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))

    async with world.working({TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}):
        await resume(world, order)
        await gate.reached.wait()
        accepted = WorkflowUpdateStage.ACCEPTED
        cancelling = await handle.start_update(OrderWorkflow.cancel, Cancel(), wait_for_stage=accepted)
        gate.opened.set()
        outcome = await cancelling.result()

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.charged(order.order_id) == []


async def test_resuming_an_order_that_has_ended_changes_nothing(world: World) -> None:
    sku = await world.goods(stock=1)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        events = await world.events(order.order_id)
        await resume(world, order)
        outcome = await world.ended(order.order_id)

    assert (outcome.status, outcome.reason) == (OrderStatus.FAILED, "insufficient_stock")
    assert await world.events(order.order_id) == events
