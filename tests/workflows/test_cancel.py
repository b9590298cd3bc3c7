"""Cancelling at every moment of a checkout: it always ends compensated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from temporalio.exceptions import ApplicationError

from contracts.failures import refusal_code
from contracts.orders import Cancel, Decision, OrderOutcome, PlaceOrder, Resolve, Ship, order_workflow_id
from contracts.queues import TaskQueue
from domain.errors import IllegalStepError
from domain.order_states import OrderStatus
from tests.support.gates import Gate
from tests.support.world import WAIT, World
from workers.wiring import WORK

STEPS = ("orders.open", "payments.authorise", "payments.capture", "orders.place")

REFUSED_WITH = {
    "payments.authorise": "payment_abandoned",
    "payments.capture": "payment_abandoned",
    "orders.place": "illegal_transition",
}


@asynccontextmanager
async def working_with(world: World, gate: Gate) -> AsyncIterator[None]:
    queue = TaskQueue.PAYMENTS if gate.step.startswith("payments") else TaskQueue.ORDERS
    async with world.working({queue: gate.apply(WORK[queue](world.resources))}):
        yield


async def assert_compensated(world: World, order: PlaceOrder, sku: str, *, placed: bool) -> None:
    """Everything is as if the order had not been, but for its record; the cart may become another order."""
    row = await world.order(order.order_id)
    assert row.status is OrderStatus.CANCELLED
    assert not row.needs_operator
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert await world.reserved_money(order.order_id) == 0
    assert await world.cart_row(order.cart_id) == (("ordered", 1) if placed else ("open", 2))
    assert "started" not in (await world.operations(order.order_id)).values()


async def assert_cart_can_be_bought_again(world: World, cart: UUID, sku: str) -> None:
    async with world.working():
        outcome = await world.place(world.order_of(cart, attempt=2))
    assert outcome.status is OrderStatus.PLACED
    assert await world.stock(sku) == (8, 0)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_temporal_cancel_around_a_step_ends_compensated(world: World, step: str, where: str) -> None:
    sku = await world.goods(stock=10)
    cart = await world.cart((sku, 2))
    order = world.order_of(cart)
    gate = Gate(step, where)
    placed = (step, where) == ("orders.place", "after")

    async with working_with(world, gate):
        placing = asyncio.create_task(world.client.place(order, wait=WAIT))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).cancel()
        outcome = await world.ended(order.order_id)
        told = await placing

    assert outcome.status is OrderStatus.CANCELLED
    assert told == outcome
    await assert_compensated(world, order, sku, placed=placed)
    if not placed:
        assert await world.message_states(order.order_id) == []
        await assert_cart_can_be_bought_again(world, cart, sku)


@pytest.mark.parametrize("step", STEPS)
async def test_effect_that_lands_after_its_undo_refuses_itself(world: World, step: str) -> None:
    sku = await world.goods(stock=10)
    cart = await world.cart((sku, 2))
    order = world.order_of(cart)
    gate = Gate(step, "late")

    async with working_with(world, gate):
        placing = asyncio.create_task(world.client.place(order, wait=WAIT))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).cancel()
        await world.ended(order.order_id)
        await placing

        gate.opened.set()
        assert gate.late is not None
        if step == "orders.open":
            assert (await gate.late).status is OrderStatus.CANCELLED
        else:
            with pytest.raises(ApplicationError) as refused:
                await gate.late
            assert refusal_code(refused.value) == REFUSED_WITH[step]
    await assert_compensated(world, order, sku, placed=False)
    await assert_cart_can_be_bought_again(world, cart, sku)


async def test_order_that_is_cancelled_before_its_first_step_is_found_as_cancelled(world: World) -> None:
    sku = await world.goods(stock=10)
    cart = await world.cart((sku, 2))
    order = world.order_of(cart)
    await world.client.resume(order)
    await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).cancel()

    async with world.working():
        outcome = await world.ended(order.order_id)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.events(order.order_id) == ["opened", "cancel_requested", "cancelled"]
    await assert_compensated(world, order, sku, placed=False)
    await assert_cart_can_be_bought_again(world, cart, sku)


@pytest.mark.parametrize("how", ["update", "signal", "temporal"])
async def test_cancelling_a_placed_order_refunds_and_restocks(world: World, how: str) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        await world.told(order.order_id)
        handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
        match how:
            case "update":
                await world.client.cancel(order.order_id, Cancel("requested", "guest"), wait=WAIT)
            case "signal":
                await world.client.signal_cancel(order.order_id, Cancel("requested", "guest"))
            case _:
                await handle.cancel()
        await world.ended(order.order_id)

    await assert_compensated(world, order, sku, placed=True)
    assert await world.events(order.order_id) == ["opened", "placed", "cancel_requested", "cancelled"]
    row = await world.order(order.order_id)
    assert row.payment_status == "refunded"
    assert await world.operations(order.order_id) == {
        "authorise:1": "succeeded",
        "capture:1": "succeeded",
        "refund:1": "succeeded",
    }


async def test_cancelling_while_a_payment_is_required_releases_the_hold(world: World) -> None:
    sku = await world.goods(stock=10)
    cart = await world.cart((sku, 2))
    order = world.order_of(cart, card="pm_card_chargeDeclined")

    async with world.working():
        await world.place(order)
        outcome = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        assert isinstance(outcome, OrderOutcome)
        assert outcome.status is OrderStatus.CANCELLED
        await world.ended(order.order_id)

    await assert_compensated(world, order, sku, placed=False)
    await world.shop.run("UPDATE cart_lines SET quantity = 2 WHERE cart_id = :id", id=cart)
    await assert_cart_can_be_bought_again(world, cart, sku)


async def test_ten_cancels_at_once_are_one(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        outcomes = await asyncio.gather(
            *(world.client.cancel(order.order_id, Cancel(), wait=WAIT) for _ in range(8)), return_exceptions=True
        )
        await world.ended(order.order_id)

    assert {getattr(outcome, "status", None) for outcome in outcomes} == {OrderStatus.CANCELLED}
    await assert_compensated(world, order, sku, placed=True)


async def test_cancelling_after_shipment_only_calls_an_operator(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
        await handle.cancel()
        outcome = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        row = await world.order(order.order_id)
        assert (row.status, row.needs_operator) == (OrderStatus.SHIPPED, True)
        assert row.operator_reason == "cancel_after_shipment"
        with pytest.raises(IllegalStepError):
            await world.client.resolve(order, Resolve(Decision.REFUND), wait=WAIT)
        resolved = await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        with pytest.raises(IllegalStepError):
            await world.client.ship(order.order_id, Ship(), wait=WAIT)

    assert isinstance(outcome, OrderOutcome)
    assert outcome.needs_operator
    assert isinstance(resolved, OrderOutcome)
    assert not resolved.needs_operator
    assert await world.stock(sku) == (8, 0)
    assert await world.charged(order.order_id) == [2000]
