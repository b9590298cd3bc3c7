import json
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import event

from db import catalog, categories
from db.product_filters import ProductFilter
from db.product_lists import ProductSearch, ProductSort
from tests.support.shop import Shop, opened_shop


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    async with opened_shop(database) as shop:
        await shop.run("TRUNCATE products, variants, prices, stock_levels, categories CASCADE")
        yield shop


async def found(shop: Shop, wanted: ProductFilter, sort: ProductSort = ProductSort.NEWEST) -> list[UUID]:
    async with shop.sessions() as session:
        return [product.id for product in (await catalog.search(session, ProductSearch(wanted, sort))).products]


async def walked(shop: Shop, search: ProductSearch) -> list[list[UUID]]:
    """Read a list to its end, and return its pages."""
    async with shop.sessions() as session:
        parts = [await catalog.search(session, search)]
        while after := parts[-1].after:
            parts.append(await catalog.search(session, replace(search, after=after)))
    return [[product.id for product in part.products] for part in parts]


GBP = ProductFilter(currency="GBP")


async def test_a_product_shows_its_variants_with_prices_and_what_is_available_anywhere(shop: Shop) -> None:
    small, large = shop.sku("S"), shop.sku("L")
    product = await shop.product(small, large, title="Shirt", prices={"GBP": 4500, "EUR": 5200}, stock=None)
    await shop.run("INSERT INTO locations (code, name) VALUES ('north', 'North') ON CONFLICT DO NOTHING")
    await shop.stock(small, on_hand=5, reserved=2)
    await shop.stock(small, on_hand=4, location="north")

    async with shop.sessions() as session:
        shown = await catalog.find(session, product)

    assert shown is not None
    prices = [{"amount": 5200, "currency": "EUR"}, {"amount": 4500, "currency": "GBP"}]
    assert [(each["sku"], each["prices"], each["available"]) for each in json.loads(shown.json)["variants"]] == [
        (small, prices, 7),
        (large, prices, 0),
    ]


@pytest.mark.parametrize("status", ["draft", "archived"])
async def test_a_product_that_is_not_active_is_neither_listed_nor_found(shop: Shop, status: str) -> None:
    product = await shop.product(shop.sku(), status=status)
    async with shop.sessions() as session:
        assert await catalog.find(session, product) is None
        assert await catalog.find(session, f"p-{product.hex}") is None
    assert await found(shop, GBP) == []


async def test_words_match_title_description_and_sku_but_wildcards_are_nothing(shop: Shop) -> None:
    mug = await shop.product("MUG-100", title="Enamel mug")
    await shop.product("PLATE", title="Plate")

    assert await found(shop, replace(GBP, text="ENAMEL")) == [mug]
    assert await found(shop, replace(GBP, text="mug-100")) == [mug]
    assert len(await found(shop, replace(GBP, text="made for"))) == 2
    assert await found(shop, replace(GBP, text="%")) == []
    assert await found(shop, replace(GBP, text="_")) == []


async def test_filters_narrow_by_category_price_and_stock(shop: Shop) -> None:
    kitchen = await shop.category("Kitchen")
    cheap = await shop.product("CHEAP", prices={"GBP": 100}, category=kitchen, stock=1)
    dear = await shop.product("DEAR", prices={"GBP": 900, "EUR": 100}, stock=0)
    [(slug,)] = await shop.run("SELECT slug FROM categories")

    assert await found(shop, replace(GBP, category=str(slug))) == [cheap]
    assert await found(shop, replace(GBP, category="no-such")) == []
    assert await found(shop, replace(GBP, min_price=101)) == [dear]
    assert await found(shop, replace(GBP, max_price=100)) == [cheap]
    assert await found(shop, ProductFilter(currency="EUR", max_price=100)) == [dear]
    assert await found(shop, replace(GBP, in_stock=True)) == [cheap]
    assert await found(shop, replace(GBP, in_stock=False)) == [dear]


async def test_goods_that_are_all_held_are_not_in_stock(shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    await shop.stock(sku, on_hand=3, reserved=3)
    assert await found(shop, replace(GBP, in_stock=True)) == []


@pytest.mark.parametrize("sort", list(ProductSort))
async def test_every_order_is_walked_page_by_page_without_gap_or_repetition(shop: Shop, sort: ProductSort) -> None:
    for number, amount in enumerate([300, 100, 100, 200, 200]):
        await shop.product(f"SKU-{number}", title=f"Title {number // 2}", prices={"GBP": amount})
    wanted = replace(GBP, text="title" if sort is ProductSort.RELEVANCE else None)
    whole = await found(shop, wanted, sort)
    assert len(whole) == 5
    assert await walked(shop, ProductSearch(wanted, sort, limit=2)) == [whole[:2], whole[2:4], whole[4:]]


@pytest.mark.parametrize(("sort", "expected"), [(ProductSort.PRICE, [1, 3]), (ProductSort.PRICE_DESC, [3, 1])])
async def test_by_price_are_only_products_that_have_one_in_the_currency(
    shop: Shop, sort: ProductSort, expected: list[int]
) -> None:
    await shop.product("NONE", prices={})
    amounts = {await shop.product("CHEAP", prices={"GBP": 1}): 1, await shop.product("DEAR", prices={"GBP": 3}): 3}
    assert [amounts[product] for product in await found(shop, GBP, sort)] == expected


async def test_a_page_of_products_takes_one_statement_however_many_variants(shop: Shop) -> None:
    for number in range(10):
        await shop.product(*(f"SKU-{number}-{size}" for size in range(5)))
    statements: list[str] = []

    def seen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(shop.engine.sync_engine, "before_cursor_execute", seen)
    assert len(await found(shop, GBP)) == 10
    assert len(statements) == 1


async def test_categories_are_listed_by_slug_with_their_parent(shop: Shop) -> None:
    home = await shop.category("Home")
    kitchen = await shop.category("Kitchen")
    await shop.run("UPDATE categories SET parent_id = :home WHERE id = :kitchen", home=home, kitchen=kitchen)

    async with shop.sessions() as session:
        first, second = await categories.listed(session, limit=10)
        assert await categories.listed(session, limit=10, after=first.slug) == [second]
    assert (first.name, first.parent) == ("Home", None)
    assert (second.name, second.parent) == ("Kitchen", first.slug)
