"""What a read of the catalogue touches in PostgreSQL: a bounded number of pages, whatever is asked for.

PostgreSQL counts them itself, and nearly the same in every run: unlike times, they can be held to narrow bounds. Each
statement runs with a plan for its values, and with the plan for any values that a connection changes to.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql import asyncpg as driver

from benchmarks.catalogue.server import running
from db import catalog, product_facets, product_lists
from db.product_filters import ProductFilter
from db.product_lists import ProductSearch, ProductSort
from models.listings import EVERYTHING

pytestmark = [pytest.mark.proof, pytest.mark.timeout(420)]

SMALL, LARGE = 1_000, 100_000
"""Sizes of shops that other proofs fill as well."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
GBP = ProductFilter("GBP")
BELOW = replace(GBP, category="c-1")
RED, NOBODY, HALF = '{"colour": "red"}', '{"colour": "nope"}', '{"waterproof": false}'
THREE = replace(BELOW, min_price=6_000, max_price=11_000, attributes=RED, in_stock=True)
SORTS = [sort for sort in ProductSort if sort is not ProductSort.RELEVANCE]

AT_ONCE = [ProductSearch(wanted, sort) for wanted in (GBP, BELOW, replace(GBP, in_stock=True)) for sort in SORTS]
"""Lists that an index answers: what they touch is their 21 products."""

NARROWED = {
    "three filters": (
        ProductSearch(replace(BELOW, min_price=6_000, max_price=11_000, attributes=RED, in_stock=True)),
        4_000,
    ),
    "sold out": (ProductSearch(replace(GBP, in_stock=False)), 4_000),
    "sold out, by price": (ProductSearch(replace(GBP, in_stock=False), ProductSort.PRICE), 4_000),
    "no attribute": (ProductSearch(replace(GBP, attributes=NOBODY)), 12_000),
    "no attribute, sold out": (ProductSearch(replace(GBP, attributes=NOBODY, in_stock=False)), 12_000),
    "no price": (ProductSearch(replace(GBP, min_price=9_000_000)), 12_000),
    "rare price, half": (ProductSearch(replace(GBP, min_price=19_990, attributes=HALF)), 20_000),
    "wide price, red": (ProductSearch(replace(GBP, min_price=10_000, attributes=RED)), 3_000),
    "common word": (ProductSearch(replace(GBP, text="mug"), ProductSort.RELEVANCE), 1_500),
    "common word, newest": (ProductSearch(replace(GBP, text="mug")), 30_000),
    "common word, in a category": (ProductSearch(replace(BELOW, text="mug"), ProductSort.RELEVANCE), 4_000),
    "two common words": (ProductSearch(replace(GBP, text="oak mug"), ProductSort.RELEVANCE), 1_500),
    "two words that are never together": (ProductSearch(replace(GBP, text="oak steel"), ProductSort.RELEVANCE), 500),
    "beginning": (ProductSearch(replace(GBP, text="morma"), ProductSort.RELEVANCE), 1_500),
    "word of all": (ProductSearch(replace(GBP, text="goes"), ProductSort.RELEVANCE), 1_500),
    "SKU": (ProductSearch(replace(GBP, text="sku-00000777-0"), ProductSort.RELEVANCE), 500),
    "slip": (ProductSearch(replace(GBP, text="teaptos"), ProductSort.RELEVANCE), 1_500),
}
"""Lists that have to look at products, and the most pages that they may touch."""

COUNTED = {
    "everything": (GBP, 250_000),
    "three filters": (THREE, 200_000),
    "sold out": (replace(GBP, in_stock=False), 350_000),
    "word of all": (replace(GBP, text="goes"), 300_000),
    "no attribute": (replace(GBP, attributes=NOBODY), 200),
}

_POSITION = """
SELECT created_at, product_id FROM listings WHERE category_id = $1
ORDER BY created_at DESC, product_id DESC OFFSET $2 LIMIT 1
"""


@pytest.fixture(scope="module")
async def urls(shops: Path) -> AsyncIterator[dict[int, str]]:
    async with running(shops) as server:
        yield {size: await server.shop(size, print) for size in (SMALL, LARGE)}


@pytest.fixture
async def connections(urls: dict[int, str]) -> AsyncIterator[dict[int, Connection]]:
    async with AsyncExitStack() as stack:
        opened = {size: await asyncpg.connect(url) for size, url in urls.items()}
        for connection in opened.values():
            stack.push_async_callback(connection.close)
        yield opened


async def pages(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> int:
    """Return how many pages a statement touches, with the worse of its two plans."""
    compiled = statement.compile(dialect=driver.dialect())  # type: ignore[no-untyped-call] # it has no types
    literals = ", ".join(_literal(values[name]) for name in compiled.positiontup or ())
    worst = 0
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET plan_cache_mode = {mode}; SET jit = off; PREPARE asked AS {compiled}")
        explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE asked({literals})"
        [explained] = json.loads(await connection.fetchval(explain))
        await connection.execute("DEALLOCATE asked")
        worst = max(worst, explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"])
    return worst


def _literal(value: object) -> str:
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


async def listed(connection: Connection, search: ProductSearch) -> int:
    return await pages(connection, product_lists.statement(search), product_lists.values(search))


async def test_a_product_and_a_list_touch_at_most_twice_as_much_in_a_shop_a_hundred_times_as_large(
    connections: dict[int, Connection],
) -> None:
    for search in AT_ONCE:
        small, large = [await listed(connections[size], search) for size in (SMALL, LARGE)]
        assert large <= min(2 * small, 1_200), search
    detail = {"slug": "product-777", "everything": False}
    small, large = [await pages(connections[size], catalog._BY_SLUG, detail) for size in (SMALL, LARGE)]
    assert large <= 2 * small


@pytest.mark.parametrize("question", NARROWED)
async def test_a_list_that_filters_narrow_touches_a_bounded_part_of_a_large_shop(
    connections: dict[int, Connection], question: str
) -> None:
    search, most = NARROWED[question]
    assert await listed(connections[LARGE], search) <= most


@pytest.mark.parametrize("question", COUNTED)
async def test_facets_touch_a_bounded_part_of_a_large_shop(connections: dict[int, Connection], question: str) -> None:
    wanted, most = COUNTED[question]
    assert await pages(connections[LARGE], *product_facets.asked(wanted)) <= most


async def test_a_deep_page_touches_hardly_more_than_the_first_one(
    connections: dict[int, Connection],
) -> None:
    row = await connections[LARGE].fetchrow(_POSITION, EVERYTHING, LARGE * 99 // 100)
    assert row is not None
    first, deep = [await listed(connections[LARGE], ProductSearch(GBP, after=after)) for after in (None, tuple(row))]
    assert deep <= 1.3 * first
