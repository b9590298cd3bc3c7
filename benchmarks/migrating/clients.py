"""What goes on in the shop all the while: each client does one thing, again and again, without a pause.

They say what the product says to PostgreSQL at each of these moments, as far as every revision understands it: stock is
held, bought and given back by the product's own statements, which no migration since has changed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from time import perf_counter
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import inventory
from db.engine import create_engine, create_sessions

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

Step = Callable[[AsyncSession, UUID, str], Awaitable[object]]
"""One transaction of a client, about an order and a SKU of its own."""

_PRICED = text("""
SELECT v.sku, v.active, p.status, x.amount
FROM variants v JOIN products p ON p.id = v.product_id JOIN prices x ON x.sku = v.sku AND x.currency = 'GBP'
WHERE v.sku = :sku
""")
_PAGE = text("""
SELECT p.title, l.sold_out FROM listings l JOIN products p ON p.id = l.product_id
WHERE l.category_id = CAST('00000000-0000-0000-0000-000000000000' AS uuid)
ORDER BY l.created_at DESC, l.product_id DESC LIMIT 20
""")
_RENAMED = text("""
UPDATE products SET title = CASE WHEN title LIKE '%!' THEN rtrim(title, '!') ELSE title || '!' END
WHERE id = (SELECT product_id FROM variants WHERE sku = :sku)
""")
_PRICE_CHANGED = text("UPDATE prices SET amount = amount + 1 WHERE sku = :sku")
_OPENED = text("""
WITH cart AS (
    INSERT INTO carts (id, status, checkout_attempt, currency) VALUES (:order, 'frozen', 1, 'GBP') RETURNING id
), placed AS (
    INSERT INTO orders (
        id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount, discount_amount,
        shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount, payment_attempt, shipping_address
    )
    SELECT id, id, 1, 'pending', 'none', 'GBP', 1000, 0, 0, 0, 1000, 0, 0, 1, '{"country": "GB"}' FROM cart
    RETURNING id
), line AS (
    INSERT INTO order_lines (line_id, order_id, position, sku, title, quantity, unit_price_amount, total_amount)
    SELECT uuidv7(), id, 0, :sku, 'A thing', 1, 1000, 1000 FROM placed
)
INSERT INTO payment_operations (key, order_id, operation, attempt, n, amount, currency, provider, state)
SELECT id || ':authorise:1', id, 'authorise', 1, 1, 1000, 'GBP', 'stripe', 'started' FROM placed
""")
_AUTHORISED = text("UPDATE payment_operations SET state = 'succeeded' WHERE order_id = :order")
_MOVED_ON = text("UPDATE orders SET status = :status WHERE id = :order")


async def _read(session: AsyncSession, _order: UUID, sku: str) -> None:
    await session.execute(_PRICED, {"sku": sku})


async def _list(session: AsyncSession, _order: UUID, _sku: str) -> None:
    await session.execute(_PAGE)


async def _edit(session: AsyncSession, _order: UUID, sku: str) -> None:
    await session.execute(_RENAMED, {"sku": sku})
    await session.execute(_PRICE_CHANGED, {"sku": sku})


async def _open(session: AsyncSession, order: UUID, sku: str) -> None:
    await session.execute(_PRICED, {"sku": sku})
    await session.execute(_OPENED, {"order": order, "sku": sku})
    await inventory.hold(session, order, [(sku, 1)])


async def _place(session: AsyncSession, order: UUID, _sku: str) -> None:
    await session.execute(_AUTHORISED, {"order": order})
    await session.execute(_MOVED_ON, {"order": order, "status": "placed"})
    await inventory.commit(session, order)


async def _cancel(session: AsyncSession, order: UUID, _sku: str) -> None:
    await session.execute(_MOVED_ON, {"order": order, "status": "cancelled"})
    await inventory.release(session, order)


CLIENTS: dict[str, tuple[Step, ...]] = {
    "read": (_read,),
    "list": (_list,),
    "edit": (_edit,),
    "checkout": (_open, _place, _cancel),
}
"""The transactions of each client, in turn."""

Note = Callable[[str, float], None]
"""Takes down how long a transaction of a client took, in seconds."""


async def go_on(url: str, name: str, products: int, note: Callable[[], Note]) -> None:
    """Be a client until this is cancelled; `note` is asked before each transaction where it shall be taken down."""
    engine = create_engine(url, pool_size=1, application=f"bench-{name}")
    sessions, dice = create_sessions(engine), Random(name)
    try:
        await (await engine.connect()).close()  # the first transaction shall take no longer than the others
        while True:
            order, sku = uuid4(), f"SKU-{dice.randint(1, products):08}-0"
            for step in CLIENTS[name]:
                noting, began = note(), perf_counter()
                async with sessions.begin() as session:
                    await step(session, order, sku)
                noting(name, perf_counter() - began)
    finally:
        await engine.dispose()


_WAITING = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.datname = current_database() AND a.application_name LIKE 'bench-%'
"""
LOOK = 0.02
"""Seconds between two looks at what PostgreSQL tells of itself."""


async def watch(url: str, note: Callable[[], Note]) -> None:
    """Look every 20 ms how long any client has been waiting for a lock, until this is cancelled."""
    async with connected(url) as connection:
        while True:
            noting = note()
            noting("lock", await connection.fetchval(_WAITING))
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect to a database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
