"""An order over several places: which of them sends what, exact and without a deadlock while many orders are opened."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from time import perf_counter
from uuid import UUID

import pytest
from sqlalchemy import text

from contracts.orders import Shortage
from db import inventory, locations, stock
from db.locations import LocationChange
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop
from tests.support.stock import books_agree, commit, goods, hold, orders, place, places, release

NORTH, SOUTH, WEST, IRISH, SHUT = "north", "south", "west", "irish", "shut"


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    """Open five places beside `main`, whose priority is 100."""
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        await place(shop, NORTH, priority=10)
        await place(shop, SOUTH, priority=20)
        await place(shop, WEST, priority=20)
        await place(shop, IRISH, priority=1, countries=("IE",))
        await place(shop, SHUT, priority=1, active=False)
        yield shop
        await books_agree(shop)


async def allocated(shop: Shop, *lines: tuple[str, int], country: str | None = "GB") -> list[tuple[object, ...]]:
    """Open an order and return what is taken from where."""
    [order] = await orders(shop, 1, country)
    assert await hold(shop, order, *lines) == ()
    return [row[:3] for row in await places(shop, order)]


async def test_place_that_has_everything_sends_everything_though_another_comes_before_it(shop: Shop) -> None:
    one = await goods(shop, north=5, south=5)
    two = await goods(shop, south=5)
    assert await allocated(shop, (one, 2), (two, 3)) == sorted([(one, SOUTH, 2), (two, SOUTH, 3)])


async def test_of_places_that_have_everything_the_lowest_priority_sends_and_then_the_first_by_code(shop: Shop) -> None:
    everywhere = await goods(shop, 5, north=5, south=5, west=5)
    assert await allocated(shop, (everywhere, 5)) == [(everywhere, NORTH, 5)]
    assert await allocated(shop, (everywhere, 5)) == [(everywhere, SOUTH, 5)]
    assert await allocated(shop, (everywhere, 5)) == [(everywhere, WEST, 5)]
    assert await allocated(shop, (everywhere, 5)) == [(everywhere, "main", 5)]


async def test_an_order_is_split_over_few_places_and_not_over_those_of_low_priority(shop: Shop) -> None:
    sku = await goods(shop, 8, north=1, south=2, west=7)
    assert await allocated(shop, (sku, 15)) == [(sku, "main", 8), (sku, WEST, 7)]


async def test_the_rest_of_a_split_order_comes_from_who_has_most_of_the_rest(shop: Shop) -> None:
    a, b, c, d, e, f = [
        await goods(shop, **there)
        for there in (
            {"west": 9},
            {"west": 9},
            {"west": 9, "north": 9},
            {"west": 9, "north": 9},
            {"north": 9, "south": 9},
            {"south": 9},
        )
    ]
    taken = await allocated(shop, *((sku, 1) for sku in (a, b, c, d, e, f)))
    assert taken == sorted([*((sku, WEST, 1) for sku in (a, b, c, d)), (e, SOUTH, 1), (f, SOUTH, 1)])


async def test_places_that_do_not_ship_there_or_do_not_sell_are_left_out(shop: Shop) -> None:
    sku = await goods(shop, 5, irish=5, shut=50)
    assert await allocated(shop, (sku, 5), country="IE") == [(sku, IRISH, 5)]
    [order, other] = await orders(shop, 2, "GB")
    assert await hold(shop, order, (sku, 6)) == (Shortage(sku, requested=6, available=5),)
    assert await places(shop, order) == []
    assert await hold(shop, other, (sku, 5)) == ()
    assert [row[1] for row in await places(shop, other)] == ["main"]


async def test_lines_of_one_sku_are_summed_before_they_are_split(shop: Shop) -> None:
    sku = await goods(shop, 3, north=2)
    [order] = await orders(shop, 1)
    assert await hold(shop, order, (sku, 3), (sku, 3)) == (Shortage(sku, requested=6, available=5),)
    assert await hold(shop, order, (sku, 3), (sku, 2)) == ()
    assert await places(shop, order) == [(sku, "main", 3, "held"), (sku, NORTH, 2, "held")]


async def test_what_was_sold_goes_back_to_where_it_came_from_even_if_that_place_no_longer_sells(shop: Shop) -> None:
    closing = await place(shop, "closing", priority=1)
    sku = await goods(shop, 1, closing=2)
    [order] = await orders(shop, 1)
    await hold(shop, order, (sku, 3))
    await commit(shop, order)
    async with shop.sessions.begin() as session:
        await locations.change(session, closing, LocationChange(active=False), version=None)
        found = await stock.find(session, sku)
    assert found is not None
    assert found.available == 0

    await release(shop, order)

    rows = await shop.run("SELECT location, on_hand, reserved FROM stock_levels WHERE sku = :s ORDER BY 1", s=sku)
    assert rows == [(closing, 2, 0), ("main", 1, 0)]


async def test_an_order_that_is_held_anew_takes_what_is_there_now(shop: Shop) -> None:
    sku = await goods(shop, 4, north=4)
    [order, rival] = await orders(shop, 2)
    await hold(shop, order, (sku, 4))
    await release(shop, order)
    await hold(shop, rival, (sku, 3))

    async def again() -> tuple[Shortage, ...]:
        async with shop.sessions.begin() as session:
            return await inventory.hold_again(session, order)

    assert await again() == ()
    assert await places(shop, order) == [(sku, "main", 4, "held")]
    assert await again() == ()
    assert await places(shop, order) == [(sku, "main", 4, "held")]
    [(held,)] = await shop.run("SELECT sum(reserved)::bigint FROM stock_levels WHERE sku = :sku", sku=sku)
    assert held == 7


async def test_an_order_whose_goods_are_gone_is_not_held_anew_and_nothing_changes(shop: Shop) -> None:
    sku, other = await goods(shop, 4), await goods(shop, 1)
    [order, rival] = await orders(shop, 2)
    await hold(shop, order, (sku, 3), (other, 1))
    await release(shop, order)
    await hold(shop, rival, (sku, 2))
    async with shop.sessions.begin() as session:
        assert await inventory.hold_again(session, order) == (Shortage(sku, requested=3, available=2),)
    assert await places(shop, order) == sorted([(sku, "main", 3, "released"), (other, "main", 1, "released")])


async def test_what_a_checkout_can_sell_is_told_for_many_skus_by_country(shop: Shop) -> None:
    sku = await goods(shop, 5, irish=3, shut=50)
    none = await goods(shop)
    async with shop.sessions() as session:
        assert await stock.sellable(session, [sku, none, "unknown"], "GB") == {sku: 5, none: 0, "unknown": 0}
        assert await stock.sellable(session, [sku], "IE") == {sku: 8}
        assert await stock.sellable(session, [sku]) == {sku: 8}


async def test_holds_of_many_skus_at_many_places_in_any_order_never_deadlock_and_never_oversell(shop: Shop) -> None:
    skus = [await goods(shop, 6, north=5, south=4, west=3) for _ in range(12)]
    dice = random.Random(20261123)
    baskets = [(order, dice.sample(skus, 6), dice.choice("krc")) for order in await orders(shop, 80, "GB")]

    async def trade(order: UUID, basket: list[str], end: str) -> bool:
        if await hold(shop, order, *((sku, 1) for sku in basket)):
            return False
        if end in "rc":
            await commit(shop, order)
        if end == "c":
            await release(shop, order)
        return True

    done = await asyncio.gather(*(trade(*basket) for basket in baskets))

    kept, sold = Counter[str](), Counter[str]()
    for (_, basket, end), served in zip(baskets, done, strict=True):
        (kept if served and end == "k" else sold if served and end == "r" else Counter[str]()).update(basket)
    rows = await shop.run(
        "SELECT sku, sum(on_hand)::bigint, sum(reserved)::bigint FROM stock_levels"
        " WHERE sku = ANY(CAST(:skus AS text[])) GROUP BY sku",
        skus=skus,
    )
    assert {row[0]: row[1:] for row in rows} == {sku: (18 - sold[sku], kept[sku]) for sku in skus}
    assert max(kept[sku] + sold[sku] for sku in skus) <= 18
    assert any(not served for served in done)


async def test_a_thousand_lines_at_four_places_are_held_at_once_with_whatever_plan(shop: Shop) -> None:
    stem = shop.sku("BULK")
    product = await shop.product(stem, stock=None)
    await shop.run(
        "INSERT INTO variants (sku, product_id, title, position)"
        " SELECT :stem || n, :product, '', n FROM generate_series(1, 1000) n",
        stem=stem,
        product=product,
    )
    await shop.run(
        """
        WITH placed AS (
            INSERT INTO stock_levels (sku, location, on_hand, reserved)
            SELECT :stem || n, code, 1000, 0 FROM generate_series(1, 1000) n
            JOIN unnest(ARRAY['main', 'north', 'south', 'west']) WITH ORDINALITY AS p (code, place) ON n % 4 < place
            RETURNING sku, location, on_hand
        )
        INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
        SELECT uuidv7(), sku, location, on_hand, 'receipt', 'test', '' FROM placed
        """,
        stem=stem,
    )
    lines = [(f"{stem}{number}", 2) for number in range(1, 1001)]
    taken = []
    # The plan that PostgreSQL keeps is made without knowing how many lines there are.
    for order in await orders(shop, 2, "GB"):
        async with shop.sessions.begin() as session:
            await session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
            began = perf_counter()
            assert await inventory.hold(session, order, lines) == ()
            taken.append(perf_counter() - began)
        assert {row[1:] for row in await places(shop, order)} == {("west", 2, "held")}
    assert min(taken) < 1
