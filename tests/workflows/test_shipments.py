"""Goods leave the house line by line; where each shipment takes its share of the money, not before that."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from clients.orders import OrderRefusedError
from contracts.orders import (
    Cancel,
    Decision,
    MarkDelivered,
    OrderOutcome,
    PlaceOrder,
    Resolve,
    Ship,
    ShippedLine,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from db import orders
from domain.captures import CapturePolicy
from domain.errors import IllegalStepError
from domain.order_states import OrderStatus
from tests.support.gates import Gate
from tests.support.world import WAIT, World
from workers.wiring import WORK

ONE_CAPTURE_ONLY = "pm_card_credit_disableEnterpriseCardFeatures"


async def two_lines(world: World, *, capture: CapturePolicy, card: str = "pm_card_visa") -> PlaceOrder:
    """Name the order of two cups at 10.00 and three saucers at 3.33."""
    cups, saucers = await world.goods(), await world.goods(amount=333)
    order = world.order_of(await world.cart((cups, 2), (saucers, 3)), card=card)
    return replace(order, capture=capture)


async def lines(world: World, order: PlaceOrder) -> tuple[UUID, UUID]:
    """Name the lines of the cups and the saucers."""
    rows = await world.shop.run(
        "SELECT line_id FROM order_lines WHERE order_id = :id ORDER BY position", id=order.order_id
    )
    cups, saucers = (UUID(str(row[0])) for row in rows)
    return cups, saucers


async def ship(world: World, order: PlaceOrder, *parts: tuple[UUID, int], shipment: UUID | None = None) -> OrderOutcome:
    wanted = Ship("operator:7", "DHL", "JD01", tuple(ShippedLine(*part) for part in parts), shipment)
    outcome = await world.client.ship(order.order_id, wanted, wait=WAIT)
    assert isinstance(outcome, OrderOutcome)
    return outcome


async def shipments(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run(
        "SELECT n, state, share_amount FROM shipments WHERE order_id = :id ORDER BY n", id=order.order_id
    )


async def books(world: World, order: PlaceOrder) -> tuple[object, ...]:
    [row] = await world.shop.run(
        "SELECT payment_status, captured_amount, refunded_amount FROM orders WHERE id = :id", id=order.order_id
    )
    return row


async def templates(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run(
        "SELECT template, n FROM notifications WHERE order_id = :id ORDER BY created_at, id", id=order.order_id
    )


async def test_order_shipped_in_two_parts_captures_each_share_before_its_goods_leave(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    async with world.working():
        placed = await world.place(order)
        assert placed.status is OrderStatus.PLACED
        assert await books(world, order) == ("authorised", 0, 0)
        assert await world.charged(order.order_id) == []
        cups, saucers = await lines(world, order)

        first = await ship(world, order, (cups, 1), (saucers, 1))
        assert first.status is OrderStatus.FULFILLING
        assert await books(world, order) == ("partially_captured", 1333, 0)
        assert await world.charged(order.order_id) == [1333]
        assert await world.reserved_money(order.order_id) == 1

        second = await ship(world, order)
        await world.told(order.order_id)

    assert second.status is OrderStatus.SHIPPED
    assert await books(world, order) == ("captured", 2999, 0)
    assert await world.charged(order.order_id) == [2999]
    assert await world.reserved_money(order.order_id) == 0
    assert await shipments(world, order) == [(1, "shipped", 1333), (2, "shipped", 1666)]
    expected = {"authorise:1": "succeeded", "capture:1": "succeeded", "capture:2": "succeeded"}
    assert await world.operations(order.order_id) == expected
    assert await world.events(order.order_id) == [
        "opened",
        "placed",
        "fulfilment_started",
        "partially_shipped",
        "shipped",
    ]
    assert await templates(world, order) == [("order_confirmation", 1), ("shipment", 1), ("shipment", 2)]
    first_mail, second_mail = sorted(mail.text for mail in world.mail.sent if "on its way" in mail.subject)
    assert "1 x Enamel mug" in first_mail
    assert "2 x Enamel mug" in second_mail
    assert "JD01" in first_mail


async def test_order_paid_at_placement_asks_no_provider_when_it_is_shipped(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        shipped = await ship(world, order)

    assert shipped.status is OrderStatus.SHIPPED
    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert await shipments(world, order) == [(1, "shipped", 0)]


async def test_more_than_is_left_is_not_shipped_and_nothing_of_it_is(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    async with world.working():
        await world.place(order)
        cups, saucers = await lines(world, order)
        await ship(world, order, (cups, 1))
        for parts in [((cups, 2), (saucers, 1)), ((cups, 1), (cups, 1)), ((uuid4(), 1),), ((saucers, 0),)]:
            with pytest.raises(OrderRefusedError) as refused:
                await ship(world, order, *parts)
            assert refused.value.code == "shipment_too_large"

    assert await shipments(world, order) == [(1, "shipped", 1000)]
    assert await world.charged(order.order_id) == [1000]


async def test_two_shipments_of_the_last_cup_at_once_send_it_once(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    async with world.working():
        await world.place(order)
        cups, _ = await lines(world, order)
        await ship(world, order, (cups, 1))
        answers = await asyncio.gather(*(ship(world, order, (cups, 1)) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(answer, OrderOutcome) for answer in answers) == 1
    assert await shipments(world, order) == [(1, "shipped", 1000), (2, "shipped", 1000)]
    assert await world.charged(order.order_id) == [2000]


async def test_same_shipment_asked_for_again_is_sent_once(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    named = uuid4()
    async with world.working():
        await world.place(order)
        cups, _ = await lines(world, order)
        answers = [await ship(world, order, (cups, 1), shipment=named) for _ in range(3)]

    assert [answer.status for answer in answers] == [OrderStatus.FULFILLING] * 3
    assert await shipments(world, order) == [(1, "shipped", 1000)]
    assert await world.charged(order.order_id) == [1000]


async def test_shipment_whose_capture_is_refused_does_not_leave_and_calls_an_operator(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT, card=ONE_CAPTURE_ONLY)
    async with world.working():
        await world.place(order)
        cups, _ = await lines(world, order)
        with pytest.raises(OrderRefusedError) as refused:
            await ship(world, order, (cups, 1))
        assert refused.value.code == "capture_declined"
        stuck = await world.order(order.order_id)
        assert (stuck.status, stuck.needs_operator) == (OrderStatus.PLACED, True)
        assert stuck.operator_reason == "capture_declined"
        assert await world.charged(order.order_id) == []
        await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        whole = await ship(world, order)

    assert whole.status is OrderStatus.SHIPPED
    assert await shipments(world, order) == [(1, "abandoned", 1000), (2, "shipped", 2999)]
    assert await world.charged(order.order_id) == [2999]
    assert await templates(world, order) == [("order_confirmation", 1), ("shipment", 2)]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("step", ["shipments.begin", "payments.capture", "shipments.send"])
async def test_shipment_of_an_order_terminated_around_a_step_is_sent_and_captured_once(
    world: World, step: str, where: str
) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    gate = Gate(step, where)
    queue = TaskQueue.PAYMENTS if step.startswith("payments") else TaskQueue.ORDERS
    named = uuid4()
    async with world.working():
        await world.place(order)
    cups, _ = await lines(world, order)
    async with world.working({queue: gate.apply(WORK[queue](world.resources))}):
        shipping = asyncio.create_task(ship(world, order, (cups, 1), shipment=named))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).terminate("a test")
        gate.opened.set()
        await asyncio.gather(shipping, return_exceptions=True)
    async with world.working():
        async with world.sessions.begin() as session:
            await world.client.resume(await orders.restart(session, order.order_id))
        again = await ship(world, order, (cups, 1), shipment=named)
        last = await ship(world, order)

    assert (again.status, last.status) == (OrderStatus.FULFILLING, OrderStatus.SHIPPED)
    assert await shipments(world, order) == [(1, "shipped", 1000), (2, "shipped", 1999)]
    assert await world.charged(order.order_id) == [2999]


async def test_cancel_before_anything_is_shipped_lets_the_reserved_money_go(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    async with world.working():
        await world.place(order)
        cancelled = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    assert await books(world, order) == ("voided", 0, 0)
    assert await world.reserved_money(order.order_id) == 0


async def test_cancel_of_a_partly_shipped_order_is_only_recorded(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.SHIPMENT)
    async with world.working():
        await world.place(order)
        cups, _ = await lines(world, order)
        await ship(world, order, (cups, 1))
        recorded = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        assert isinstance(recorded, OrderOutcome)
        assert (recorded.status, recorded.needs_operator) == (OrderStatus.FULFILLING, True)
        with pytest.raises(IllegalStepError):
            await world.client.resolve(order, Resolve(Decision.REFUND), wait=WAIT)

    assert (await world.order(order.order_id)).operator_reason == "cancel_after_shipment"
    assert await world.charged(order.order_id) == [1000]
    assert await world.reserved_money(order.order_id) == 1


async def test_order_is_delivered_with_its_last_shipment(world: World) -> None:
    order = await two_lines(world, capture=CapturePolicy.PLACEMENT)
    first, second = uuid4(), uuid4()
    async with world.working():
        await world.place(order)
        cups, _ = await lines(world, order)
        with pytest.raises(IllegalStepError):
            await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        await ship(world, order, (cups, 2), shipment=first)
        await world.client.mark_delivered(order.order_id, MarkDelivered("operator:7", first), wait=WAIT)
        assert (await world.order(order.order_id)).status is OrderStatus.FULFILLING
        await ship(world, order, shipment=second)
        assert (await world.order(order.order_id)).status is OrderStatus.SHIPPED
        await world.client.mark_delivered(order.order_id, MarkDelivered("operator:7", second), wait=WAIT)

    delivered = await world.order(order.order_id)
    assert delivered.status is OrderStatus.DELIVERED
    assert delivered.close_at is not None
    assert (await world.events(order.order_id))[-4:] == [
        "partially_shipped",
        "partially_delivered",
        "shipped",
        "delivered",
    ]


async def test_delivered_order_is_closed_when_the_time_for_returns_is_over(hasty_world: World) -> None:
    world = hasty_world
    order = await two_lines(world, capture=CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        await ship(world, order)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        ended = await world.ended(order.order_id)

    assert ended.status is OrderStatus.CLOSED
    assert (await world.events(order.order_id))[-2:] == ["delivered", "closed"]
    history = await world.history(order.order_id)
    timers = [
        event.timer_started_event_attributes
        for event in history.events
        if event.HasField("timer_started_event_attributes")
    ]
    assert any(timer.start_to_fire_timeout.ToTimedelta() > timedelta(days=29) for timer in timers)
