"""A shop that has products is migrated and its lists are whole afterwards."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import asyncpg
import pytest
from alembic import command

from db import migrations
from db.audit.checks import count, examine
from db.audit.listings import LISTED_AS_IT_IS
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

_PRODUCTS = """
INSERT INTO products (id, slug, title, description, status, category_id)
SELECT gen_random_uuid(), 'p-' || n, 'Product ' || n, '', CASE WHEN n % 3 = 0 THEN 'draft' ELSE 'active' END,
       (SELECT id FROM categories WHERE slug = 'below')
FROM generate_series(1, 2500) n
"""
_TREE = """
INSERT INTO categories (id, slug, name) VALUES (gen_random_uuid(), 'above', 'Above');
INSERT INTO categories (id, slug, name, parent_id) SELECT gen_random_uuid(), 'below', 'Below', id FROM categories
"""
_VARIANTS = "INSERT INTO variants (sku, product_id, title, position) SELECT slug, id, '', 0 FROM products"
_PRICES = "INSERT INTO prices (sku, currency, amount) SELECT sku, 'GBP', 100 FROM variants"

_CHECKOUT = """
SELECT 1 FROM variants v JOIN products p ON p.id = v.product_id JOIN prices x ON x.sku = v.sku WHERE v.sku = $1
"""
_LONGEST_WAIT = 1.5
_ORDER = """
WITH cart AS (
    INSERT INTO carts (id, status, checkout_attempt, currency) VALUES (gen_random_uuid(), 'open', 1, 'GBP')
    RETURNING id
), placed AS (
    INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount,
        discount_amount, shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount, payment_attempt,
        capture_policy, payment_retry_delays)
    SELECT gen_random_uuid(), id, 1, 'pending', 'none', 'GBP', 1000, 0, 0, 0, 1000, 0, 0, 1, $2::text, $3::text::int[]
    FROM cart RETURNING id
)
INSERT INTO payment_operations
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state)
SELECT id || ':' || operation, id, operation, $1::int, 1, 1000, 'GBP', 'stripe', 'pi_1', 'succeeded'
FROM placed, unnest(ARRAY['authorise', 'capture']) AS operation
"""


@pytest.fixture
async def old(postgres: PostgresForTests) -> str:
    """Make a shop as it was before there were listings."""
    url = postgres.empty()
    await asyncio.to_thread(command.upgrade, migrations.config(url), "0006")
    connection = await asyncpg.connect(url)
    for statement in (_TREE, _PRODUCTS, _VARIANTS, _PRICES):
        await connection.execute(statement)
    await connection.close()
    return url


@pytest.fixture
async def shop(old: str) -> AsyncIterator[Shop]:
    async with opened_shop(old) as shop:
        yield shop


async def broken(shop: Shop) -> dict[str, int]:
    async with shop.sessions() as session:
        findings = await examine(session, LISTED_AS_IT_IS.checks, {}, await count(session))
    return {finding.name: finding.broken for finding in findings if finding.broken}


async def test_products_that_were_there_before_are_listed(old: str, shop: Shop) -> None:
    await asyncio.to_thread(migrations.upgrade, old)
    assert await broken(shop) == {}
    assert await shop.run("SELECT count(*) FROM listings") == [(3 * 1667,)]
    assert await shop.run("SELECT indexrelid FROM pg_index WHERE NOT indisvalid") == []
    assert await shop.run("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []


async def test_a_migration_that_was_interrupted_is_begun_anew(old: str, shop: Shop) -> None:
    await asyncio.to_thread(command.upgrade, migrations.config(old), "0008")
    await shop.run("SELECT refresh_listings(ARRAY(SELECT id FROM products LIMIT 700))")
    await shop.run("CREATE INDEX listed_prices_by_price ON listed_prices (price)")
    await asyncio.to_thread(migrations.upgrade, old)
    assert await broken(shop) == {}
    [(definition,)] = await shop.run("SELECT indexdef FROM pg_indexes WHERE indexname = 'listed_prices_by_price'")
    assert str(definition).endswith("(category_id, currency, price, product_id) INCLUDE (traits)")


class Reads:
    """Reads what every checkout reads, again and again, and keeps the longest time that it took."""

    def __init__(self) -> None:
        self.took: list[float] = []

    async def forever(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            while True:
                began = monotonic()
                await connection.fetch(_CHECKOUT, "p-7")
                self.took.append(monotonic() - began)
                await asyncio.sleep(0.01)
        finally:
            connection.terminate()


async def test_a_long_read_makes_the_migration_wait_and_nobody_else_for_long(old: str, shop: Shop) -> None:
    slow = await asyncpg.connect(old)
    await slow.execute("BEGIN")
    await slow.execute("SELECT 1 FROM products, categories, variants LIMIT 1")
    reads = Reads()
    reading = asyncio.create_task(reads.forever(old))
    migration = asyncio.create_task(asyncio.to_thread(migrations.upgrade, old))
    try:
        waited, _ = await asyncio.wait([migration], timeout=2.5)
    finally:
        slow.terminate()
        await migration
        reading.cancel()
    assert not waited
    assert await broken(shop) == {}
    assert len(reads.took) > 50
    assert max(reads.took) < _LONGEST_WAIT


async def test_editors_of_products_and_the_migration_do_not_wait_for_each_other_in_a_circle(
    old: str, shop: Shop
) -> None:
    edits = 0

    async def edit() -> None:
        nonlocal edits
        connection = await asyncpg.connect(old)
        try:
            while True:
                async with connection.transaction():
                    await connection.execute("UPDATE products SET title = title || '!' WHERE slug = 'p-7'")
                    await connection.execute("UPDATE variants SET title = title || '!' WHERE sku = 'p-7'")
                    await connection.execute("UPDATE prices SET amount = amount + 1 WHERE sku = 'p-7'")
                edits += 1
        finally:
            connection.terminate()

    editing = asyncio.create_task(edit())
    await asyncio.to_thread(migrations.upgrade, old)
    assert not editing.done()
    editing.cancel()
    assert edits > 10
    assert await broken(shop) == {}


async def test_payments_whose_method_was_kept_before_are_found_afterwards(postgres: PostgresForTests) -> None:
    url = postgres.empty()
    await asyncio.to_thread(command.upgrade, migrations.config(url), "0016")
    connection = await asyncpg.connect(url)
    for number, (policy, delays) in enumerate((("shipment", "{}"), ("placement", "{3600}"), ("placement", "{}"))):
        await connection.execute(_ORDER, number, policy, delays)
    await connection.close()

    await asyncio.to_thread(migrations.upgrade, url)

    async with opened_shop(url) as shop:
        keeping = await shop.run(
            "SELECT attempt, operation FROM payment_operations WHERE keeps_method ORDER BY attempt"
        )
        assert keeping == [(0, "authorise"), (1, "authorise")]
        assert await shop.run("SELECT indexrelid FROM pg_index WHERE NOT indisvalid") == []
