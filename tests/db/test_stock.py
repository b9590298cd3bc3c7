import asyncio
from collections.abc import AsyncIterator

import pytest

from db import stock
from db.stock import Adjustment, Level, Stock
from models.inventory import MovementReason
from tests.support.shop import Shop, opened_shop


@pytest.fixture(scope="module")
async def shop(database: str) -> AsyncIterator[Shop]:
    async with opened_shop(database) as shop:
        yield shop


def adjustment(sku: str, delta: int, location: str = "main") -> Adjustment:
    return Adjustment(sku, location, delta, MovementReason.ADJUSTMENT, "counted", "service")


async def adjusted(shop: Shop, change: Adjustment) -> Level | None:
    async with shop.sessions.begin() as session:
        return await stock.adjust(session, change)


async def test_receiving_makes_the_level_and_a_movement_that_explains_it(shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    assert await adjusted(shop, adjustment(sku, 7)) == Level("main", on_hand=7, reserved=0, active=True)
    assert await adjusted(shop, adjustment(sku, 5)) == Level("main", on_hand=12, reserved=0, active=True)

    async with shop.sessions() as session:
        moved = await stock.movements(session, sku, limit=10)
    assert [(m.delta, m.location, m.reason, m.note, m.actor, m.order_id) for m in moved] == [
        (5, "main", MovementReason.ADJUSTMENT, "counted", "service", None),
        (7, "main", MovementReason.ADJUSTMENT, "counted", "service", None),
    ]


async def test_taking_away_stops_at_what_is_held_and_writes_no_movement(shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    await shop.stock(sku, on_hand=10, reserved=4)

    assert await adjusted(shop, adjustment(sku, -7)) is None
    assert await adjusted(shop, adjustment(sku, -6)) == Level("main", on_hand=4, reserved=4, active=True)
    assert await shop.run("SELECT delta FROM stock_movements WHERE sku = :sku", sku=sku) == [(-6,)]


async def test_taking_away_from_a_location_that_has_none_is_refused(shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    assert await adjusted(shop, adjustment(sku, -1)) is None
    assert await shop.run("SELECT count(*) FROM stock_levels WHERE sku = :sku", sku=sku) == [(0,)]


async def test_twenty_people_taking_away_at_once_never_take_more_than_there_is(shop: Shop) -> None:
    sku = await shop.buyable(stock=13)
    levels = await asyncio.gather(*(adjusted(shop, adjustment(sku, -1)) for _ in range(20)))
    assert sum(level is not None for level in levels) == 13
    assert await shop.run("SELECT on_hand, reserved FROM stock_levels WHERE sku = :sku", sku=sku) == [(0, 0)]
    assert await shop.run("SELECT sum(delta) FROM stock_movements WHERE sku = :sku", sku=sku) == [(-13,)]


async def test_stock_of_an_unknown_sku_is_none_and_of_an_unstocked_one_nothing(shop: Shop) -> None:
    unstocked = await shop.buyable(stock=None)
    async with shop.sessions() as session:
        assert await stock.find(session, "no-such-sku") is None
        assert await stock.find(session, unstocked) == Stock(unstocked, (), 0, 0, 0, None)
        assert await stock.find(session, unstocked.lower()) is None


async def test_movements_go_on_from_before_the_last_one_seen(shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    for delta in (1, 2, 3):
        await adjusted(shop, adjustment(sku, delta))
    async with shop.sessions() as session:
        first = await stock.movements(session, sku, limit=2)
        rest = await stock.movements(session, sku, limit=2, before=(first[-1].created_at, first[-1].id))
    assert [m.delta for m in first] == [3, 2]
    assert [m.delta for m in rest] == [1]
