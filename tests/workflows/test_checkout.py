"""How a checkout ends, when nobody interferes."""

import asyncio
from datetime import timedelta

import pytest

from clients.orders import OrderRefusedError
from contracts.orders import Cancel, OrderOutcome, Pay, Shortage
from domain.errors import IllegalStepError
from domain.order_states import OrderStatus, PaymentStatus
from tests.support.world import WAIT, World

DECLINED = "pm_card_chargeDeclined"


async def test_paid_order_is_placed_with_its_stock_committed_and_its_buyer_told_once(world: World) -> None:
    sku = await world.goods(stock=10, amount=1250)
    cart = await world.cart((sku, 2), (sku, 1))
    order = world.order_of(cart, expected=3750)

    async with world.working():
        outcome = await world.place(order)
        again = await world.place(order)
        await world.told(order.order_id)

    assert outcome.status is OrderStatus.PLACED
    assert again == outcome
    row = await world.order(order.order_id)
    assert (row.status, row.payment_status, row.total.amount) == (OrderStatus.PLACED, PaymentStatus.CAPTURED, 3750)
    assert await world.stock(sku) == (7, 0)
    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert await world.events(order.order_id) == ["opened", "placed"]
    assert await world.cart_row(cart) == ("ordered", 1)
    assert await world.message_states(order.order_id) == ["sent"]
    [mail] = [mail for mail in world.mail.sent if row.number in mail.subject]
    assert mail.recipient == "ada@example.com"


async def test_order_costs_at_most_thirty_events(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))
    async with world.working():
        await world.place(order)
        await world.told(order.order_id)
    assert len((await world.history(order.order_id)).events) <= 30


async def test_fifty_callers_of_one_checkout_get_one_order_and_one_charge(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)))

    async with world.working():
        outcomes = await asyncio.gather(*(world.place(order) for _ in range(50)))

    assert {outcome.status for outcome in outcomes} == {OrderStatus.PLACED}
    assert len(set(outcomes)) == 1
    assert await world.stock(sku) == (9, 0)
    assert await world.charged(order.order_id) == [1000]


async def test_missing_stock_fails_the_order_and_leaves_the_cart_open_for_the_next_attempt(world: World) -> None:
    scarce, plenty = await world.goods(stock=3), await world.goods(stock=10)
    cart = await world.cart((plenty, 1), (scarce, 2), (scarce, 2))
    first = world.order_of(cart)

    async with world.working():
        outcome = await world.place(first)
        assert outcome.status is OrderStatus.FAILED
        assert outcome.reason == "insufficient_stock"
        assert outcome.shortages == (Shortage(scarce, requested=4, available=3),)
        assert await world.cart_row(cart) == ("open", 2)
        assert (await world.stock(plenty), await world.stock(scarce)) == ((10, 0), (3, 0))
        assert await world.charged(first.order_id) == []
        assert await world.message_states(first.order_id) == []

        await world.receive(scarce, 1)
        second = await world.place(world.order_of(cart, attempt=2))

    assert second.status is OrderStatus.PLACED
    assert (await world.stock(plenty), await world.stock(scarce)) == ((9, 0), (0, 0))


async def test_changed_price_fails_the_order_and_tells_the_new_total(world: World) -> None:
    sku = await world.goods(amount=1000)
    cart = await world.cart((sku, 1))
    await world.shop.price(sku, 1100)
    order = world.order_of(cart, expected=1000)

    async with world.working():
        outcome = await world.place(order)

    assert (outcome.status, outcome.reason) == (OrderStatus.FAILED, "price_changed")
    assert outcome.total is not None
    assert outcome.total.amount == 1100
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []
    assert await world.cart_row(cart) == ("open", 2)


async def test_declined_card_keeps_the_stock_held_until_another_card_pays(world: World) -> None:
    sku = await world.goods(stock=5)
    cart = await world.cart((sku, 2))
    order = world.order_of(cart, card=DECLINED)

    async with world.working():
        declined = await world.place(order)
        assert (declined.status, declined.decline_code) == (OrderStatus.PAYMENT_REQUIRED, "generic_decline")
        assert await world.stock(sku) == (5, 2)
        assert await world.cart_row(cart) == ("frozen", 1)

        again = await world.client.pay(order.order_id, Pay(DECLINED), wait=WAIT)
        assert again == declined
        paid = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        with pytest.raises(IllegalStepError):
            await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)

    assert isinstance(paid, OrderOutcome)
    assert paid.status is OrderStatus.PLACED
    row = await world.order(order.order_id)
    assert (row.status, row.payment_status, row.payment_attempt) == (OrderStatus.PLACED, PaymentStatus.CAPTURED, 3)
    assert await world.charged(order.order_id) == [2000]
    assert await world.stock(sku) == (3, 0)
    assert await world.events(order.order_id) == [
        "opened",
        "payment_declined",
        "payment_retried",
        "payment_declined",
        "payment_retried",
        "placed",
    ]


async def test_unknown_payment_method_is_a_decline(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)), card="pm_nobody_knows")
    async with world.working():
        outcome = await world.place(order)
    assert outcome.status is OrderStatus.PAYMENT_REQUIRED
    assert await world.charged(order.order_id) == []


async def test_hold_of_thirty_minutes_runs_out_and_releases_everything(hasty_world: World) -> None:
    world = hasty_world
    sku = await world.goods(stock=5)
    cart = await world.cart((sku, 2))
    order = world.order_of(cart, card=DECLINED, hold=timedelta(minutes=30))

    async with world.working():
        await world.place(order)
        outcome = await world.ended(order.order_id)

    assert (outcome.status, outcome.reason) == (OrderStatus.FAILED, "payment_expired")
    assert await world.stock(sku) == (5, 0)
    assert await world.cart_row(cart) == ("open", 2)
    assert await world.events(order.order_id) == ["opened", "payment_declined", "payment_expired"]
    assert await world.charged(order.order_id) == []
    assert await world.message_states(order.order_id) == ["sent", "sent"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ("DELETE FROM cart_lines WHERE cart_id = :cart", "cart_empty"),
        ("UPDATE carts SET shipping_address = NULL WHERE id = :cart", "validation_error"),
        ("UPDATE carts SET checkout_attempt = 2 WHERE id = :cart", "stale_checkout"),
        (
            """UPDATE products SET status = 'archived' WHERE id IN
            (SELECT product_id FROM variants v JOIN cart_lines l ON l.sku = v.sku WHERE l.cart_id = :cart)""",
            "unknown_sku",
        ),
    ],
)
async def test_cart_that_was_spoilt_before_the_saga_began_makes_no_order(world: World, spoil: str, code: str) -> None:
    sku = await world.goods()
    cart = await world.cart((sku, 1))
    order = world.order_of(cart)
    await world.shop.run(spoil, cart=cart)

    async with world.working():
        with pytest.raises(OrderRefusedError) as refused:
            await world.place(order)

    assert refused.value.code == code
    assert await world.events(order.order_id) == []
    assert await world.stock(sku) == (10, 0)
    assert await world.charged(order.order_id) == []


async def test_checkout_that_was_refused_can_be_repeated_once_the_cart_is_whole(world: World) -> None:
    sku = await world.goods()
    cart = await world.cart()
    order = world.order_of(cart)

    async with world.working():
        with pytest.raises(OrderRefusedError):
            await world.place(order)
        await world.fill(cart, (sku, 1))
        outcome = await world.place(order)

    assert outcome.status is OrderStatus.PLACED


async def test_free_order_is_placed_without_asking_the_provider(world: World) -> None:
    sku = await world.goods(stock=5, amount=0)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        placed = await world.place(order)
        cancelled = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert placed.status is OrderStatus.PLACED
    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    assert "succeeded" not in (await world.operations(order.order_id)).values()
    assert await world.stock(sku) == (5, 0)
