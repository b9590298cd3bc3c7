"""A run that was terminated may still have a step in hand: the run after it goes on from where the row then stands."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from contracts.orders import Cancel, OrderOutcome, Pay, PlaceOrder, Ship, ShippedLine
from contracts.queues import TaskQueue
from domain.captures import CapturePolicy
from domain.errors import EverorderError
from domain.order_states import OrderStatus
from tests.support.gates import Gate
from tests.support.overtaking import begin_to_cancel, cancel_to_its_end, lose_row
from tests.support.world import WAIT, World
from workers.wiring import WORK

Overtakes = Callable[[World, PlaceOrder], Awaitable[None]]

DECLINED = "pm_card_chargeDeclined"


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("step", ["payments.authorise", "payments.capture"])
async def test_checkout_whose_row_an_earlier_run_begins_to_cancel_is_undone_without_an_operator(
    world: World, step: str, where: str
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))
    gate = Gate(step, where)

    async with world.working({TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}):
        placing = asyncio.create_task(world.client.place(order, wait=WAIT))
        await gate.reached.wait()
        await begin_to_cancel(world, order)
        gate.opened.set()
        outcome = await placing

    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CANCELLED
    assert not outcome.needs_operator
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert await world.reserved_money(order.order_id) == 0
    assert await world.events(order.order_id) == ["opened", "cancel_requested", "cancelled"]


async def test_order_whose_row_an_earlier_run_has_cancelled_ends_when_its_buyer_offers_another_card(
    world: World,
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)), card=DECLINED)

    async with world.working():
        await world.place(order)
        await cancel_to_its_end(world, order)
        with pytest.raises(EverorderError) as refused:
            await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        outcome = await world.ended(order.order_id)

    assert refused.value.code == "illegal_transition"
    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert "operator_needed" not in await world.events(order.order_id)


async def test_shipment_whose_order_an_earlier_run_begins_to_cancel_is_refused_and_stays_in_the_house(
    world: World,
) -> None:
    sku = await world.goods(stock=10)
    order = replace(world.order_of(await world.cart((sku, 4))), capture=CapturePolicy.SHIPMENT)
    gate = Gate("shipments.send", "before")
    work = gate.apply(WORK[TaskQueue.ORDERS](world.resources))

    async with world.working({TaskQueue.ORDERS: work}):
        await world.place(order)
        [(line_id,)] = await world.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
        half = Ship(lines=(ShippedLine(UUID(str(line_id)), 2),))
        shipping = asyncio.create_task(world.client.ship(order.order_id, half, wait=WAIT))
        await gate.reached.wait()
        await begin_to_cancel(world, order)
        gate.opened.set()
        with pytest.raises(EverorderError) as refused:
            await shipping
        outcome = await world.ended(order.order_id)

    assert refused.value.code == "illegal_transition"
    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert await world.shop.run("SELECT state FROM shipments WHERE order_id = :id", id=order.order_id) == [
        ("abandoned",)
    ]


@pytest.mark.parametrize("overtake", [begin_to_cancel, cancel_to_its_end])
async def test_order_that_waits_is_cancelled_as_its_row_is_once_it_is_told_to_look(
    world: World, overtake: Overtakes
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)), card=DECLINED)

    async with world.working():
        await world.place(order)
        await overtake(world, order)
        await world.client.look_at_row(order.order_id)
        outcome = await world.ended(order.order_id)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert "operator_needed" not in await world.events(order.order_id)


async def test_order_that_is_told_to_look_and_sees_nothing_new_goes_on_as_before(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        await world.client.look_at_row(order.order_id)
        outcome = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert await world.events(order.order_id) == ["opened", "placed", "cancel_requested", "cancelled"]


async def test_order_that_is_told_to_look_and_has_no_row_any_more_is_left_to_reconciliation(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 2)), card=DECLINED)

    async with world.working():
        await world.place(order)
        await lose_row(world, order)
        await world.client.look_at_row(order.order_id)
        with pytest.raises(EverorderError) as refused:
            await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)

    assert refused.value.code == "not_found"
    assert await world.client.is_running(order.order_id)
