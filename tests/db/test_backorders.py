"""Selling what is still to come: never more than allowed, and served in the order of placement."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from contracts.orders import Shortage
from db import inventory, stock, stocking
from db.locations import LocationChange
from db.locations import change as change_location
from db.stock import Stock
from db.stocking import Receipt
from db.transfers import StockTransfer, transfer
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop
from tests.support.stock import (
    allow,
    awaited,
    books_agree,
    commit,
    goods,
    hold,
    levels,
    orders,
    place,
    places,
    receive,
    release,
    somebody_waits,
)


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        await place(shop, "north", priority=10)
        await place(shop, "irish", priority=1, countries=("IE",))
        yield shop
        await books_agree(shop)


async def found(shop: Shop, sku: str) -> Stock:
    async with shop.sessions() as session:
        there = await stock.find(session, sku)
    assert there is not None
    return there


async def sold(shop: Shop, sku: str, *quantities: int, country: str | None = None) -> list[UUID]:
    """Place an order for each quantity, one after the other."""
    made = await orders(shop, len(quantities), country)
    for order, quantity in zip(made, quantities, strict=True):
        assert await hold(shop, order, (sku, quantity)) == ()
        await commit(shop, order)
    return made


async def test_what_is_not_there_is_sold_up_to_the_limit_and_what_is_there_is_held(shop: Shop) -> None:
    sku = await goods(shop, 2)
    await allow(shop, sku, 3)
    first, second = await orders(shop, 2)

    assert await hold(shop, first, (sku, 6)) == (Shortage(sku, requested=6, available=5),)
    assert await awaited(shop, sku) == []
    assert await hold(shop, first, (sku, 4)) == ()
    assert await hold(shop, second, (sku, 2)) == (Shortage(sku, requested=2, available=1),)

    assert await places(shop, first) == [(sku, "main", 2, "held")]
    assert await awaited(shop, sku) == [(first, 2, "held")]
    there = await found(shop, sku)
    assert (there.available, there.backordered, there.backorderable) == (0, 2, 1)
    async with shop.sessions() as session:
        assert await stock.sellable(session, [sku]) == {sku: 1}


async def test_without_a_policy_nothing_is_sold_that_is_not_there(shop: Shop) -> None:
    sku = await goods(shop, 1)
    await allow(shop, sku, 0)
    [order] = await orders(shop, 1)
    assert await hold(shop, order, (sku, 2)) == (Shortage(sku, requested=2, available=1),)
    assert await awaited(shop, sku) == []
    assert await levels(shop, sku) == [(1, 0, 1)]


async def test_nothing_is_backordered_to_where_no_place_ships(shop: Shop) -> None:
    sku = await goods(shop)
    await allow(shop, sku, 5)
    only = "UPDATE locations SET countries = ARRAY['GB'] WHERE code IN ('main', 'north')"
    await shop.run(only)
    [order] = await orders(shop, 1, "FR")
    assert await hold(shop, order, (sku, 1)) == (Shortage(sku, requested=1, available=0),)
    async with shop.sessions() as session:
        assert await stock.sellable(session, [sku], "FR") == {sku: 0}
    await shop.run("UPDATE locations SET countries = '{}' WHERE code IN ('main', 'north')")


async def test_fifty_buyers_at_once_are_promised_exactly_what_is_there_and_what_may_be_backordered(shop: Shop) -> None:
    sku = await goods(shop, 10, north=5)
    await allow(shop, sku, 12)
    answers = await asyncio.gather(*(hold(shop, buyer, (sku, 1)) for buyer in await orders(shop, 50)))
    assert sum(not answer for answer in answers) == 27
    there = await found(shop, sku)
    assert (there.available, there.backordered, there.backorderable) == (0, 12, 0)


async def test_receipts_serve_those_who_wait_in_the_order_in_which_they_were_placed(shop: Shop) -> None:
    sku = await goods(shop)
    await allow(shop, sku, 100)
    first, second, third = await sold(shop, sku, 4, 2, 3)

    level = await receive(shop, sku, 5)
    assert level is not None
    assert (level.on_hand, level.available) == (0, 0)
    assert await places(shop, first) == [(sku, "main", 4, "committed")]
    assert await places(shop, second) == [(sku, "main", 1, "committed")]
    assert await awaited(shop, sku) == [(second, 1, "committed"), (third, 3, "committed")]

    await receive(shop, sku, 1)
    assert await places(shop, second) == [(sku, "main", 2, "committed")]
    await receive(shop, sku, 10)
    assert await awaited(shop, sku) == []
    there = await found(shop, sku)
    assert (there.available, there.backordered, there.backorderable) == (7, 0, 100)
    moved = await shop.run(
        "SELECT order_id, sum(delta)::bigint FROM stock_movements WHERE sku = :sku AND reason = 'backorder'"
        " GROUP BY order_id",
        sku=sku,
    )
    assert dict(moved) == {first: -4, second: -2, third: -3}  # type: ignore[arg-type] # two columns


async def test_who_has_not_paid_yet_waits_for_nothing_and_is_served_when_the_order_is_placed(shop: Shop) -> None:
    sku = await goods(shop)
    await allow(shop, sku, 10)
    unpaid, paid = await orders(shop, 2)
    await hold(shop, unpaid, (sku, 2))
    await hold(shop, paid, (sku, 2))
    await commit(shop, paid)

    await receive(shop, sku, 3)
    assert await awaited(shop, sku) == [(unpaid, 2, "held")]
    assert await levels(shop, sku) == [(1, 0, 1)]
    await commit(shop, unpaid)
    assert await places(shop, unpaid) == [(sku, "main", 1, "committed")]
    assert await awaited(shop, sku) == [(unpaid, 1, "committed")]


async def test_what_a_cancelled_order_gives_back_goes_to_who_waits(shop: Shop) -> None:
    sku = await goods(shop, 3)
    await allow(shop, sku, 10)
    [served] = await sold(shop, sku, 3)
    first, second = await sold(shop, sku, 2, 2)
    await asyncio.gather(*(release(shop, served) for _ in range(5)))
    assert await places(shop, first) == [(sku, "main", 2, "committed")]
    assert await places(shop, second) == [(sku, "main", 1, "committed")]
    assert await levels(shop, sku) == [(0, 0, 0)]


async def test_a_cancelled_order_waits_no_longer_and_gives_back_what_it_was_given_where_it_was_given(
    shop: Shop,
) -> None:
    sku = await goods(shop, 1)
    await allow(shop, sku, 10)
    [order] = await sold(shop, sku, 6)
    await receive(shop, sku, 2)
    await receive(shop, sku, 2, "north")
    assert await places(shop, order) == [(sku, "main", 3, "committed"), (sku, "north", 2, "committed")]

    await release(shop, order)
    await release(shop, order)

    assert [row[3] for row in await places(shop, order)] == ["released", "released"]
    assert await awaited(shop, sku) == [(order, 1, "released")]
    there = await found(shop, sku)
    assert [(level.location, level.on_hand, level.reserved) for level in there.levels] == [
        ("main", 3, 0),
        ("north", 2, 0),
    ]
    assert there.backordered == 0


async def test_an_order_that_let_its_place_go_queues_anew_with_what_is_there_now(shop: Shop) -> None:
    sku = await goods(shop, 1)
    await allow(shop, sku, 5)
    [order] = await orders(shop, 1)
    await hold(shop, order, (sku, 4))
    await release(shop, order)
    assert (await found(shop, sku)).backordered == 0
    await receive(shop, sku, 1)
    async with shop.sessions.begin() as session:
        assert await inventory.hold_again(session, order) == ()
        assert await inventory.hold_again(session, order) == ()
    assert await places(shop, order) == [(sku, "main", 2, "held")]
    assert await awaited(shop, sku) == [(order, 2, "held")]
    await release(shop, order)
    await receive(shop, sku, 5)
    async with shop.sessions.begin() as session:
        assert await inventory.hold_again(session, order) == ()
    assert await awaited(shop, sku) == []
    assert await places(shop, order) == [(sku, "main", 4, "held")]


async def test_goods_go_to_those_that_their_place_ships_to(shop: Shop) -> None:
    sku = await goods(shop)
    await allow(shop, sku, 10)
    [british] = await sold(shop, sku, 2, country="GB")
    [irish] = await sold(shop, sku, 2, country="IE")
    await receive(shop, sku, 3, "irish")
    assert await places(shop, irish) == [(sku, "irish", 2, "committed")]
    assert await awaited(shop, sku) == [(british, 2, "committed")]

    async with shop.sessions.begin() as session:
        moved = await transfer(session, StockTransfer(sku, "irish", "main", 1, "", "test"))
    assert moved is not None
    assert [(level.location, level.on_hand) for level in moved] == [("irish", 0), ("main", 0)]
    assert await places(shop, british) == [(sku, "main", 1, "committed")]


async def test_a_place_that_opens_serves_those_who_wait(shop: Shop) -> None:
    shut = await place(shop, "shut", active=False)
    sku = await goods(shop, shut=2)
    await allow(shop, sku, 10)
    [order] = await sold(shop, sku, 3)
    assert await places(shop, order) == []
    async with shop.sessions.begin() as session:
        await change_location(session, shut, LocationChange(active=True), version=None)
    assert await places(shop, order) == [(sku, shut, 2, "committed")]
    assert await awaited(shop, sku) == [(order, 1, "committed")]


async def test_a_delivery_of_many_skus_serves_those_who_wait_once(shop: Shop) -> None:
    one, two = await goods(shop), await goods(shop)
    for sku in (one, two):
        await allow(shop, sku, 10)
    [first], [second] = await sold(shop, one, 2), await sold(shop, two, 9)
    for _ in range(2):
        async with shop.sessions.begin() as session:
            await stocking.receive(session, [Receipt(one, 5), Receipt(two, 5)], note="delivery-7")
    assert await awaited(shop, one) == []
    assert await awaited(shop, two) == [(second, 4, "committed")]
    assert await places(shop, first) == [(one, "main", 2, "committed")]
    assert await levels(shop, one, two) == [(3, 0, 3), (0, 0, 0)]


async def test_a_cancellation_that_waits_for_a_receipt_gives_back_what_that_brought(shop: Shop) -> None:
    sku = await goods(shop)
    await allow(shop, sku, 10)
    [order] = await sold(shop, sku, 3)
    async with shop.sessions.begin() as session:
        await stocking.receive(session, [Receipt(sku, 2)], note="late")
        waiting = asyncio.create_task(release(shop, order))
        await somebody_waits(shop)
    await waiting
    assert await places(shop, order) == [(sku, "main", 2, "released")]
    assert await levels(shop, sku) == [(2, 0, 2)]
    assert (await found(shop, sku)).backordered == 0


async def test_buyers_receipts_transfers_and_cancellations_at_once_never_deadlock_and_the_books_agree(
    shop: Shop,
) -> None:
    skus = [await goods(shop, 3, north=2) for _ in range(4)]
    for sku in skus:
        await allow(shop, sku, 30, low=2)
    made = await orders(shop, 60, "GB")

    async def buy(number: int, order: UUID) -> None:
        mine = [skus[number % 4], skus[(number + 1) % 4]][:: 1 if number % 2 else -1]
        if await hold(shop, order, *((sku, 1 + number % 3) for sku in mine)) == ():
            if number % 4:
                await commit(shop, order)
            if number % 4 == 3 or number % 8 == 0:
                await release(shop, order)

    async def bring(number: int) -> None:
        sku = skus[number % 4]
        await receive(shop, sku, 1 + number % 3, ("main", "north")[number % 2])
        async with shop.sessions.begin() as session:
            await transfer(session, StockTransfer(sku, "north", "main", 1, "", "test"))
        await receive(shop, sku, -1)

    await asyncio.gather(*(buy(n, order) for n, order in enumerate(made)), *(bring(n) for n in range(40)))

    await books_agree(shop)
    for sku in skus:
        there = await found(shop, sku)
        waiting = [row for row in await awaited(shop, sku) if row[2] == "committed"]
        assert there.available == 0 or not waiting
