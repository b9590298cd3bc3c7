"""What a checkout refuses before there is an order, and steps that meet each other at the cart's lock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from activities.ports import PaymentProvider
from contracts.orders import OrderSnapshot, PlaceOrder
from db import awaited_payments, checkout
from db.checkout import StaleCheckoutError
from domain.errors import (
    CartEmptyError,
    CartIncompleteError,
    CurrencyUnavailableError,
    EverorderError,
    NotFoundError,
    UnknownSkuError,
)
from domain.money import Money
from domain.order_states import IllegalTransitionError, OrderStatus
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop
from tests.support.steps import NO_TEMPORAL, cancel, declined
from tests.support.world import KeptMail, World


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        yield shop


@pytest.fixture
def world(shop: Shop) -> World:
    return World(shop, NO_TEMPORAL, cast("PaymentProvider", None), KeptMail())


async def open_(world: World, order: PlaceOrder) -> OrderSnapshot:
    async with world.sessions.begin() as session:
        return await checkout.open_order(session, order)


async def begin_cancel(world: World, order: PlaceOrder) -> OrderSnapshot:
    async with world.sessions.begin() as session:
        return await checkout.begin_cancel(session, cancel(order))


async def orders_of(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run(
        "SELECT checkout_attempt, status FROM orders WHERE cart_id = :id ORDER BY checkout_attempt", id=order.cart_id
    )


async def assert_refused(world: World, order: PlaceOrder, error: type[EverorderError]) -> None:
    """A checkout is refused; there is no order, and the buyer can mend the cart and try the same attempt again."""
    with pytest.raises(error):
        await open_(world, order)
    assert await orders_of(world, order) == []
    assert await world.cart_row(order.cart_id) == ("open", 1)


async def test_empty_cart_makes_no_order(world: World) -> None:
    await assert_refused(world, world.order_of(await world.cart()), CartEmptyError)


@pytest.mark.parametrize("column", ["email", "shipping_address"])
async def test_cart_without_a_contact_makes_no_order_until_it_has_one(world: World, column: str) -> None:
    sku = await world.goods()
    order = world.order_of(await world.cart((sku, 1)))
    await world.shop.run(f"UPDATE carts SET {column} = NULL WHERE id = :id", id=order.cart_id)

    await assert_refused(world, order, CartIncompleteError)
    assert await world.stock(sku) == (10, 0)

    await world.shop.run(
        "UPDATE carts SET email = 'ada@example.com', shipping_address = jsonb_build_object('city', 'London')"
        " WHERE id = :id",
        id=order.cart_id,
    )
    assert (await open_(world, order)).status is OrderStatus.PENDING


async def test_product_that_left_the_shop_makes_no_order_and_holds_nothing(world: World) -> None:
    gone, there = await world.goods(), await world.goods()
    order = world.order_of(await world.cart((there, 1), (gone, 1)))
    await world.shop.run(
        "UPDATE products SET status = 'archived' WHERE id = (SELECT product_id FROM variants WHERE sku = :sku)",
        sku=gone,
    )

    await assert_refused(world, order, UnknownSkuError)
    assert await world.stock(there) == (10, 0)


async def test_sku_without_a_price_in_the_currency_makes_no_order(world: World) -> None:
    sku = await world.goods()
    order = world.order_of(await world.cart((sku, 1)))
    await world.shop.run("UPDATE prices SET currency = 'EUR' WHERE sku = :sku", sku=sku)

    await assert_refused(world, order, CurrencyUnavailableError)


async def test_total_that_the_buyer_saw_in_another_currency_is_another_price(world: World) -> None:
    sku = await world.goods(amount=1000)
    order = world.order_of(await world.cart((sku, 1)))
    seen = PlaceOrder(order.order_id, order.cart_id, 1, expected_total=Money(1000, "EUR"))

    failed = await open_(world, seen)

    assert (failed.status, failed.reason, failed.total) == (OrderStatus.FAILED, "price_changed", Money(1000, "GBP"))
    assert await world.stock(sku) == (10, 0)


async def test_imported_line_keeps_its_own_price_and_six_hundred_lines_sum_to_the_penny(world: World) -> None:
    skus = [await world.goods(stock=1000, amount=7) for _ in range(6)]
    cart = await world.cart(*((sku, 3) for sku in skus * 100))
    await world.shop.run("UPDATE cart_lines SET unit_price_amount = position WHERE cart_id = :id", id=cart)
    order = world.order_of(cart, expected=3 * sum(range(600)))

    opened = await open_(world, order)

    assert (opened.status, opened.total.amount) == (OrderStatus.PENDING, 539_100)
    assert [await world.stock(sku) for sku in skus] == [(1000, 300)] * 6
    lines = "SELECT count(*), sum(total_amount)::bigint FROM order_lines WHERE order_id = :id"
    assert await world.shop.run(lines, id=order.order_id) == [(600, 539_100)]


async def test_opening_and_cancelling_at_once_never_leave_a_hold_behind(world: World) -> None:
    sku = await world.goods(stock=100)
    for _ in range(20):
        order = world.order_of(await world.cart((sku, 1)))

        await asyncio.gather(open_(world, order), begin_cancel(world, order))

        status = (await world.order(order.order_id)).status
        assert status in {OrderStatus.CANCELLING, OrderStatus.CANCELLED}
        if status is OrderStatus.CANCELLING:
            async with world.sessions.begin() as session:
                await checkout.finish_cancel(session, order.order_id)
        assert await world.cart_row(order.cart_id) == ("open", 2)
    assert await world.stock(sku) == (100, 0)


Step = Callable[[AsyncSession, PlaceOrder], Awaitable[OrderSnapshot]]


async def place(session: AsyncSession, order: PlaceOrder) -> OrderSnapshot:
    return await checkout.place_order(session, order.order_id)


async def require_payment(session: AsyncSession, order: PlaceOrder) -> OrderSnapshot:
    return await awaited_payments.require_payment(session, declined(order))


@pytest.mark.parametrize("step", [place, require_payment])
async def test_step_and_cancellation_at_once_come_one_after_the_other(world: World, step: Step) -> None:
    sku = await world.goods(stock=100, amount=0)
    for _ in range(10):
        order = world.order_of(await world.cart((sku, 1)))
        await open_(world, order)

        async def take() -> OrderSnapshot:
            async with world.sessions.begin() as session:
                return await step(session, order)  # noqa: B023 - awaited within this turn

        taken, cancelling = await asyncio.gather(take(), begin_cancel(world, order), return_exceptions=True)

        assert isinstance(cancelling, OrderSnapshot)
        assert cancelling.status is OrderStatus.CANCELLING
        assert isinstance(taken, OrderSnapshot | IllegalTransitionError)
        async with world.sessions.begin() as session:
            await checkout.finish_cancel(session, order.order_id)
    assert await world.stock(sku) == (100, 0)


async def test_twenty_attempts_of_a_cart_at_once_make_the_one_order_that_is_its_turn(world: World) -> None:
    sku = await world.goods()
    cart = await world.cart((sku, 1))

    answers = await asyncio.gather(
        *(open_(world, world.order_of(cart, attempt=number)) for number in range(1, 21)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [OrderSnapshot] + [StaleCheckoutError] * 19
    assert await orders_of(world, world.order_of(cart)) == [(1, "pending")]
    assert await world.stock(sku) == (10, 1)


async def test_database_itself_refuses_a_second_living_order_of_a_cart(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))
    await open_(world, order)
    second = world.order_of(order.cart_id, attempt=2)
    await world.shop.run("UPDATE carts SET status = 'open', checkout_attempt = 2 WHERE id = :id", id=order.cart_id)

    with pytest.raises(IntegrityError, match="orders_one_live_a_cart"):
        await open_(world, second)
    assert await orders_of(world, order) == [(1, "pending")]


async def test_steps_of_an_order_that_does_not_exist_are_refused(world: World) -> None:
    nobody = world.order_of(await world.cart()).order_id
    async with world.sessions.begin() as session:
        for step in (checkout.place_order, checkout.finish_cancel, checkout.expire):
            with pytest.raises(NotFoundError):
                await step(session, nobody)
