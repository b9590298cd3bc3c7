"""The use of limited codes: never more often than they may be, given back whenever an order comes to nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from activities.ports import PaymentProvider
from contracts.orders import OrderSnapshot, PlaceOrder
from db import awaited_payments, checkout
from db.audit.checks import count, examine
from db.audit.limits import Limits, parameters
from db.audit.prices import CODES_AGREE, TOTAL_ADDS_UP
from domain.money import Money
from domain.order_states import OrderStatus
from models.columns import new_id
from tests.support.postgres import PostgresForTests
from tests.support.prices import Prices
from tests.support.shop import Shop, opened_shop
from tests.support.steps import NO_TEMPORAL, another_card, cancel, declined
from tests.support.world import KeptMail, World

FULL, REDUCED = 1000, 900


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        yield shop


@pytest.fixture
async def world(shop: Shop) -> AsyncIterator[World]:
    """A shop in which the audit finds nothing wrong after each test."""
    yield World(shop, NO_TEMPORAL, cast("PaymentProvider", None), KeptMail())
    async with shop.sessions() as session:
        values, counts = parameters(Limits(), settled=False), await count(session)
        checks = (*CODES_AGREE.checks, *TOTAL_ADDS_UP.checks)
        assert [finding for finding in await examine(session, checks, values, counts) if finding.broken] == []


@pytest.fixture
def prices(shop: Shop) -> Prices:
    return Prices(shop)


async def buyer(
    world: World, sku: str, *codes: str, email: str | None = None, expected: int | None = None
) -> PlaceOrder:
    """Bring somebody of their own to the checkout with one of a SKU and some codes."""
    cart = await world.cart((sku, 1))
    await world.shop.run(
        "UPDATE carts SET promotion_codes = :codes, email = :email WHERE id = :id",
        codes=list(codes),
        email=email or f"{cart.hex}@example.com",
        id=cart,
    )
    return world.order_of(cart, expected=expected)


async def crowd(world: World, sku: str, name: str, size: int) -> list[PlaceOrder]:
    """Bring a crowd to the checkout, each with one of a SKU and the same code."""
    carts = await world.shop.run(
        "WITH carts AS (INSERT INTO carts (id, status, checkout_attempt, currency, email, shipping_address,"
        " promotion_codes) SELECT id, 'open', 1, 'GBP', id || '@example.com', '{\"country\": \"GB\"}', ARRAY[:code]"
        " FROM (SELECT uuidv7() AS id FROM generate_series(1, :size)) AS n RETURNING id)"
        " INSERT INTO cart_lines (line_id, cart_id, sku, quantity) SELECT uuidv7(), id, :sku, 1 FROM carts"
        " RETURNING cart_id",
        code=name,
        size=size,
        sku=sku,
    )
    return [world.order_of(cast("UUID", cart)) for [cart] in carts]


async def open_(world: World, order: PlaceOrder) -> OrderSnapshot:
    async with world.sessions.begin() as session:
        return await checkout.open_order(session, order)


async def code(prices: Prices, **columns: object) -> tuple[str, UUID]:
    name = f"C{new_id().hex[-12:]}".upper()
    return name, await prices.promotion(name, **columns)  # type: ignore[arg-type]


async def test_two_hundred_checkouts_at_once_never_use_a_code_more_often_than_it_may_be(
    world: World, prices: Prices
) -> None:
    name, promotion = await code(prices, use_limit=50)
    sku = await world.goods(stock=200, amount=FULL)
    orders = await crowd(world, sku, name, 200)

    opened = await asyncio.gather(*(open_(world, order) for order in orders))

    assert Counter((each.status, each.total.amount) for each in opened) == {
        (OrderStatus.PENDING, REDUCED): 50,
        (OrderStatus.PENDING, FULL): 150,
    }
    assert await prices.uses(promotion) == 50
    assert await world.stock(sku) == (200, 200)


async def test_buyer_who_saw_the_lower_price_is_told_that_the_last_use_is_gone(world: World, prices: Prices) -> None:
    name, promotion = await code(prices, use_limit=1)
    sku = await world.goods(stock=20, amount=FULL)
    orders = [await buyer(world, sku, name, expected=REDUCED) for _ in range(20)]

    opened = await asyncio.gather(*(open_(world, order) for order in orders))

    assert Counter((each.status, each.reason, each.total.amount) for each in opened) == {
        (OrderStatus.PENDING, None, REDUCED): 1,
        (OrderStatus.FAILED, "price_changed", FULL): 19,
    }
    assert (await prices.uses(promotion), await world.stock(sku)) == (1, (20, 1))


async def test_customer_uses_a_code_once_by_e_mail_or_account_however_many_carts_at_once(
    world: World, prices: Prices
) -> None:
    name, promotion = await code(prices, customer_limit=1, use_limit=100)
    sku = await world.goods(stock=60, amount=FULL)
    ada = [await buyer(world, sku, name, email=mail) for mail in ("ada@example.com", "Ada@Example.com") * 10]
    bob, account = [await buyer(world, sku, name) for _ in range(20)], new_id()
    for order in bob:
        await world.shop.run("UPDATE carts SET customer_id = :id WHERE id = :cart", id=account, cart=order.cart_id)

    opened = await asyncio.gather(*(open_(world, order) for order in ada + bob))

    assert Counter(each.total.amount for each in opened[:20]) == {REDUCED: 1, FULL: 19}
    assert Counter(each.total.amount for each in opened[20:]) == {REDUCED: 1, FULL: 19}
    assert await prices.uses(promotion) == 2


async def test_carts_with_the_same_codes_in_different_orders_never_wait_for_each_other_in_a_circle(
    world: World, prices: Prices
) -> None:
    (first, one), (second, two) = await code(prices, use_limit=100), await code(prices, use_limit=100)
    sku = await world.goods(stock=100, amount=FULL)
    orders = [await buyer(world, sku, *((first, second) if n % 2 else (second, first))) for n in range(60)]

    opened = await asyncio.gather(*(open_(world, order) for order in orders))

    assert {each.total.amount for each in opened} == {810}
    assert (await prices.uses(one), await prices.uses(two)) == (60, 60)


async def test_carts_that_fall_back_from_one_code_to_another_never_wait_for_each_other_in_a_circle(
    world: World, prices: Prices
) -> None:
    mugs, bowls = await world.goods(amount=FULL, stock=100), await world.goods(amount=FULL, stock=100)
    of_mugs = await code(prices, use_limit=5, combines=False, skus=[mugs])
    of_bowls = await code(prices, use_limit=5, combines=False, skus=[bowls])
    orders = []
    for few, many in ((mugs, bowls), (bowls, mugs)) * 15:
        order = await buyer(world, many, of_mugs[0], of_bowls[0])
        await world.shop.run("UPDATE cart_lines SET quantity = 2 WHERE cart_id = :cart", cart=order.cart_id)
        await world.shop.run(
            "INSERT INTO cart_lines (line_id, cart_id, sku, quantity) VALUES (uuidv7(), :cart, :sku, 1)",
            cart=order.cart_id,
            sku=few,
        )
        orders.append(order)

    opened = await asyncio.gather(*(open_(world, order) for order in orders))

    assert {order.status for order in opened} == {OrderStatus.PENDING}
    assert (await prices.uses(of_mugs[1]), await prices.uses(of_bowls[1])) == (5, 5)


async def test_of_two_codes_one_of_which_is_gone_the_other_still_counts_once(world: World, prices: Prices) -> None:
    (gone, one), (left, two) = await code(prices, use_limit=1), await code(prices, use_limit=9)
    sku = await world.goods(amount=FULL)
    orders = [await buyer(world, sku, gone, left) for _ in range(2)]

    opened = await asyncio.gather(*(open_(world, order) for order in orders))

    assert sorted(each.total.amount for each in opened) == [810, 900]
    assert (await prices.uses(one), await prices.uses(two)) == (1, 2)


async def test_order_that_is_opened_again_uses_its_code_once(world: World, prices: Prices) -> None:
    name, promotion = await code(prices, use_limit=5)
    order = await buyer(world, await world.goods(amount=FULL), name)

    await asyncio.gather(*(open_(world, order) for _ in range(10)))

    assert await prices.uses(promotion) == 1


async def _cancelled(world: World, order: PlaceOrder) -> None:
    async with world.sessions.begin() as session:
        await checkout.begin_cancel(session, cancel(order))
    async with world.sessions.begin() as session:
        await checkout.finish_cancel(session, order.order_id)


async def _expired(world: World, order: PlaceOrder) -> None:
    async with world.sessions.begin() as session:
        await awaited_payments.require_payment(session, declined(order))
    async with world.sessions.begin() as session:
        await checkout.expire(session, order.order_id)


async def _sold_out_while_waiting(world: World, order: PlaceOrder) -> None:
    """Let the stock go between two attempts to be paid, and sell it to somebody else."""
    async with world.sessions.begin() as session:
        await awaited_payments.require_payment(session, declined(order))
    await world.shop.run(
        "WITH gone AS (UPDATE reservations SET state = 'released' WHERE order_id = :id RETURNING sku)"
        " UPDATE stock_levels s SET on_hand = 0, reserved = 0 FROM gone WHERE s.sku = gone.sku",
        id=order.order_id,
    )
    async with world.sessions.begin() as session:
        failed = await awaited_payments.retry_payment(session, another_card(order))
        assert failed.status is OrderStatus.FAILED


@pytest.mark.parametrize("undo", [_cancelled, _expired, _sold_out_while_waiting])
async def test_code_of_an_order_that_comes_to_nothing_can_be_used_again(
    world: World, prices: Prices, undo: Callable[[World, PlaceOrder], Awaitable[None]]
) -> None:
    name, promotion = await code(prices, use_limit=1, customer_limit=1)
    sku = await world.goods(amount=FULL)
    order = await buyer(world, sku, name, email="ada@example.com")
    assert (await open_(world, order)).total == Money(REDUCED, "GBP")
    assert await prices.uses(promotion) == 1

    await undo(world, order)

    assert await prices.uses(promotion) == 0
    again = await buyer(world, await world.goods(amount=FULL), name, email="ada@example.com")
    assert (await open_(world, again)).total == Money(REDUCED, "GBP")
    assert await prices.uses(promotion) == 1


async def test_undo_that_is_done_twice_gives_a_code_back_once(world: World, prices: Prices) -> None:
    name, promotion = await code(prices, use_limit=5)
    sku = await world.goods(amount=FULL)
    stays, goes = await buyer(world, sku, name), await buyer(world, sku, name)
    for order in (stays, goes):
        await open_(world, order)

    for _ in range(2):
        await _cancelled(world, goes)

    assert await prices.uses(promotion) == 1


async def test_checkout_that_finds_too_little_stock_uses_no_code(world: World, prices: Prices) -> None:
    name, promotion = await code(prices, use_limit=1)
    order = await buyer(world, await world.goods(stock=0), name)

    assert (await open_(world, order)).reason == "insufficient_stock"

    assert await prices.uses(promotion) == 0


async def test_opening_and_cancelling_at_once_never_leave_a_use_behind(world: World, prices: Prices) -> None:
    name, promotion = await code(prices, use_limit=1)
    sku = await world.goods(amount=FULL)
    for _ in range(10):
        order = await buyer(world, sku, name)

        async def begin(order: PlaceOrder = order) -> None:
            async with world.sessions.begin() as session:
                await checkout.begin_cancel(session, cancel(order))

        await asyncio.gather(open_(world, order), begin())
        if (await world.order(order.order_id)).status is OrderStatus.CANCELLING:
            async with world.sessions.begin() as session:
                await checkout.finish_cancel(session, order.order_id)
        assert await prices.uses(promotion) == 0


async def test_transaction_that_is_lost_after_the_code_was_counted_has_counted_nothing(
    world: World, prices: Prices
) -> None:
    name, promotion = await code(prices, use_limit=1)
    order = await buyer(world, await world.goods(amount=FULL), name)

    async with world.sessions() as session:
        assert (await checkout.open_order(session, order)).total.amount == REDUCED
        await session.rollback()

    assert await prices.uses(promotion) == 0


async def test_database_itself_refuses_a_use_beyond_the_limit(world: World, prices: Prices) -> None:
    _, promotion = await code(prices, use_limit=1)

    with pytest.raises(IntegrityError, match="promotions_uses"):
        await world.shop.run("UPDATE promotions SET uses = 2 WHERE id = :id", id=promotion)


async def test_code_that_saves_less_than_another_promotion_is_not_used(world: World, prices: Prices) -> None:
    name, promotion = await code(prices, use_limit=1)
    alone = f"HALF-{new_id().hex[-6:]}"
    half = await prices.promotion(alone, automatic=True, combines=False, basis_points=5000)
    try:
        order = await buyer(world, await world.goods(amount=FULL), name)
        assert (await open_(world, order)).total.amount == 500
    finally:
        await world.shop.run("UPDATE promotions SET active = false WHERE id = :id", id=half)

    assert await prices.uses(promotion) == 0
    assert await prices.uses(half) == 0


async def test_code_ends_at_its_moment_and_not_before(world: World, prices: Prices) -> None:
    name, promotion = await code(prices)
    sku = await world.goods(amount=FULL)
    for ends, total in ((timedelta(minutes=1), REDUCED), (timedelta(0), FULL)):
        await world.shop.run(
            "UPDATE promotions SET ends_at = now() + CAST(:ends AS interval) WHERE id = :id", ends=ends, id=promotion
        )
        assert (await open_(world, await buyer(world, sku, name))).total.amount == total
