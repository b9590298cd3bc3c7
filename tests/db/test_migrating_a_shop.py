"""A shop that has products is migrated and its lists are whole afterwards."""

import asyncio
import json
import sys
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
_LATE_PRODUCT = "SELECT 1 FROM products WHERE id = (SELECT id FROM products ORDER BY id OFFSET 2000 LIMIT 1) FOR UPDATE"
_MARK = "SELECT CAST(p.xmax AS text) FROM pg_sleep($1), products p ORDER BY p.id LIMIT 1"
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


@pytest.fixture
async def empty(postgres: PostgresForTests) -> str:
    """Make a shop without products, as it was before many indices were made in the open."""
    url = postgres.empty()
    await asyncio.to_thread(command.upgrade, migrations.config(url), "0019")
    return url


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


async def test_a_batch_that_gave_up_is_tried_again_and_none_that_was_done_before(old: str, shop: Shop) -> None:
    """Each batch locks its products and leaves the mark of its transaction at them."""
    await asyncio.to_thread(command.upgrade, migrations.config(old), "0021")
    slow = await asyncpg.connect(old)
    await slow.execute("BEGIN")
    await slow.execute(_LATE_PRODUCT)
    former = await slow.fetchval(_MARK, 0)
    migration = asyncio.create_task(asyncio.to_thread(migrations.upgrade, old))
    try:
        while (mark := await slow.fetchval(_MARK, 0.01)) == former:
            pass
        waited, _ = await asyncio.wait([migration], timeout=2)
        assert not waited
        assert await slow.fetchval(_MARK, 0) == mark
    finally:
        slow.terminate()
        await migration
    assert await broken(shop) == {}


class Reads:
    """Reads what every checkout or list reads, again and again, and keeps the longest time that it took."""

    def __init__(self, statement: str = _CHECKOUT) -> None:
        self.took: list[float] = []
        self._statement = statement

    async def forever(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            while True:
                began = monotonic()
                await connection.fetch(self._statement, "p-7")
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


async def test_a_migration_after_one_without_limit_gives_up_as_soon_as_the_first(empty: str) -> None:
    """0020 makes indices for as long as it takes; 0021 changes the lists' tables, and waits for who reads them."""
    slow = await asyncpg.connect(empty)
    await slow.execute("BEGIN")
    await slow.execute("SELECT 1 FROM listed_prices LIMIT 1")
    reads = Reads("SELECT 1 FROM listings l JOIN products p ON p.id = l.product_id WHERE p.slug = $1")
    reading = asyncio.create_task(reads.forever(empty))
    migration = asyncio.create_task(asyncio.to_thread(migrations.upgrade, empty))
    try:
        waited, _ = await asyncio.wait([migration], timeout=3)
    finally:
        slow.terminate()
        await migration
        reading.cancel()
    assert not waited
    assert len(reads.took) > 50
    assert max(reads.took) < _LONGEST_WAIT


async def test_two_that_migrate_at_once_do_not_wait_for_each_other_in_a_circle(empty: str) -> None:
    """To make an index `CONCURRENTLY` is to wait for every statement that began before: also for one that waits."""
    program = (sys.executable, "-c", f"from db.migrations import upgrade; upgrade({empty!r})")
    both = [await asyncio.create_subprocess_exec(*program) for _ in range(2)]
    assert [await process.wait() for process in both] == [0, 0]
    async with opened_shop(empty) as shop:
        assert await shop.run("SELECT version_num FROM alembic_version") == [(migrations.head(),)]
        assert await shop.run("SELECT indexrelid FROM pg_index WHERE NOT indisvalid") == []


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


async def test_tags_that_were_one_text_become_a_list_that_finds_their_products(postgres: PostgresForTests) -> None:
    url = postgres.empty()
    await asyncio.to_thread(command.upgrade, migrations.config(url), "0029")
    async with opened_shop(url) as shop:
        await shop.run("INSERT INTO attributes (name, type) VALUES ('tags', 'text'), ('wool', 'boolean')")
        tagged = {"Mug": "summer, Sale,sale , ", "Cup": " , ", "Hat": None}
        for title, tags in tagged.items():
            product = await shop.product(title, title=title)
            attributes = json.dumps({"wool": True} | ({} if tags is None else {"tags": tags}))
            edit = "UPDATE products SET attributes = CAST(:attributes AS jsonb) WHERE id = :id"
            await shop.run(edit, attributes=attributes, id=product)

        await asyncio.to_thread(migrations.upgrade, url)

        assert await shop.run("SELECT title, attributes, version FROM products ORDER BY title") == [
            ("Cup", {"wool": True}, 2),
            ("Hat", {"wool": True}, 1),
            ("Mug", {"wool": True, "tags": ["Sale", "summer"]}, 2),
        ]
        assert await shop.run("SELECT type FROM attributes WHERE name = 'tags'") == [("list",)]
        assert await broken(shop) == {}
