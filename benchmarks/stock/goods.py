"""What is fought over: one SKU that everybody wants and a thousand others, and orders that hold nothing yet."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

BUYERS = 64
ORDERS_A_BUYER = 1_000
OTHERS = 1_000
BASKET = 10
HOT = "HOT"
PLENTY = 1_000_000_000
SCARCE = 50
ORDER_PREFIX = "00000000-0000-4000-8000-"

_FILL = (
    """
    INSERT INTO products (id, slug, title, description, status)
    VALUES (gen_random_uuid(), 'bench', 'Bench', '', 'active')
    """,
    f"""
    INSERT INTO variants (sku, product_id, title, position)
    SELECT sku, p.id, '', 0 FROM products p,
        LATERAL (SELECT '{HOT}' AS sku UNION ALL SELECT 'SKU-' || n FROM generate_series(1, {OTHERS}) n) s
    """,
    "INSERT INTO stock_levels (sku, location, on_hand, reserved) SELECT sku, 'main', 0, 0 FROM variants",
    f"""
    CREATE TEMPORARY TABLE made AS
    SELECT CAST('{ORDER_PREFIX}' || lpad(to_hex(n), 12, '0') AS uuid) AS id
    FROM generate_series(0, {BUYERS * ORDERS_A_BUYER - 1}) n
    """,
    "INSERT INTO carts (id, status, checkout_attempt, currency) SELECT id, 'frozen', 1, 'GBP' FROM made",
    """
    INSERT INTO orders (
        id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount, discount_amount,
        shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount, payment_attempt, shipping_address
    )
    SELECT id, id, 1, 'pending', 'none', 'GBP', 0, 0, 0, 0, 0, 0, 0, 1, '{"country": "GB"}' FROM made
    """,
)

_RESTOCK = (
    "TRUNCATE reservations, stock_movements",
    "UPDATE stock_levels SET on_hand = $1, reserved = 0",
    """
    INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
    SELECT uuidv7(), sku, location, on_hand, 'receipt', 'bench', '' FROM stock_levels
    """,
)

_LOOK = """
SELECT (SELECT count(*) FROM (SELECT DISTINCT order_id FROM reservations)) AS holds,
       (SELECT count(*) FROM stock_levels WHERE reserved > on_hand OR reserved < 0) AS oversold,
       (SELECT count(*) FROM stock_levels l WHERE l.reserved <> (
            SELECT coalesce(sum(quantity), 0) FROM reservations r
            WHERE r.sku = l.sku AND r.location = l.location AND r.state = 'held'
        )) AS leaked,
       (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS deadlocks
"""


class Crowd(StrEnum):
    """What the buyers want: all the same SKU, or each ten of a thousand."""

    HOT = "one hot SKU"
    MANY = "10 of 1,000 SKUs"


@dataclass(frozen=True, slots=True)
class Books:
    """What was found after a lap. `deadlocks` counts since the database was made."""

    holds: int
    oversold: int
    leaked: int
    deadlocks: int


def order_id(buyer: int, number: int) -> UUID:
    """Name the order that a buyer opens as its `number`th."""
    return UUID(f"{ORDER_PREFIX}{buyer * ORDERS_A_BUYER + number:012x}")


async def fill(connection: Connection) -> None:
    """Make everything, without any stock."""
    async with connection.transaction():
        for statement in _FILL:
            await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE")


async def restock(connection: Connection, quantity: int) -> None:
    """Take every hold back and receive so many of each SKU."""
    async with connection.transaction():
        await connection.execute(_RESTOCK[0])
        await connection.execute(_RESTOCK[1], quantity)
        await connection.execute(_RESTOCK[2])
    await connection.execute("VACUUM ANALYZE stock_levels, reservations")


async def look(connection: Connection) -> Books:
    """Compare the levels with the reservations."""
    return Books(**dict(await connection.fetchrow(_LOOK) or {}))
