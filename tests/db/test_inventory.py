"""The three statements that move stock: exact under real concurrency, and never in each other's way."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.orders import Shortage
from db import inventory
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop
from tests.support.stock import commit, goods, hold, levels, orders, release, reservations, somebody_waits

SKUS = 4
ORDERS = 3
STOCK = 6


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        yield shop


async def test_two_hundred_buyers_of_fifty_units_hold_exactly_fifty(shop: Shop) -> None:
    sku = await goods(shop, 50)
    buyers = await orders(shop, 200)

    answers = await asyncio.gather(*(hold(shop, buyer, (sku, 1)) for buyer in buyers))

    assert Counter(answers) == {(): 50, (Shortage(sku, requested=1, available=0),): 150}
    assert await levels(shop, sku) == [(50, 50, 50)]
    held = "SELECT count(*), sum(quantity)::bigint FROM reservations WHERE sku = :sku AND state = 'held'"
    assert await shop.run(held, sku=sku) == [(50, 50)]


async def test_shortages_of_a_crowd_tell_what_was_really_left(shop: Shop) -> None:
    sku = await goods(shop, 50)
    buyers = await orders(shop, 40)

    answers = await asyncio.gather(*(hold(shop, buyer, (sku, 3)) for buyer in buyers))

    assert Counter(answers) == {(): 16, (Shortage(sku, requested=3, available=2),): 24}
    assert await levels(shop, sku) == [(50, 48, 50)]


async def test_many_skus_in_any_order_are_held_sold_and_given_back_at_once_without_a_deadlock(shop: Shop) -> None:
    skus = [await goods(shop, 200) for _ in range(16)]
    dice = random.Random(20261123)
    baskets = [(order, dice.sample(skus, 8), dice.choice("krc")) for order in await orders(shop, 64)]

    async def trade(order: UUID, basket: list[str], end: str) -> None:
        assert await hold(shop, order, *((sku, 2) for sku in basket)) == ()
        if end in "rc":
            await commit(shop, order)
        if end == "c":
            await release(shop, order)

    await asyncio.gather(*(trade(*basket) for basket in baskets))

    kept, sold = Counter[str](), Counter[str]()
    for _, basket, end in baskets:
        (kept if end == "k" else sold if end == "r" else Counter[str]()).update(basket)
    expected = [(200 - 2 * sold[sku], 2 * kept[sku], 200 - 2 * sold[sku]) for sku in skus]
    assert await levels(shop, *skus) == expected


async def test_lines_of_one_sku_are_one_reservation(shop: Shop) -> None:
    sku = await goods(shop, 5)
    [order] = await orders(shop, 1)

    assert await hold(shop, order, (sku, 2), (sku, 3)) == ()
    assert await reservations(shop, order) == [(5, "held")]
    assert await levels(shop, sku) == [(5, 5, 5)]


async def test_shortages_are_listed_by_sku_and_nothing_of_the_order_is_held(shop: Shop) -> None:
    plenty, scarce = await goods(shop, 10), await goods(shop, 1)
    unknown = shop.sku("A-NOWHERE")
    [order] = await orders(shop, 1)

    short = await hold(shop, order, (scarce, 2), (plenty, 1), (unknown, 1))

    assert short == (Shortage(unknown, requested=1, available=0), Shortage(scarce, requested=2, available=1))
    assert await reservations(shop, order) == []
    assert await levels(shop, plenty, scarce) == [(10, 0, 10), (1, 0, 1)]


async def test_goods_of_others_are_not_available(shop: Shop) -> None:
    sku = await goods(shop, 5)
    first, second = await orders(shop, 2)
    await hold(shop, first, (sku, 4))

    assert await hold(shop, second, (sku, 2)) == (Shortage(sku, requested=2, available=1),)


async def test_hold_that_waits_for_a_release_takes_what_that_gave_back(shop: Shop) -> None:
    sku = await goods(shop, 1)
    first, second = await orders(shop, 2)
    await hold(shop, first, (sku, 1))
    async with shop.sessions.begin() as session:
        await inventory.release(session, first)
        waiting = asyncio.create_task(hold(shop, second, (sku, 1)))
        await somebody_waits(shop)

    assert await waiting == ()
    assert await levels(shop, sku) == [(1, 1, 1)]
    assert await reservations(shop, second) == [(1, "held")]


async def test_twenty_commits_and_then_twenty_releases_at_once_move_the_goods_once_each(shop: Shop) -> None:
    sku = await goods(shop, 5)
    [order] = await orders(shop, 1)
    await hold(shop, order, (sku, 3))

    await asyncio.gather(*(commit(shop, order) for _ in range(20)))
    assert await levels(shop, sku) == [(2, 0, 2)]
    assert await reservations(shop, order) == [(3, "committed")]

    await asyncio.gather(*(release(shop, order) for _ in range(20)))
    assert await levels(shop, sku) == [(5, 0, 5)]
    assert await reservations(shop, order) == [(3, "released")]


async def test_commit_and_release_at_once_end_as_one_of_them_and_the_books_agree(shop: Shop) -> None:
    sku = await goods(shop, 100)
    for order in await orders(shop, 20):
        await hold(shop, order, (sku, 1))
        await asyncio.gather(commit(shop, order), release(shop, order))
        [(_, state)] = await reservations(shop, order)
        assert state == "released"
    assert await levels(shop, sku) == [(100, 0, 100)]


moves = st.lists(
    st.one_of(
        st.tuples(
            st.just("hold"),
            st.integers(0, ORDERS - 1),
            st.lists(st.tuples(st.integers(0, SKUS - 1), st.integers(1, 4)), min_size=1, max_size=4),
        ),
        st.tuples(st.sampled_from(["commit", "release"]), st.integers(0, ORDERS - 1), st.just([])),
    ),
    max_size=16,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=moves)
async def test_any_walk_of_holds_commits_and_releases_keeps_the_books_exact(
    shop: Shop, walk: list[tuple[str, int, list[tuple[int, int]]]]
) -> None:
    skus = sorted([await goods(shop, STOCK) for _ in range(SKUS)])
    made = await orders(shop, ORDERS)
    on_hand, held, sold = (
        Counter(dict.fromkeys(skus, STOCK)),
        [Counter[str]() for _ in made],
        [Counter[str]() for _ in made],
    )
    used: set[int] = set()

    for move, number, lines in walk:
        order = made[number]
        if move == "hold" and number not in used:
            wanted = Counter[str]()
            for sku, quantity in lines:
                wanted[skus[sku]] += quantity
            reserved = sum(held, Counter[str]())
            short = tuple(
                Shortage(sku, wanted[sku], on_hand[sku] - reserved[sku])
                for sku in sorted(wanted)
                if wanted[sku] > on_hand[sku] - reserved[sku]
            )
            assert await hold(shop, order, *((skus[sku], quantity) for sku, quantity in lines)) == short
            if not short:
                held[number] = wanted
                used.add(number)
        elif move == "commit":
            await commit(shop, order)
            on_hand.subtract(held[number])
            sold[number] += held[number]
            held[number] = Counter()
        elif move == "release":
            await release(shop, order)
            on_hand.update(sold[number])
            held[number], sold[number] = Counter(), Counter()

        reserved = sum(held, Counter[str]())
        assert await levels(shop, *skus) == [(on_hand[sku], reserved[sku], on_hand[sku]) for sku in skus]
