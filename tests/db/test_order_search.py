"""Finding orders among many: each search has an index, whatever PostgreSQL knows of its parameters."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from db import orders
from db.orders import OrderSearch
from models.columns import new_id
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

ORDERS = 100_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMER = UUID(int=7)

_CARTS = """
INSERT INTO carts (id, status, checkout_attempt, currency)
SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), 'ordered', 1, 'GBP' FROM generate_series(1, :number) AS n
"""
_FILLED = """
INSERT INTO orders (id, cart_id, customer_id, checkout_attempt, status, payment_status, currency, subtotal_amount,
                    discount_amount, shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount,
                    payment_attempt, email, created_at)
SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), CAST(lpad(to_hex(n), 32, '0') AS uuid),
       CASE WHEN n % 3 = 0 THEN CAST(lpad(to_hex(n % 5000), 32, '0') AS uuid) END, 1,
       CASE WHEN n % 1000 = 0 THEN 'payment_required' WHEN n % 10 = 0 THEN 'closed' ELSE 'placed' END, 'none', 'GBP',
       100, 0, 0, 0, 100, 0, 0, 1, 'Buyer-' || n % 20000 || '@Example.com',
       CAST(:began AS timestamptz) + n * interval '1 minute'
FROM generate_series(1, :number) AS n
"""


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated()) as shop:
        await shop.run(_CARTS, number=ORDERS)
        await shop.run(_FILLED, number=ORDERS, began=BEGAN)
        await shop.run("ANALYZE orders, carts")
        yield shop


_REMOVED = re.compile(r"Rows Removed by Filter: (\d+)")
MOMENT = BEGAN + timedelta(minutes=ORDERS // 2)
AFTER = (MOMENT, UUID(int=ORDERS // 2))
SEARCHES = {
    "all": OrderSearch(limit=21),
    "all, further on": OrderSearch(limit=21, after=AFTER),
    "of a customer": OrderSearch(limit=21, customer_id=CUSTOMER),
    "of a customer, further on": OrderSearch(limit=21, customer_id=CUSTOMER, after=AFTER),
    "in a common state": OrderSearch(limit=21, status="placed"),
    "in a rare state": OrderSearch(limit=21, status="payment_required", after=AFTER),
    "in a state that none is in": OrderSearch(limit=21, status="cancelling"),
    "by number": OrderSearch(limit=21, number="EO-150000"),
    "by a number that there is not": OrderSearch(limit=21, number="EO-1"),
    "by e-mail": OrderSearch(limit=21, email="BUYER-77@example.COM"),
    "by an e-mail that there is not": OrderSearch(limit=21, email="nobody@example.com"),
    "that call an operator": OrderSearch(limit=21, needs_operator=True),
    "between two moments": OrderSearch(limit=21, since=MOMENT, until=MOMENT + timedelta(hours=1)),
    "by everything": OrderSearch(
        limit=21, status="placed", email="buyer-77@example.com", since=BEGAN, until=MOMENT, customer_id=CUSTOMER
    ),
}


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", SEARCHES)
async def test_no_search_reads_the_whole_table(shop: Shop, name: str, plans: str) -> None:
    statement, values = orders.search_statement(SEARCHES[name])
    async with shop.sessions.begin() as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {plans}"))
        plan = await session.execute(text(f"EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF) {statement.text}"), values)
        lines = [str(line) for line in plan.scalars()]
    assert not [line for line in lines if "Seq Scan on orders" in line], "\n".join(lines)
    assert not [line for line in lines if "Seq Scan on carts" in line], "\n".join(lines)
    assert sum(int(number) for number in _REMOVED.findall("\n".join(lines))) < 1_000, "\n".join(lines)


async def found(shop: Shop, search: OrderSearch) -> list[int]:
    async with shop.sessions.begin() as session:
        return [order.id.int for order in await orders.search(session, search)]


async def test_filters_are_exact_and_together_narrow_the_list(shop: Shop) -> None:
    of_one = [n for n in range(ORDERS, 0, -1) if n % 20_000 == 77]
    assert await found(shop, SEARCHES["by e-mail"]) == of_one
    assert await found(shop, OrderSearch(limit=21, email="buyer-7@example.co")) == []
    assert await found(shop, OrderSearch(limit=21, email="%@example.com")) == []
    assert await found(shop, SEARCHES["in a state that none is in"]) == []
    closed = OrderSearch(limit=3, status="closed", since=MOMENT, until=MOMENT + timedelta(minutes=21))
    middle = ORDERS // 2
    assert await found(shop, closed) == [middle + 20, middle + 10]


async def test_pages_are_stable_while_orders_arrive(shop: Shop) -> None:
    first = await found(shop, OrderSearch(limit=5))
    assert first == list(range(ORDERS, ORDERS - 5, -1))
    arrived = new_id()
    await shop.run(
        "INSERT INTO carts (id, status, checkout_attempt, currency) VALUES (:id, 'ordered', 1, 'GBP')", id=arrived
    )
    await shop.run(
        "INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount,"
        " discount_amount, shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount,"
        " payment_attempt) VALUES (:id, :id, 1, 'placed', 'none', 'GBP', 1, 0, 0, 0, 1, 0, 0, 1)",
        id=arrived,
    )
    last = BEGAN + timedelta(minutes=first[-1])
    assert await found(shop, OrderSearch(limit=5, after=(last, UUID(int=first[-1])))) == list(
        range(ORDERS - 5, ORDERS - 10, -1)
    )


async def test_orders_of_one_moment_are_listed_each_once(shop: Shop) -> None:
    at = BEGAN + timedelta(minutes=100)
    await shop.run("UPDATE orders SET created_at = :at WHERE created_at BETWEEN :since AND :at", at=at, since=BEGAN)
    listed: list[int] = []
    after: tuple[datetime, UUID] | None = None
    while page := await found(shop, OrderSearch(limit=7, until=at + timedelta(seconds=1), after=after)):
        listed += page
        after = (at, UUID(int=page[-1]))
    assert listed == list(range(100, 0, -1))
