"""Declined, tried again, and given up: the states in which stock is held and no money is there."""

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import OrderSnapshot, OrderStep, PlaceOrder
from domain.order_states import OrderStatus
from tests.support.steps import (
    DEADLINE,
    Steps,
    another_card,
    at_once,
    attempt,
    authorise,
    cancel,
    capture,
    declined,
    insist,
    reverse,
)

NO_FUNDS = "pm_card_visa_chargeDeclinedInsufficientFunds"


async def declined_order(steps: Steps) -> tuple[PlaceOrder, OrderSnapshot]:
    """Decline an order's first payment as the workflow does: authorise, reverse, ask for another card."""
    order = await steps.opened(card=NO_FUNDS)
    await insist(steps.payments.authorise, authorise(order))
    await insist(steps.payments.reverse, reverse(order))
    return order, await attempt(steps.orders.require_payment, declined(order))


async def test_decline_keeps_the_stock_held_and_the_cart_locked(steps: Steps) -> None:
    order, snapshot = await declined_order(steps)

    assert snapshot.status is OrderStatus.PAYMENT_REQUIRED
    assert (snapshot.decline_code, snapshot.payment_deadline) == ("insufficient_funds", DEADLINE)
    assert (snapshot.payment_attempt, len(snapshot.messages)) == (1, 1)
    assert await steps.messages(order.order_id) == [("payment_failed", "pending", 0)]
    assert await steps.stock(steps.sku) == (10, 2)
    assert await steps.events(order.order_id) == ["opened", "payment_declined"]
    assert await steps.shop.run(
        "SELECT reason FROM order_events WHERE order_id = :id AND type = 'payment_declined'", id=order.order_id
    ) == [("insufficient_funds",)]
    assert [status for status, *_ in await steps.intents(order.order_id)] == ["canceled"]


async def test_asking_for_another_card_twice_or_twenty_times_writes_one_event(steps: Steps) -> None:
    order = await steps.opened()
    first = await attempt(steps.orders.require_payment, declined(order))
    before = await steps.everything(order)

    assert await at_once(steps.orders.require_payment, declined(order)) == [first] * 20
    assert await steps.everything(order) == before
    assert await steps.events(order.order_id) == ["opened", "payment_declined"]


async def test_another_card_begins_the_next_attempt_with_the_stock_still_held(steps: Steps) -> None:
    order, _ = await declined_order(steps)

    pending = await attempt(steps.orders.retry_payment, another_card(order))

    assert (pending.status, pending.payment_attempt) == (OrderStatus.PENDING, 2)
    assert (pending.payment_method, pending.decline_code) == ("pm_card_mastercard", None)
    assert pending.payment_deadline == DEADLINE
    assert await steps.stock(steps.sku) == (10, 2)
    assert await at_once(steps.orders.retry_payment, another_card(order)) == [pending] * 20
    assert await steps.events(order.order_id) == ["opened", "payment_declined", "payment_retried"]


async def test_second_card_pays_and_the_order_is_placed_with_one_charge(steps: Steps) -> None:
    order, _ = await declined_order(steps)
    await attempt(steps.orders.retry_payment, another_card(order))

    await insist(steps.payments.authorise, authorise(order, 2, "pm_card_mastercard"))
    await insist(steps.payments.capture, capture(order, 2))
    placed = await attempt(steps.orders.place, OrderStep(order.order_id))

    assert placed.status is OrderStatus.PLACED
    assert await steps.intents(order.order_id) == [("canceled", 0, 0), ("succeeded", 2000, 0)]
    assert await steps.stock(steps.sku) == (8, 0)


async def test_late_decline_of_the_first_attempt_does_not_stop_the_second(steps: Steps) -> None:
    order = await steps.opened()
    await attempt(steps.orders.require_payment, declined(order))
    await attempt(steps.orders.retry_payment, another_card(order))
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.require_payment, declined(order))

    assert refused.value.type == "everorder.illegal_transition"
    assert await steps.everything(order) == before


async def test_late_retry_does_not_begin_an_attempt_that_was_declined_meanwhile(steps: Steps) -> None:
    order = await steps.opened()
    await attempt(steps.orders.require_payment, declined(order))
    await attempt(steps.orders.retry_payment, another_card(order, 2))
    await attempt(steps.orders.require_payment, declined(order, 2))
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.retry_payment, another_card(order, 2))

    assert refused.value.type == "everorder.illegal_transition"
    assert await steps.everything(order) == before


async def test_expiry_releases_the_stock_fails_the_order_and_reopens_the_cart(steps: Steps) -> None:
    order = await steps.brought_to(OrderStatus.PAYMENT_REQUIRED)

    expired = await attempt(steps.orders.expire, OrderStep(order.order_id))

    assert (expired.status, expired.reason) == (OrderStatus.FAILED, "payment_expired")
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.reservations(order.order_id) == [(steps.sku, 2, "released")]
    assert await steps.movements(order.order_id) == []
    assert await steps.messages(order.order_id) == [("payment_failed", "dropped", 0), ("payment_expired", "pending", 0)]
    assert await steps.cart_row(order.cart_id) == ("open", 2)
    before = await steps.everything(order)
    assert await at_once(steps.orders.expire, OrderStep(order.order_id)) == [expired] * 20
    assert await steps.everything(order) == before


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.PAYMENT_REQUIRED, OrderStatus.FAILED}))
async def test_order_that_waits_for_no_payment_does_not_expire(steps: Steps, status: OrderStatus) -> None:
    order = await steps.brought_to(status)
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.expire, OrderStep(order.order_id))

    assert refused.value.type == "everorder.illegal_transition"
    assert await steps.everything(order) == before


async def test_cancelled_order_neither_asks_for_a_card_nor_takes_one(steps: Steps) -> None:
    order = await steps.opened()
    await attempt(steps.orders.begin_cancel, cancel(order))
    before = await steps.everything(order)

    with pytest.raises(ApplicationError, match="payment_declined is not possible"):
        await attempt(steps.orders.require_payment, declined(order))
    with pytest.raises(ApplicationError, match="payment_retried is not possible"):
        await attempt(steps.orders.retry_payment, another_card(order))

    assert await steps.everything(order) == before
