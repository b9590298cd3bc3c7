"""Holding, committing and releasing stock: each is one statement that locks its rows in SKU order.

The condition and the change are in the same statement, so nothing is read, decided and written apart; the check on
`stock_levels` stands behind it all.
"""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import Shortage
from models.inventory import DEFAULT_LOCATION

_HOLD = text("""
WITH wanted AS (
    SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS bigint[])) AS w (sku, quantity)
), level AS (
    SELECT s.sku, s.on_hand - s.reserved AS available
    FROM stock_levels s JOIN wanted w ON w.sku = s.sku
    WHERE s.location = :location
    ORDER BY s.sku
    FOR UPDATE OF s
), short AS (
    SELECT w.sku, w.quantity AS requested, coalesce(l.available, 0) AS available
    FROM wanted w LEFT JOIN level l ON l.sku = w.sku
    WHERE coalesce(l.available, 0) < w.quantity
), held AS (
    UPDATE stock_levels s SET reserved = s.reserved + w.quantity
    FROM wanted w
    WHERE s.sku = w.sku AND s.location = :location AND NOT EXISTS (SELECT FROM short)
    RETURNING s.sku, s.location, w.quantity
), reserved AS (
    INSERT INTO reservations (order_id, sku, location, quantity, state)
    SELECT :order_id, sku, location, quantity, 'held' FROM held
)
SELECT sku, requested, available FROM short ORDER BY sku
""")

_HOLD_AGAIN = text("""
WITH wanted AS (
    SELECT sku, location, quantity FROM reservations WHERE order_id = :order_id AND state = 'released' FOR UPDATE
), level AS (
    SELECT s.sku, s.location, s.on_hand - s.reserved AS available
    FROM stock_levels s JOIN wanted w ON w.sku = s.sku AND w.location = s.location
    ORDER BY s.sku, s.location
    FOR UPDATE OF s
), short AS (
    SELECT w.sku, w.quantity AS requested, coalesce(l.available, 0) AS available
    FROM wanted w LEFT JOIN level l ON l.sku = w.sku AND l.location = w.location
    WHERE coalesce(l.available, 0) < w.quantity
), held AS (
    UPDATE stock_levels s SET reserved = s.reserved + w.quantity
    FROM wanted w
    WHERE s.sku = w.sku AND s.location = w.location AND NOT EXISTS (SELECT FROM short)
    RETURNING s.sku, s.location
), again AS (
    UPDATE reservations r SET state = 'held'
    FROM held h
    WHERE r.order_id = :order_id AND r.sku = h.sku AND r.location = h.location
)
SELECT sku, requested, available FROM short ORDER BY sku
""")

_COMMIT = text("""
WITH mine AS (
    UPDATE reservations SET state = 'committed' WHERE order_id = :order_id AND state = 'held'
    RETURNING sku, location, quantity
), level AS (
    SELECT s.sku, s.location
    FROM stock_levels s JOIN mine m ON m.sku = s.sku AND m.location = s.location
    ORDER BY s.sku, s.location
    FOR UPDATE OF s
), sold AS (
    UPDATE stock_levels s SET on_hand = s.on_hand - m.quantity, reserved = s.reserved - m.quantity
    FROM mine m JOIN level l ON l.sku = m.sku AND l.location = m.location
    WHERE s.sku = m.sku AND s.location = m.location
    RETURNING s.sku, s.location, m.quantity
)
INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
SELECT uuidv7(), sku, location, -quantity, 'sale', :order_id, 'system', '' FROM sold
""")

_RELEASE = text("""
WITH before AS (
    SELECT sku, location, quantity, state FROM reservations WHERE order_id = :order_id AND state <> 'released'
    FOR UPDATE
), mine AS (
    UPDATE reservations r SET state = 'released'
    FROM before b
    WHERE r.order_id = :order_id AND r.sku = b.sku AND r.location = b.location
    RETURNING b.sku, b.location, b.quantity, b.state
), level AS (
    SELECT s.sku, s.location
    FROM stock_levels s JOIN mine m ON m.sku = s.sku AND m.location = s.location
    ORDER BY s.sku, s.location
    FOR UPDATE OF s
), back AS (
    UPDATE stock_levels s SET
        reserved = s.reserved - CASE m.state WHEN 'held' THEN m.quantity ELSE 0 END,
        on_hand = s.on_hand + CASE m.state WHEN 'committed' THEN m.quantity ELSE 0 END
    FROM mine m JOIN level l ON l.sku = m.sku AND l.location = m.location
    WHERE s.sku = m.sku AND s.location = m.location
    RETURNING s.sku, s.location, m.quantity, m.state
)
INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
SELECT uuidv7(), sku, location, quantity, 'cancellation', :order_id, 'system', '' FROM back WHERE state = 'committed'
""")


async def hold(session: AsyncSession, order_id: UUID, lines: Iterable[tuple[str, int]]) -> tuple[Shortage, ...]:
    """Hold every line of an order, or none of them; `lines` are SKUs and quantities, those of one SKU are summed first.

    Returns what there is too little of, by SKU; nothing is held then.
    """
    wanted: Counter[str] = Counter()
    for sku, quantity in lines:
        wanted[sku] += quantity
    values = {
        "order_id": order_id,
        "skus": list(wanted),
        "quantities": list(wanted.values()),
        "location": DEFAULT_LOCATION,
    }
    rows = await session.execute(_HOLD, values)
    return tuple(Shortage(*row) for row in rows)


async def hold_again(session: AsyncSession, order_id: UUID) -> tuple[Shortage, ...]:
    """Hold what an order has let go while it waited, or none of it. Doing it again changes nothing.

    Returns what there is too little of by now, by SKU.
    """
    rows = await session.execute(_HOLD_AGAIN, {"order_id": order_id})
    return tuple(Shortage(*row) for row in rows)


async def commit(session: AsyncSession, order_id: UUID) -> None:
    """Turn an order's holds into sales. Doing it again changes nothing."""
    await session.execute(_COMMIT, {"order_id": order_id})


async def release(session: AsyncSession, order_id: UUID) -> None:
    """Give back what an order holds, and put back what it has bought. Doing it again changes nothing."""
    await session.execute(_RELEASE, {"order_id": order_id})
