"""The stories that an order can live through, played for real: recorded for replay, and searched for people."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from contracts.orders import (
    Cancel,
    Decision,
    MarkDelivered,
    Pay,
    PaymentEvent,
    PlaceOrder,
    ReceiveReturn,
    Refund,
    Resolve,
    Ship,
    ShippedLine,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus
from domain.payment_events import PaymentEventType
from domain.payment_methods import PaymentWay
from tests.support.confirming import owed, paid_back, received
from tests.support.gates import Gate
from tests.support.returning import ask
from tests.support.world import WAIT, World
from workers.wiring import WORK

Told = Callable[[World], Awaitable[PlaceOrder]]

DECLINED = "pm_card_chargeDeclined"
NO_FUNDS = "pm_card_visa_chargeDeclinedInsufficientFunds"


async def _order(world: World, *, stock: int = 10, card: str = "pm_card_visa") -> PlaceOrder:
    sku = await world.goods(stock=stock)
    return world.order_of(await world.cart((sku, 2)), card=card)


async def placed(world: World) -> PlaceOrder:
    order = await _order(world)
    async with world.working():
        await world.place(order)
        await world.told(order.order_id)
    return order


async def sold_out(world: World) -> PlaceOrder:
    order = await _order(world, stock=1)
    async with world.working():
        await world.place(order)
        await world.ended(order.order_id)
    return order


async def declined_then_paid(world: World) -> PlaceOrder:
    order = await _order(world, card=DECLINED)
    async with world.working():
        await world.place(order)
        await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        await world.told(order.order_id)
    return order


async def declined_then_cancelled(world: World) -> PlaceOrder:
    order = await _order(world, card=DECLINED)
    async with world.working():
        await world.place(order)
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        await world.ended(order.order_id)
    return order


async def cancelled_while_authorising(world: World) -> PlaceOrder:
    order = await _order(world)
    gate = Gate("payments.authorise", "after")
    async with world.working({TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}):
        placing = asyncio.create_task(world.client.place(order, wait=WAIT))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).cancel()
        await placing
        await world.ended(order.order_id)
    return order


async def placed_then_cancelled(world: World) -> PlaceOrder:
    order = await _order(world)
    async with world.working():
        await world.place(order)
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        await world.ended(order.order_id)
    return order


async def shipped_then_cancelled(world: World) -> PlaceOrder:
    order = await _order(world)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
    return order


async def partially_refunded(world: World) -> PlaceOrder:
    order = await _order(world)
    async with world.working():
        await world.place(order)
        for amount in (500, 700):
            await world.client.refund(order, Refund(amount), wait=WAIT)
        await world.told(order.order_id)
    return order


async def _place_and_ship_half(world: World, order: PlaceOrder) -> None:
    await world.place(order)
    [[line]] = await world.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
    await world.client.ship(order.order_id, Ship(lines=(ShippedLine(UUID(str(line)), 1),)), wait=WAIT)


async def shipped_in_two_parts(world: World) -> PlaceOrder:
    order = replace(await _order(world), capture=CapturePolicy.SHIPMENT)
    async with world.working():
        await _place_and_ship_half(world, order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        await world.told(order.order_id)
    return order


async def rest_cancelled(world: World) -> PlaceOrder:
    order = replace(await _order(world), capture=CapturePolicy.SHIPMENT)
    async with world.working():
        await _place_and_ship_half(world, order)
        await world.client.cancel(order.order_id, Cancel(rest_only=True), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        await world.told(order.order_id)
    return order


async def action_required_then_another_card(world: World) -> PlaceOrder:
    order = await _order(world, card="pm_card_authenticationRequired")
    async with world.working():
        await world.place(order)
        handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
        await handle.signal("payment_event", PaymentEvent("pi_somebody_says", PaymentEventType.AUTHORISED))
        await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        await world.told(order.order_id)
    return order


async def retry_scheduled_then_paid(world: World) -> PlaceOrder:
    order = replace(await _order(world, card=NO_FUNDS), retry_delays=(timedelta(hours=1),), retry_holds_stock=False)
    async with world.working():
        await world.place(order)
        await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        await world.settled(order.order_id)
    return order


async def transferred_then_cancelled(world: World) -> PlaceOrder:
    order = await _order(world, card=PaymentWay.BANK_TRANSFER)
    async with world.working():
        await world.place(order)
        await world.told(order.order_id)
        await received(world, order)
        while (await world.order(order.order_id)).status is not OrderStatus.PLACED:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        cancelling = asyncio.create_task(world.client.cancel(order.order_id, Cancel(), wait=WAIT))
        while await owed(world, order) != [2000]:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        await paid_back(world, order, 2000)
        await cancelling
        await world.ended(order.order_id)
    return order


async def paid_at_the_door(world: World) -> PlaceOrder:
    order = await _order(world, card=PaymentWay.CASH_ON_DELIVERY)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        await world.told(order.order_id)
    return order


async def shipped_then_returned(world: World) -> PlaceOrder:
    order = await _order(world)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        arrived = ReceiveReturn(await ask(world, order))
        await world.client.receive_return(order, arrived, wait=WAIT)
        while (await world.order(order.order_id)).refunding:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        await world.told(order.order_id)
    return order


STORIES: dict[str, Told] = {
    story.__name__: story
    for story in (
        placed,
        sold_out,
        declined_then_paid,
        declined_then_cancelled,
        cancelled_while_authorising,
        placed_then_cancelled,
        shipped_then_cancelled,
        partially_refunded,
        action_required_then_another_card,
        retry_scheduled_then_paid,
        shipped_in_two_parts,
        rest_cancelled,
        transferred_then_cancelled,
        paid_at_the_door,
        shipped_then_returned,
    )
}
