from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import OrderSnapshot, OrderStep, Shortage
from domain.order_ids import order_id
from domain.order_states import OrderStatus, PaymentStatus
from tests.support.steps import TOTAL, Steps, at_once, attempt, cancel


async def test_opening_freezes_prices_and_holds_the_cart(steps: Steps) -> None:
    order = await steps.buyer(expected=2000)

    opened = await attempt(steps.orders.open, order)

    assert opened == OrderSnapshot(
        order_id=order.order_id,
        number=opened.number,
        status=OrderStatus.PENDING,
        payment_status=PaymentStatus.NONE,
        total=TOTAL,
        payment_method="pm_card_visa",
    )
    assert await steps.shop.run(
        "SELECT position, sku, title, quantity, unit_price_amount, total_amount FROM order_lines WHERE order_id = :id",
        id=order.order_id,
    ) == [(0, steps.sku, "Enamel mug", 2, 1000, 2000)]
    assert await steps.shop.run(
        "SELECT subtotal_amount, discount_amount, shipping_amount, tax_amount, email, shipping_address ->> 'city'"
        " FROM orders WHERE id = :id",
        id=order.order_id,
    ) == [(2000, 0, 0, 0, "ada@example.com", "London")]
    assert await steps.reservations(order.order_id) == [(steps.sku, 2, "held")]
    assert await steps.stock(steps.sku) == (10, 2)
    assert await steps.events(order.order_id) == ["opened"]
    assert await steps.cart_row(order.cart_id) == ("frozen", 1)
    assert await steps.movements(order.order_id) == []
    assert await steps.messages(order.order_id) == []
    assert steps.meddler.asked == []


async def test_opening_twice_answers_the_same_and_holds_once(steps: Steps) -> None:
    order = await steps.buyer()
    opened = await attempt(steps.orders.open, order)
    before = await steps.everything(order)

    assert await attempt(steps.orders.open, order) == opened
    assert await steps.everything(order) == before


async def test_twenty_openings_at_once_make_one_order(steps: Steps) -> None:
    order = await steps.buyer()

    answers = await at_once(steps.orders.open, order)

    assert answers == [answers[0]] * 20
    assert answers[0].status is OrderStatus.PENDING
    assert await steps.stock(steps.sku) == (10, 2)
    assert await steps.events(order.order_id) == ["opened"]
    assert await steps.shop.run("SELECT count(*) FROM orders WHERE cart_id = :id", id=order.cart_id) == [(1,)]


async def test_too_little_stock_fails_the_order_holds_nothing_and_reopens_the_cart(steps: Steps) -> None:
    order = await steps.buyer(stock=1)

    failed = await attempt(steps.orders.open, order)
    again = await attempt(steps.orders.open, order)

    assert (failed.status, failed.reason) == (OrderStatus.FAILED, "insufficient_stock")
    assert failed.shortages == (Shortage(steps.sku, requested=2, available=1),)
    assert (again.status, again.reason) == (OrderStatus.FAILED, "insufficient_stock")
    assert await steps.reservations(order.order_id) == []
    assert await steps.stock(steps.sku) == (1, 0)
    assert await steps.events(order.order_id) == ["opened", "refused"]
    assert await steps.cart_row(order.cart_id) == ("open", 2)


async def test_one_short_line_leaves_the_plentiful_one_unheld(steps: Steps) -> None:
    plenty, scarce = await steps.goods(stock=10), await steps.goods(stock=1)
    order = steps.order_of(await steps.cart((plenty, 3), (scarce, 2)))

    failed = await attempt(steps.orders.open, order)

    assert failed.shortages == (Shortage(scarce, requested=2, available=1),)
    assert await steps.stock(plenty) == (10, 0)
    assert await steps.stock(scarce) == (1, 0)


async def test_lines_of_one_sku_are_held_as_one(steps: Steps) -> None:
    sku = await steps.goods(stock=5)
    fits = steps.order_of(await steps.cart((sku, 2), (sku, 3)))
    order = steps.order_of(await steps.cart((sku, 3), (sku, 3)))

    refused = await attempt(steps.orders.open, order)
    opened = await attempt(steps.orders.open, fits)

    assert refused.shortages == (Shortage(sku, requested=6, available=5),)
    assert opened.status is OrderStatus.PENDING
    assert await steps.reservations(fits.order_id) == [(sku, 5, "held")]
    assert await steps.stock(sku) == (5, 5)


async def test_sku_without_a_stock_level_is_short_with_nothing_available(steps: Steps) -> None:
    sku = await steps.shop.buyable(stock=None)
    order = steps.order_of(await steps.cart((sku, 1)))

    failed = await attempt(steps.orders.open, order)

    assert failed.shortages == (Shortage(sku, requested=1, available=0),)
    assert await steps.shop.run("SELECT count(*) FROM stock_levels WHERE sku = :sku", sku=sku) == [(0,)]


async def test_another_price_than_the_buyer_saw_fails_the_order_and_holds_nothing(steps: Steps) -> None:
    order = await steps.buyer(expected=2000)
    await steps.shop.price(steps.sku, 1001)

    failed = await attempt(steps.orders.open, order)

    assert (failed.status, failed.reason, failed.total.amount) == (OrderStatus.FAILED, "price_changed", 2002)
    assert failed.shortages == ()
    assert await attempt(steps.orders.open, order) == failed
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.reservations(order.order_id) == []
    assert await steps.cart_row(order.cart_id) == ("open", 2)


async def test_next_attempt_after_a_failure_is_another_order_of_the_same_cart(steps: Steps) -> None:
    order = await steps.buyer(stock=1)
    await attempt(steps.orders.open, order)
    await steps.receive(steps.sku, 5)
    second = steps.order_of(order.cart_id, attempt=2)

    opened = await attempt(steps.orders.open, second)

    assert opened.status is OrderStatus.PENDING
    assert opened.order_id == order_id(order.cart_id, 2) != order.order_id
    assert await steps.stock(steps.sku) == (6, 2)
    assert (await steps.snapshot(order)).status is OrderStatus.FAILED


async def test_cancelled_before_it_was_opened_stays_cancelled_and_holds_nothing(steps: Steps) -> None:
    order = await steps.buyer()
    await attempt(steps.orders.begin_cancel, cancel(order))

    late = await attempt(steps.orders.open, order)

    assert late.status is OrderStatus.CANCELLED
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.reservations(order.order_id) == []
    assert await steps.events(order.order_id) == ["opened", "cancel_requested", "cancelled"]
    assert await steps.cart_row(order.cart_id) == ("open", 2)


async def test_opened_again_after_it_was_undone_stays_undone(steps: Steps) -> None:
    order = await steps.opened()
    await attempt(steps.orders.begin_cancel, cancel(order))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    before = await steps.everything(order)

    assert (await attempt(steps.orders.open, order)).status is OrderStatus.CANCELLED
    assert await steps.everything(order) == before


async def test_attempt_that_was_given_up_without_an_order_is_stale(steps: Steps) -> None:
    order = await steps.buyer()
    await steps.shop.run("UPDATE carts SET checkout_attempt = 2 WHERE id = :id", id=order.cart_id)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.open, order)

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.stale_checkout", True)
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.shop.run("SELECT count(*) FROM orders WHERE cart_id = :id", id=order.cart_id) == [(0,)]


async def test_cart_that_expired_or_went_into_another_one_after_its_checkout_was_asked_for_makes_no_order(
    steps: Steps,
) -> None:
    order = await steps.buyer()
    await steps.shop.run("UPDATE carts SET status = 'expired' WHERE id = :id", id=order.cart_id)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.open, order)

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.cart_expired", True)
    assert await steps.stock(steps.sku) == (10, 0)
    assert await steps.shop.run("SELECT count(*) FROM orders WHERE cart_id = :id", id=order.cart_id) == [(0,)]


async def test_cart_that_is_an_order_already_makes_no_other(steps: Steps) -> None:
    order = await steps.placed()

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.open, steps.order_of(order.cart_id, attempt=2))

    assert refused.value.type == "everorder.cart_checked_out"
    assert await steps.stock(steps.sku) == (8, 0)


async def test_cart_that_became_too_dear_makes_no_order(steps: Steps) -> None:
    order = await steps.buyer()
    await steps.shop.run("UPDATE prices SET amount = 9223372036854775807 WHERE sku = :sku", sku=steps.sku)
    before = await steps.everything(order)
    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.open, order)
    assert refused.value.type == "everorder.validation_error"
    assert refused.value.non_retryable
    assert await steps.everything(order) == before


async def test_cart_that_does_not_exist_is_not_found(steps: Steps) -> None:
    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.open, steps.order_of(uuid4()))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.not_found", True)
