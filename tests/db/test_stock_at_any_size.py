"""Reads of stock cost what they answer, however much has happened to a SKU before, whatever PostgreSQL knows of it."""

import re
from collections.abc import AsyncIterator, Mapping

import pytest
from sqlalchemy import TextClause, text

from db import stock, stocking
from db.stocking import Receipt
from models.columns import new_id
from tests.support.shop import Shop, opened_shop

SKU = "HOT-1"
HISTORY = 10_000
OPEN = 10

_MOVED = """
INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note, created_at)
SELECT uuidv7(), :sku, 'main', CASE n WHEN 1 THEN CAST(:number AS bigint) ELSE -1 END,
       CASE n WHEN 1 THEN 'receipt' ELSE 'sale' END, 'system', '',
       TIMESTAMPTZ '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, CAST(:number AS bigint)) AS n
"""
_CARTS = """
INSERT INTO carts (id, status, checkout_attempt, currency)
SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), 'ordered', 1, 'GBP' FROM generate_series(0, :open) AS n
"""
_ORDERED = """
INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount, discount_amount,
                    shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount, payment_attempt)
SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid),
       CAST(lpad(to_hex(CASE WHEN n <= :open THEN n ELSE 0 END), 32, '0') AS uuid), n,
       CASE WHEN n <= :open THEN 'placed' ELSE 'failed' END, 'none', 'GBP', 100, 0, 0, 0, 100, 0, 0, 1
FROM generate_series(1, :number) AS n
"""
_LINES = """
INSERT INTO order_lines (line_id, order_id, position, sku, title, quantity, unit_price_amount, total_amount)
SELECT uuidv7(), id, 0, :sku, 'A thing', 2, 50, 100 FROM orders
"""
_BOUGHT = """
INSERT INTO reservations (order_id, sku, location, quantity, state)
SELECT id, :sku, 'main', 2, 'committed' FROM orders WHERE status = 'placed'
"""

_BUFFERS = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")


@pytest.fixture(scope="module")
async def shop(database: str) -> AsyncIterator[Shop]:
    """Open a shop that has moved a SKU often, and most of whose orders of it came to nothing."""
    async with opened_shop(database) as shop:
        await shop.product(SKU, stock=1)
        await shop.run(_MOVED, sku=SKU, number=HISTORY)
        await shop.run(_CARTS, open=OPEN)
        await shop.run(_ORDERED, open=OPEN, number=HISTORY)
        await shop.run(_LINES, sku=SKU)
        await shop.run(_BOUGHT, sku=SKU)
        await shop.run("ANALYZE stock_movements, orders, order_lines, reservations")
        yield shop


async def buffers(shop: Shop, plans: str, statement: TextClause, values: Mapping[str, object]) -> int:
    """Count the pages that a statement touches; what it writes is taken back."""
    async with shop.sessions() as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {plans}"))
        plan = await session.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement.text}"), values)
        first = next(found for line in plan.scalars() if (found := _BUFFERS.search(str(line))))
    return sum(int(number) for number in first.groups() if number)


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_no_read_of_stock_grows_with_what_has_happened_before(shop: Shop, plans: str) -> None:
    """All movements fill 170 pages, and looking each failed order up touches 70,000."""
    [(moment, movement)] = await shop.run(
        "SELECT created_at, id FROM stock_movements ORDER BY created_at OFFSET :middle LIMIT 1", middle=HISTORY // 2
    )
    newest = {"sku": SKU, "limit": 21, "before": stock.NEWEST[0], "before_id": stock.NEWEST[1]}
    assert await buffers(shop, plans, stock.MOVEMENTS, newest) < 20
    assert await buffers(shop, plans, stock.MOVEMENTS, newest | {"before": moment, "before_id": movement}) < 20
    assert await buffers(shop, plans, stock.STOCK, {"sku": SKU, "everything": False}) < 20
    assert await buffers(shop, plans, stock.STOCK, {"sku": SKU, "everything": True}) < 1_000
    receipt = {"ids": [new_id()], "skus": [SKU], "quantities": [5], "location": "main", "note": "delivery 7"}
    assert await buffers(shop, plans, stocking.RECEIVE, receipt) < 100


async def test_what_is_sold_and_not_shipped_is_of_orders_that_stand(shop: Shop) -> None:
    async with shop.sessions() as session:
        found = await stock.find(session, SKU)
    assert found is not None
    assert found.sold_unshipped == 2 * OPEN


async def test_delivery_is_received_once_however_much_was_sold_since(shop: Shop) -> None:
    async with shop.sessions() as session:
        assert await stocking.receive(session, [Receipt(SKU, 5)], note="delivery 7") == 5
        assert await stocking.receive(session, [Receipt(SKU, 5)], note="delivery 7") == 0
        assert await stocking.receive(session, [Receipt(SKU, 5)], note="delivery 8") == 5
