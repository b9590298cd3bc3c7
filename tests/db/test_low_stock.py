"""Staff is told when little is left: once each time that the threshold is crossed, by whatever crosses it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from db import stock_alerts
from db.transfers import StockTransfer, transfer
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop
from tests.support.stock import allow, goods, hold, orders, place, receive, release


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        await place(shop, "north", priority=10)
        await place(shop, "shut", active=False)
        await place(shop, "irish", countries=("IE",))
        yield shop


async def alerts(shop: Shop, sku: str) -> list[tuple[object, ...]]:
    return await shop.run("SELECT low_stock_at, available FROM stock_alerts WHERE sku = :sku ORDER BY id", sku=sku)


async def test_twenty_buyers_at_once_cross_the_threshold_once(shop: Shop) -> None:
    sku = await goods(shop, 12, north=12)
    await allow(shop, sku, low=9)
    assert all([not await hold(shop, order, (sku, 1)) for order in await orders(shop, 2)])
    assert await alerts(shop, sku) == []
    await asyncio.gather(*(hold(shop, order, (sku, 1)) for order in await orders(shop, 20)))
    assert await alerts(shop, sku) == [(9, 9)]


async def test_what_lies_at_all_places_that_sell_is_counted_and_nothing_else(shop: Shop) -> None:
    sku = await goods(shop, 2, irish=3, shut=50)
    await allow(shop, sku, low=4)
    [order] = await orders(shop, 1, "GB")
    assert await hold(shop, order, (sku, 1)) == ()
    assert await alerts(shop, sku) == [(4, 4)]


async def test_a_hold_that_is_refused_crosses_nothing(shop: Shop) -> None:
    sku, other = await goods(shop, 5), await goods(shop)
    await allow(shop, sku, low=4)
    [order] = await orders(shop, 1)
    assert await hold(shop, order, (sku, 3), (other, 1)) != ()
    assert await alerts(shop, sku) == []


async def test_the_threshold_is_crossed_anew_after_more_came(shop: Shop) -> None:
    sku = await goods(shop, 3)
    await allow(shop, sku, low=2)
    first, second = await orders(shop, 2)
    await hold(shop, first, (sku, 2))
    await release(shop, first)
    await hold(shop, second, (sku, 3))
    assert await alerts(shop, sku) == [(2, 1), (2, 0)]


async def test_adjustments_and_transfers_to_where_nothing_is_sold_cross_it_and_transfers_between_shops_do_not(
    shop: Shop,
) -> None:
    sku = await goods(shop, 10)
    await allow(shop, sku, low=5)
    for destination, quantity in (("north", 6), ("shut", 2)):
        async with shop.sessions.begin() as session:
            assert await transfer(session, StockTransfer(sku, "main", destination, quantity, "", "test")) is not None
    assert await alerts(shop, sku) == []
    await receive(shop, sku, -4, "north")
    assert await alerts(shop, sku) == [(5, 4)]
    await receive(shop, sku, 3)
    await receive(shop, sku, -1, "shut")
    async with shop.sessions.begin() as session:
        assert await transfer(session, StockTransfer(sku, "main", "shut", 5, "", "test")) is not None
    assert await alerts(shop, sku) == [(5, 4), (5, 2)]


async def test_alerts_are_listed_newest_first_from_before_one_of_them(shop: Shop) -> None:
    sku = await goods(shop, 10)
    for low in (8, 6, 4):
        await allow(shop, sku, low=low)
        await receive(shop, sku, low - 10)
        await receive(shop, sku, 10 - low)
    async with shop.sessions() as session:
        newest = await stock_alerts.listed(session, limit=2)
        rest = await stock_alerts.listed(session, limit=1, before=newest[-1].id)
    assert [alert.low_stock_at for alert in newest + rest] == [4, 6, 8]
