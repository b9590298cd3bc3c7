"""Cancelling in every state of the table: what is undone, what is only recorded, and what is left alone."""

from uuid import UUID, uuid4

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import OrderStep
from domain.order_ids import order_id
from domain.order_states import CANCELLABLE, SHIPPED_ONWARD, OrderStatus
from tests.support.steps import Steps, at_once, attempt, cancel

STAYS = sorted(set(OrderStatus) - CANCELLABLE - SHIPPED_ONWARD)


async def note(steps: Steps, order: UUID) -> UUID:
    note_id = uuid4()
    await steps.shop.run(
        "INSERT INTO order_notes (id, order_id, text, actor) VALUES (:id, :order, 'changed my mind', 'guest')",
        id=note_id,
        order=order,
    )
    return note_id


async def last_event(steps: Steps, order: UUID, kind: str) -> list[tuple[object, ...]]:
    return await steps.shop.run(
        "SELECT from_status, to_status, actor, reason, note_id FROM order_events WHERE order_id = :id AND type = :kind",
        id=order,
        kind=kind,
    )


@pytest.mark.parametrize("status", sorted(CANCELLABLE))
async def test_cancel_before_shipment_fences_the_order_and_releases_nothing_yet(
    steps: Steps, status: OrderStatus
) -> None:
    order = await steps.brought_to(status)
    stock = await steps.stock(steps.sku)
    request = cancel(order, note_id=await note(steps, order.order_id))

    cancelling = await attempt(steps.orders.begin_cancel, request)

    assert cancelling.status is OrderStatus.CANCELLING
    assert not cancelling.needs_operator
    assert await steps.stock(steps.sku) == stock
    expected = [(status, "cancelling", "guest", "requested", request.note_id)]
    assert await last_event(steps, order.order_id, "cancel_requested") == expected
    before = await steps.everything(order)
    assert await at_once(steps.orders.begin_cancel, request) == [cancelling] * 20
    assert await steps.everything(order) == before


@pytest.mark.parametrize("status", sorted(SHIPPED_ONWARD))
async def test_cancel_after_shipment_is_recorded_once_and_undoes_nothing(steps: Steps, status: OrderStatus) -> None:
    order = await steps.brought_to(status)
    request = cancel(order, note_id=await note(steps, order.order_id))

    recorded = await attempt(steps.orders.begin_cancel, request)

    assert recorded.status is status
    assert (recorded.needs_operator, recorded.operator_reason) == (True, "cancel_after_shipment")
    assert await steps.stock(steps.sku) == (8, 0)
    assert await steps.books(order.order_id) == ("captured", 2000, 0)
    assert await steps.cart_row(order.cart_id) == ("ordered", 1)
    before = await steps.everything(order)
    assert await at_once(steps.orders.begin_cancel, request) == [recorded] * 20
    assert await steps.everything(order) == before
    expected = [(status, status, "guest", "requested", request.note_id)]
    assert await last_event(steps, order.order_id, "cancel_requested") == expected


@pytest.mark.parametrize("status", STAYS)
async def test_cancel_leaves_an_order_alone_that_has_ended_or_is_being_cancelled(
    steps: Steps, status: OrderStatus
) -> None:
    order = await steps.brought_to(status)
    before = await steps.everything(order)

    answer = await attempt(steps.orders.begin_cancel, cancel(order))

    assert answer == await steps.snapshot(order)
    assert (answer.status, answer.needs_operator) == (status, False)
    assert await steps.everything(order) == before


async def test_cancel_before_the_order_was_opened_buries_it_once(steps: Steps) -> None:
    order = await steps.buyer()
    request = cancel(order, note_id=await note(steps, order.order_id))

    answers = await at_once(steps.orders.begin_cancel, request)

    assert answers == [answers[0]] * 20
    assert (answers[0].status, answers[0].total.amount) == (OrderStatus.CANCELLED, 0)
    assert await steps.events(order.order_id) == ["opened", "cancel_requested", "cancelled"]
    expected = [("pending", "cancelling", "guest", "requested", request.note_id)]
    assert await last_event(steps, order.order_id, "cancel_requested") == expected
    assert await steps.cart_row(order.cart_id) == ("open", 2)
    assert await steps.stock(steps.sku) == (10, 0)
    assert await attempt(steps.orders.finish_cancel, OrderStep(order.order_id)) == answers[0]
    assert await steps.cart_row(order.cart_id) == ("open", 2)


async def test_cancel_of_an_attempt_that_was_given_up_writes_no_order(steps: Steps) -> None:
    order = await steps.buyer()
    await steps.shop.run("UPDATE carts SET checkout_attempt = 2 WHERE id = :id", id=order.cart_id)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.begin_cancel, cancel(order))

    assert refused.value.type == "everorder.stale_checkout"
    assert await steps.shop.run("SELECT count(*) FROM orders WHERE cart_id = :id", id=order.cart_id) == [(0,)]
    assert await steps.cart_row(order.cart_id) == ("open", 2)


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.PAYMENT_REQUIRED])
async def test_order_that_was_not_placed_gives_back_its_hold_and_its_cart(steps: Steps, status: OrderStatus) -> None:
    order = await steps.brought_to(status)
    await attempt(steps.orders.begin_cancel, cancel(order))

    cancelled = await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))

    assert (cancelled.status, cancelled.reason) == (OrderStatus.CANCELLED, None)
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.reservations(order.order_id) == [(steps.sku, 2, "released")]
    assert await steps.movements(order.order_id) == []
    assert await steps.cart_row(order.cart_id) == ("open", 2)
    before = await steps.everything(order)
    assert await at_once(steps.orders.finish_cancel, OrderStep(order.order_id)) == [cancelled] * 20
    assert await steps.everything(order) == before


@pytest.mark.parametrize("status", [OrderStatus.PLACED, OrderStatus.FULFILLING])
async def test_placed_order_puts_its_goods_back_keeps_its_cart_and_sends_no_receipt(
    steps: Steps, status: OrderStatus
) -> None:
    order = await steps.brought_to(status)
    await attempt(steps.orders.begin_cancel, cancel(order))

    cancelled = await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))

    assert (cancelled.status, cancelled.messages) == (OrderStatus.CANCELLED, ())
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.movements(order.order_id) == [("sale", -2), ("cancellation", 2)]
    assert await steps.messages(order.order_id) == [("order_confirmation", "dropped", 0)]
    assert await steps.cart_row(order.cart_id) == ("ordered", 1)
    before = await steps.everything(order)
    assert await at_once(steps.orders.finish_cancel, OrderStep(order.order_id)) == [cancelled] * 20
    assert await steps.everything(order) == before


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.CANCELLING, OrderStatus.CANCELLED}))
async def test_order_that_nobody_has_begun_to_cancel_is_not_ended(steps: Steps, status: OrderStatus) -> None:
    order = await steps.brought_to(status)
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.illegal_transition", True)
    assert await steps.everything(order) == before


async def test_cart_of_a_cancelled_checkout_becomes_another_order(steps: Steps) -> None:
    order = await steps.brought_to(OrderStatus.CANCELLED)

    opened = await attempt(steps.orders.open, steps.order_of(order.cart_id, attempt=2))

    assert (opened.status, opened.order_id) == (OrderStatus.PENDING, order_id(order.cart_id, 2))
    assert await steps.stock(steps.sku) == (10, 2)
    assert await steps.reservations(order.order_id) == [(steps.sku, 2, "released")]


async def test_late_end_of_the_first_cancellation_does_not_touch_the_second_order(steps: Steps) -> None:
    order = await steps.brought_to(OrderStatus.CANCELLED)
    await attempt(steps.orders.open, steps.order_of(order.cart_id, attempt=2))

    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    await attempt(steps.orders.begin_cancel, cancel(order))

    assert await steps.stock(steps.sku) == (10, 2)
    assert await steps.cart_row(order.cart_id) == ("frozen", 2)
