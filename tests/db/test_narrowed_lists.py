"""Lists that filters narrow: whichever way their matches are found, they are the same."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest

from db import catalog, product_lists
from db.product_filters import ProductFilter
from db.product_lists import ProductSearch, ProductSort
from tests.support.shop import Shop, opened_shop

GBP = ProductFilter(currency="GBP")
PRODUCTS = 60
SORTS = [sort for sort in ProductSort if sort is not ProductSort.RELEVANCE]
FILTERS = [
    replace(GBP, attributes='{"colour": "red"}'),
    replace(GBP, attributes='{"colour": "blue"}', min_price=300),
    replace(GBP, min_price=200, max_price=500),
    replace(GBP, max_price=700, in_stock=True),
    replace(GBP, in_stock=True),
    replace(GBP, in_stock=False),
    replace(GBP, attributes='{"colour": "red"}', in_stock=False),
    replace(GBP, attributes='{"colour": "none"}'),
    replace(GBP, min_price=10_000),
]
WAYS = {"near": (100, 100, 100), "rare": (1, 100, 1), "far": (1, 0, 100), "far, in parts": (1, 0, 7)}
"""How many products are looked at near, where a filter leaves few, and further on."""


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    async with opened_shop(database) as shop:
        await shop.run("TRUNCATE products, variants, prices, stock_levels, categories CASCADE")
        draw = Random(3)
        for number in range(PRODUCTS):
            product = await shop.product(
                f"SKU-{number}",
                title=f"Title {draw.randrange(20)}",
                prices={"GBP": 100 * draw.randrange(10)},
                stock=draw.randrange(2),
            )
            attributes = json.dumps({"colour": draw.choice(["red", "blue", "green"])})
            await shop.run(
                "UPDATE products SET attributes = CAST(:a AS jsonb) WHERE id = :id", a=attributes, id=product
            )
        await shop.run(
            "UPDATE listings SET sold_out = true WHERE product_id IN (SELECT product_id FROM variants"
            " JOIN stock_levels USING (sku) WHERE on_hand = 0)"
        )
        await shop.run(
            "UPDATE listed_prices x SET sold_out = l.sold_out FROM listings l WHERE l.product_id = x.product_id"
        )
        yield shop


async def walked(shop: Shop, search: ProductSearch) -> tuple[list[UUID], int]:
    """Read a list to its end; return what it holds, and in how many parts."""
    async with shop.sessions() as session:
        parts = [await catalog.search(session, search)]
        while after := parts[-1].after:
            parts.append(await catalog.search(session, replace(search, after=after)))
    return [product.id for part in parts for product in part.products], len(parts)


async def expected(shop: Shop, wanted: ProductFilter, sort: ProductSort) -> list[UUID]:
    """Filter and sort in the plainest way."""
    order = {
        ProductSort.NEWEST: "p.created_at DESC, p.id DESC",
        ProductSort.TITLE: "p.title, p.id",
        ProductSort.PRICE: "x.amount, p.id",
        ProductSort.PRICE_DESC: "x.amount DESC, p.id DESC",
    }[sort]
    rows = await shop.run(
        "SELECT p.id FROM products p JOIN variants v ON v.product_id = p.id JOIN prices x ON x.sku = v.sku"
        " JOIN stock_levels s ON s.sku = v.sku"
        " WHERE p.attributes @> coalesce(CAST(:attributes AS jsonb), '{}') AND x.amount BETWEEN :least AND :most"
        " AND coalesce((s.on_hand > 0) = CAST(:in_stock AS boolean), true)"
        f" ORDER BY {order}",
        attributes=wanted.attributes,
        least=wanted.min_price or 0,
        most=wanted.max_price or 10**9,
        in_stock=wanted.in_stock,
    )
    return [UUID(str(product)) for (product,) in rows]


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_the_matches_finds_the_same_in_the_same_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    for name, most in zip(("NEAR", "FEW", "FAR"), WAYS[way], strict=True):
        monkeypatch.setattr(product_lists, name, most)
    for wanted in FILTERS:
        for sort in SORTS:
            found, _ = await walked(shop, ProductSearch(wanted, sort, limit=4))
            assert found == await expected(shop, wanted, sort), (wanted, sort)


async def test_where_no_filter_leaves_few_a_page_may_be_short_and_says_where_to_go_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in zip(("NEAR", "FEW", "FAR"), WAYS["far, in parts"], strict=True):
        monkeypatch.setattr(product_lists, name, most)
    wanted = replace(GBP, attributes='{"colour": "red"}', min_price=800)
    found, parts = await walked(shop, ProductSearch(wanted))
    assert found == await expected(shop, wanted, ProductSort.NEWEST)
    assert 0 < len(found) < 20
    assert parts == 1 + PRODUCTS // 7
