"""Orders that are paid by transfer, or at the door: people say what has happened to the money."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle

from activities.providers import PaymentProviders
from cli.audit.auditing import audit
from contracts.orders import (
    Cancel,
    MarkDelivered,
    OrderOutcome,
    Pay,
    PlaceOrder,
    Refund,
    Ship,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from db import orders
from domain.captures import CapturePolicy
from domain.errors import AmountMismatchError, IllegalStepError, ReceiptUsedError
from domain.manual_payments import Confirmation
from domain.order_states import OrderStatus, PaymentStatus
from domain.payment_methods import PaymentWay
from domain.transfer_references import transfer_reference
from tests.support.confirming import owed, paid_back, received
from tests.support.gates import Gate
from tests.support.world import WAIT, World
from workers.wiring import WORK

TRANSFER = PaymentWay.BANK_TRANSFER
CASH = PaymentWay.CASH_ON_DELIVERY


async def order_by(world: World, way: PaymentWay, *, stock: int = 5) -> tuple[PlaceOrder, str]:
    sku = await world.goods(stock=stock)
    return world.order_of(await world.cart((sku, 2)), card=way), sku


async def until_paid(world: World, order: PlaceOrder, status: PaymentStatus) -> None:
    async with asyncio.timeout(30):
        while (await world.order(order.order_id)).payment_status is not status:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)


async def until_owed(world: World, order: PlaceOrder, amounts: list[int]) -> None:
    async with asyncio.timeout(30):
        while await owed(world, order) != amounts:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)


async def broken(world: World, order: PlaceOrder) -> list[object]:
    """List what the audit finds of an order; other tests' orders may be under way."""
    report = await audit(world.sessions, settled=True, provider=world.providers)
    found = [row for finding in report.broken_checks.values() for row in finding.rows]
    return [row for row in found if str(order.order_id) in str(row)]


def handle(world: World, order: PlaceOrder) -> WorkflowHandle[object, object]:
    return world.temporal.get_workflow_handle(order_workflow_id(order.order_id))


async def test_order_waits_for_the_transfer_and_is_placed_when_staff_say_that_it_has_come(world: World) -> None:
    order, sku = await order_by(world, TRANSFER)
    async with world.working():
        asked = await world.place(order)
        assert (asked.status, asked.decline_code) == (OrderStatus.PAYMENT_REQUIRED, "awaiting_transfer")
        row = await world.order(order.order_id)
        assert row.payment_deadline is not None
        assert await world.stock(sku) == (5, 2)
        await world.told(order.order_id)
        [mail] = [mail for mail in world.mail.sent if row.number in mail.subject]

        assert await received(world, order) is Confirmation.RECEIVED
        await world.stands(order.order_id, OrderStatus.PLACED)
        assert await received(world, order) is Confirmation.RECEIVED
        await world.told(order.order_id)

    [(reference, waited)] = await world.shop.run(
        "SELECT reference, awaited_until - created_at FROM manual_payments WHERE order_id = :id", id=order.order_id
    )
    assert reference == transfer_reference(row.number, 1)
    assert str(reference) in mail.text
    assert timedelta(days=7) <= waited < timedelta(days=7, minutes=1)  # type: ignore[operator]
    assert await world.events(order.order_id) == ["opened", "payment_action_required", "payment_answered", "placed"]
    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert (await world.order(order.order_id)).payment_status is PaymentStatus.CAPTURED
    assert await world.stock(sku) == (3, 0)
    assert await broken(world, order) == []


async def test_what_does_not_fit_is_refused_and_changes_nothing(world: World) -> None:
    order, _ = await order_by(world, TRANSFER)
    card = world.order_of(await world.cart((await world.goods(), 1)))
    other, _ = await order_by(world, TRANSFER)
    async with world.working():
        for one in (order, card, other):
            await world.place(one)
        with pytest.raises(AmountMismatchError):
            await received(world, order, 1999)
        with pytest.raises(IllegalStepError):
            await received(world, card, 1000)
        assert await received(world, other, 2000, "statement 12, line 3") is Confirmation.RECEIVED
        with pytest.raises(ReceiptUsedError):
            await received(world, order, 2000, "statement 12, line 3")
        with pytest.raises(IllegalStepError):
            await received(world, other, 2000, "statement 12, line 4")
        with pytest.raises(IllegalStepError):
            await paid_back(world, other, 2000)

        assert (await world.order(order.order_id)).status is OrderStatus.PAYMENT_REQUIRED
        assert await owed(world, order) == await owed(world, other) == await owed(world, card) == []
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)


async def test_a_hundred_who_say_it_at_once_place_one_order(world: World) -> None:
    order, sku = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        said = await asyncio.gather(*(received(world, order) for _ in range(100)))
        await world.stands(order.order_id, OrderStatus.PLACED)

    assert set(said) == {Confirmation.RECEIVED}
    [(state, captured)] = await world.shop.run(
        "SELECT m.state, o.captured_amount FROM manual_payments m JOIN orders o ON o.id = m.order_id WHERE o.id = :id",
        id=order.order_id,
    )
    assert (state, captured) == ("received", 2000)
    assert await world.stock(sku) == (3, 0)


@pytest.mark.proof  # it waits for forty seconds
async def test_transfer_that_never_comes_ends_the_order_and_money_that_comes_later_is_owed(hasty_world: World) -> None:
    world = hasty_world
    order, sku = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        ended = await world.ended(order.order_id)
        assert (ended.status, ended.reason) == (OrderStatus.FAILED, "payment_expired")
        assert await world.stock(sku) == (5, 0)

        assert await received(world, order) is Confirmation.LATE
        assert await received(world, order) is Confirmation.LATE
        late = await world.order(order.order_id)
        assert (late.status, late.needs_operator, late.operator_reason) == (OrderStatus.FAILED, True, "payment_late")
        assert await owed(world, order) == [2000]
        assert await broken(world, order) == []

        await paid_back(world, order, 2000)

    row = await world.order(order.order_id)
    assert (row.needs_operator, row.payment_status) == (False, PaymentStatus.NONE)
    assert await owed(world, order) == []
    assert (await world.events(order.order_id))[-2:] == ["operator_needed", "operator_resolved"]
    assert await broken(world, order) == []


async def test_another_way_to_pay_gives_the_transfer_up(world: World) -> None:
    order, _ = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        paid = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        assert isinstance(paid, OrderOutcome)
        assert paid.status is OrderStatus.PLACED
        assert await received(world, order) is Confirmation.LATE

    assert await world.charged(order.order_id) == [2000]
    assert await owed(world, order) == [2000]
    [providers] = await world.shop.run(
        "SELECT array_agg(DISTINCT provider ORDER BY provider) FROM payment_operations WHERE order_id = :id",
        id=order.order_id,
    )
    assert providers == (["manual", "stripe"],)


async def test_each_transfer_that_comes_after_it_was_given_up_is_owed_until_it_is_paid_back(world: World) -> None:
    order, _ = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        for method in (TRANSFER, "pm_card_visa"):
            await world.client.pay(order.order_id, Pay(method), wait=WAIT)
        for line in (1, 2):
            assert await received(world, order, 2000, f"statement 14, line {line}") is Confirmation.LATE
        with pytest.raises(IllegalStepError):
            await received(world, order, 2000, "statement 14, line 3")
        assert await owed(world, order) == [2000, 2000]

        await paid_back(world, order, 2000, "statement 15, line 1")
        assert (await world.order(order.order_id)).needs_operator
        await paid_back(world, order, 2000, "statement 15, line 2")
        assert not (await world.order(order.order_id)).needs_operator

    assert await world.charged(order.order_id) == [2000]
    assert await broken(world, order) == []


async def test_transfer_that_was_given_up_is_owed_also_where_another_one_has_paid_the_order(world: World) -> None:
    order, _ = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        await world.client.pay(order.order_id, Pay(TRANSFER), wait=WAIT)
        assert await received(world, order, 2000, "statement 16, line 1") is Confirmation.RECEIVED
        await world.stands(order.order_id, OrderStatus.PLACED)
        assert await received(world, order, 2000, "statement 16, line 2") is Confirmation.LATE

    assert await owed(world, order) == [2000]
    assert (await world.order(order.order_id)).operator_reason == "payment_late"
    assert await broken(world, order) == []


async def test_declined_card_is_followed_by_a_transfer_also_where_shipments_take_the_money(world: World) -> None:
    sku = await world.goods()
    order = replace(
        world.order_of(await world.cart((sku, 2)), card="pm_card_chargeDeclined"), capture=CapturePolicy.SHIPMENT
    )
    async with world.working():
        await world.place(order)
        waiting = await world.client.pay(order.order_id, Pay(TRANSFER), wait=WAIT)
        assert isinstance(waiting, OrderOutcome)
        assert waiting.decline_code == "awaiting_transfer"
        row = await world.order(order.order_id)
        assert row.payment_deadline is not None
        await received(world, order)
        await world.stands(order.order_id, OrderStatus.PLACED)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)

    assert await world.operations(order.order_id) == {
        "authorise:1": "declined",
        "void:1": "succeeded",
        "authorise:2": "succeeded",
        "capture:2": "succeeded",
    }
    assert await broken(world, order) == []


async def test_refund_of_a_transfer_is_owed_until_staff_have_paid_it(world: World) -> None:
    order, _ = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        await received(world, order)
        await world.stands(order.order_id, OrderStatus.PLACED)
        await world.client.refund(order, Refund(500), wait=WAIT)
        await until_owed(world, order, [500])
        assert (await world.order(order.order_id)).payment_status is PaymentStatus.CAPTURED
        with pytest.raises(AmountMismatchError):
            await paid_back(world, order, 600)

        await paid_back(world, order, 500)
        await until_paid(world, order, PaymentStatus.PARTIALLY_REFUNDED)
        await paid_back(world, order, 500)
        while "refunded" not in await world.events(order.order_id):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)

    assert await owed(world, order) == []
    [(refunded, refunding)] = await world.shop.run(
        "SELECT refunded_amount, refunding_amount FROM orders WHERE id = :id", id=order.order_id
    )
    assert (refunded, refunding) == (500, 0)
    assert await broken(world, order) == []


async def test_cancelled_order_lets_its_goods_go_at_once_and_ends_when_the_money_is_back(world: World) -> None:
    order, sku = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        await received(world, order)
        await world.stands(order.order_id, OrderStatus.PLACED)
        cancelling = asyncio.create_task(world.client.cancel(order.order_id, Cancel(), wait=WAIT))
        await until_owed(world, order, [2000])
        while await world.stock(sku) != (5, 0):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        assert (await world.order(order.order_id)).status is OrderStatus.CANCELLING

        await paid_back(world, order, 2000)
        cancelled = await cancelling

    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    row = await world.order(order.order_id)
    assert row.payment_status is PaymentStatus.REFUNDED
    assert await world.stock(sku) == (5, 0)
    assert await broken(world, order) == []


async def test_cancel_while_the_transfer_is_awaited_owes_nothing(world: World) -> None:
    order, sku = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        cancelled = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    assert await owed(world, order) == []
    assert await world.stock(sku) == (5, 0)


async def test_cash_is_promised_at_placement_and_taken_when_everything_has_arrived(world: World) -> None:
    order, sku = await order_by(world, CASH)
    async with world.working():
        placed = await world.place(order)
        assert placed.status is OrderStatus.PLACED
        assert (await world.order(order.order_id)).payment_status is PaymentStatus.AUTHORISED
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        assert (await world.order(order.order_id)).payment_status is PaymentStatus.AUTHORISED
        assert await broken(world, order) == []
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)

    row = await world.order(order.order_id)
    assert (row.status, row.payment_status) == (OrderStatus.DELIVERED, PaymentStatus.CAPTURED)
    assert (await world.events(order.order_id))[-2:] == ["delivered", "payment_collected"]
    assert await world.stock(sku) == (3, 0)
    assert await broken(world, order) == []


async def test_cash_is_taken_also_where_the_workflow_was_lost_right_after_the_delivery(world: World) -> None:
    order, _ = await order_by(world, CASH)
    gate = Gate("payments.capture", "before")
    async with world.working({TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}):
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        delivering = asyncio.create_task(world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT))
        await gate.reached.wait()
        await handle(world, order).terminate()
        gate.opened.set()
        await asyncio.wait({delivering})
    assert delivering.exception() is not None
    async with world.working():
        async with world.sessions.begin() as session:
            await world.client.resume(await orders.restart(session, order.order_id))
        await until_paid(world, order, PaymentStatus.CAPTURED)
        while "payment_collected" not in await world.events(order.order_id):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)

    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert await broken(world, order) == []


async def test_cash_that_is_confirmed_before_the_delivery_is_taken_once(world: World) -> None:
    order, _ = await order_by(world, CASH)
    async with world.working():
        await world.place(order)
        assert await received(world, order) is Confirmation.RECEIVED
        await until_paid(world, order, PaymentStatus.CAPTURED)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)

    assert (await world.events(order.order_id)).count("payment_collected") == 1
    assert not (await world.order(order.order_id)).needs_operator
    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert await broken(world, order) == []


async def test_cancelled_promise_costs_nobody_anything(world: World) -> None:
    order, sku = await order_by(world, CASH)
    async with world.working():
        await world.place(order)
        cancelled = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(cancelled, OrderOutcome)
    row = await world.order(order.order_id)
    assert (row.status, row.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.VOIDED)
    assert await owed(world, order) == []
    assert await world.stock(sku) == (5, 0)
    assert await broken(world, order) == []


async def test_way_that_is_switched_off_meanwhile_is_declined_and_what_was_begun_goes_on(world: World) -> None:
    begun, _ = await order_by(world, TRANSFER)
    fresh, _ = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(begun)
    cards_only = replace(world.resources, payments=PaymentProviders(*world.providers, ways={PaymentWay.CARD}))
    async with world.working({TaskQueue.PAYMENTS: WORK[TaskQueue.PAYMENTS](cards_only)}):
        refused = await world.place(fresh)
        await received(world, begun)
        await world.stands(begun.order_id, OrderStatus.PLACED)

    assert (refused.status, refused.decline_code) == (OrderStatus.PAYMENT_REQUIRED, "payment_method_unavailable")
    assert await world.shop.run("SELECT 1 FROM manual_payments WHERE order_id = :id", id=fresh.order_id) == []


async def test_awaited_transfer_outlives_its_workflow(world: World) -> None:
    order, _ = await order_by(world, TRANSFER)
    async with world.working():
        await world.place(order)
        await handle(world, order).terminate()
        assert await received(world, order) is Confirmation.RECEIVED
        await world.stands(order.order_id, OrderStatus.PLACED)

    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert await broken(world, order) == []
