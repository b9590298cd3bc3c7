from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities.availability import AvailabilityChores
from db import catalog
from db.product_filters import ProductFilter
from db.product_lists import ProductSearch
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

IN_STOCK = ProductSearch(ProductFilter("GBP", in_stock=True))


@pytest.fixture
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated()) as shop:
        yield shop


async def note(shop: Shop) -> int:
    noted: int = await ActivityEnvironment().run(AvailabilityChores(shop.sessions, at_once=2).note)
    return noted


async def sold_out(shop: Shop) -> set[object]:
    noted = "SELECT product_id FROM listings WHERE sold_out UNION SELECT product_id FROM listed_prices WHERE sold_out"
    return {product for (product,) in await shop.run(noted)}


async def in_stock(shop: Shop) -> list[UUID]:
    async with shop.sessions() as session:
        return [product.id for product in (await catalog.search(session, IN_STOCK)).products]


async def test_products_are_noted_when_all_is_sold_and_once_more_when_there_is_some(shop: Shop) -> None:
    mug = await shop.product("MUG", stock=3)
    bowls = [await shop.product(f"BOWL-{number}", stock=0) for number in range(5)]
    assert await note(shop) == 5
    assert await sold_out(shop) == set(bowls)
    assert await in_stock(shop) == [mug]
    assert await note(shop) == 0

    await shop.run("UPDATE stock_levels SET reserved = on_hand WHERE sku = 'MUG'")
    assert await sold_out(shop) == set(bowls)
    assert await in_stock(shop) == []
    assert await note(shop) == 1
    assert await sold_out(shop) == {mug, *bowls}


@pytest.mark.parametrize(
    "back",
    [
        "UPDATE stock_levels SET on_hand = 7 WHERE sku = 'MUG'",
        "INSERT INTO stock_levels (sku, location, on_hand, reserved) VALUES ('MUG', 'north', 1, 0)",
    ],
)
async def test_what_comes_back_into_stock_is_listed_before_it_is_noted(shop: Shop, back: str) -> None:
    await shop.run("INSERT INTO locations (code, name) VALUES ('north', 'North') ON CONFLICT DO NOTHING")
    mug = await shop.product("MUG", stock=0)
    other = await shop.product("OTHER", stock=0)
    await note(shop)

    await shop.run(back)
    assert await in_stock(shop) == [mug]
    assert await sold_out(shop) == {other}


async def test_a_sold_out_product_is_so_in_every_list_that_it_comes_into(shop: Shop) -> None:
    mug = await shop.product("MUG", stock=0)
    await note(shop)
    category = await shop.category("Mugs")
    await shop.run("UPDATE products SET category_id = :category WHERE id = :mug", category=category, mug=mug)
    await shop.run("INSERT INTO prices (sku, currency, amount) VALUES ('MUG', 'SEK', 9900)")
    noted = (
        "SELECT sold_out FROM listings WHERE product_id = :mug"
        " UNION ALL SELECT sold_out FROM listed_prices WHERE product_id = :mug"
    )
    rows = await shop.run(noted, mug=mug)
    assert len(rows) >= 6
    assert set(rows) == {(True,)}


async def test_a_listing_that_was_written_while_goods_came_in_is_found_and_is_not_sold_out(shop: Shop) -> None:
    """As a category's lists may be: its trigger copied what was noted, and nobody saw its rows before its commit."""
    category = await shop.category("Mugs")
    mug, other = await shop.product("MUG", stock=5, category=category), await shop.product("OTHER", stock=0)
    await note(shop)
    for table in ("listings", "listed_prices"):
        await shop.run(f"UPDATE {table} SET sold_out = true WHERE category_id = :category", category=category)

    assert await note(shop) == 1
    assert await note(shop) == 0
    assert await sold_out(shop) == {other}
    hidden = "SELECT FROM listings WHERE product_id = :mug AND sold_out"
    hidden_prices = "SELECT FROM listed_prices WHERE product_id = :mug AND sold_out"
    assert (await shop.run(hidden, mug=mug), await shop.run(hidden_prices, mug=mug)) == ([], [])


async def test_what_may_be_backordered_is_not_sold_out(shop: Shop) -> None:
    mug = await shop.product("MUG", stock=0)
    await note(shop)
    await shop.run("INSERT INTO stock_policies (sku, backorder_limit) VALUES ('MUG', 5)")
    assert await note(shop) == 1
    assert await in_stock(shop) == [mug]
