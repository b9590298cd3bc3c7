"""Holding, committing and releasing stock: each is one statement that locks its rows by SKU and location.

The condition and the change are in the same statement, so nothing is read, decided and written apart; the check on
`stock_levels` stands behind it all. How an order is allocated over the places is said in `db/allocation.py`.
"""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import Shortage
from db import backorders
from db.allocation import HOLD, HOLD_AGAIN

# What was locked is counted, so that all locks come before the first change. An order that waits is given what is free
# by now: the levels that this may take are locked together with its own.
_COMMIT = text("""
WITH policy AS (
    SELECT p.sku FROM stock_policies p JOIN backorders b ON b.sku = p.sku
    WHERE b.order_id = :order_id AND b.state = 'held'
    ORDER BY p.sku
    FOR UPDATE OF p
), mine AS (
    UPDATE reservations SET state = 'committed'
    WHERE order_id = :order_id AND state = 'held' AND (SELECT count(*) FROM policy) >= 0
    RETURNING sku, location, quantity
), touched AS (
    SELECT sku, location FROM mine
    UNION SELECT s.sku, s.location FROM policy p JOIN stock_levels s ON s.sku = p.sku
), level AS (
    SELECT s.sku, s.location
    FROM stock_levels s JOIN touched t ON t.sku = s.sku AND t.location = s.location
    ORDER BY s.sku, s.location
    FOR UPDATE OF s
), sold AS (
    UPDATE stock_levels s SET on_hand = s.on_hand - m.quantity, reserved = s.reserved - m.quantity
    FROM mine m
    WHERE s.sku = m.sku AND s.location = m.location AND (SELECT count(*) FROM level) >= 0
    RETURNING s.sku, s.location, m.quantity
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
    SELECT uuidv7(), sku, location, -quantity, 'sale', :order_id, 'system', '' FROM sold
)
UPDATE backorders SET state = 'committed', placed_at = clock_timestamp()
WHERE order_id = :order_id AND state = 'held' AND (SELECT count(*) FROM policy) >= 0
RETURNING sku
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
    FROM mine m
    WHERE s.sku = m.sku AND s.location = m.location AND (SELECT count(*) FROM level) >= 0
    RETURNING s.sku, s.location, m.quantity, m.state
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
    SELECT uuidv7(), sku, location, quantity, 'cancellation', :order_id, 'system', '' FROM back
    WHERE state = 'committed'
), awaited AS (
    UPDATE backorders SET state = 'released', placed_at = NULL WHERE order_id = :order_id AND state <> 'released'
    RETURNING sku, quantity
), counted AS (
    UPDATE stock_policies p SET backordered = p.backordered - a.quantity FROM awaited a WHERE p.sku = a.sku
)
SELECT DISTINCT b.sku FROM back b JOIN stock_policies p ON p.sku = b.sku WHERE p.backordered > 0
""")


# Shipments do not say where their goods lay: they are taken to have left the places in the order of their priority, and
# what was not shipped goes back to the others.
_RELEASE_REST = text("""
WITH kept AS (
    SELECT sku, sum(quantity - cancelled_quantity) AS quantity FROM order_lines WHERE order_id = :order_id GROUP BY sku
), bought AS (
    SELECT r.sku, r.location, r.quantity, least(r.quantity, greatest(k.quantity - coalesce(sum(r.quantity) OVER (
               PARTITION BY r.sku ORDER BY l.priority, l.code ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ), 0), 0))::bigint AS stays
    FROM reservations r JOIN kept k ON k.sku = r.sku JOIN locations l ON l.code = r.location
    WHERE r.order_id = :order_id AND r.state = 'committed'
), rest AS (
    SELECT sku, location, quantity - stays AS quantity, stays FROM bought WHERE quantity > stays
), level AS (
    SELECT s.sku, s.location FROM stock_levels s JOIN rest m ON m.sku = s.sku AND m.location = s.location
    ORDER BY s.sku, s.location
    FOR UPDATE OF s
), back AS (
    UPDATE stock_levels s SET on_hand = s.on_hand + m.quantity FROM rest m
    WHERE s.sku = m.sku AND s.location = m.location AND (SELECT count(*) FROM level) >= 0
    RETURNING s.sku, s.location, m.quantity
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
    SELECT uuidv7(), sku, location, quantity, 'cancellation', :order_id, 'system', '' FROM back
), shrunk AS (
    UPDATE reservations r SET quantity = m.stays FROM rest m
    WHERE m.stays > 0 AND r.order_id = :order_id AND r.sku = m.sku AND r.location = m.location
), gone AS (
    DELETE FROM reservations r USING rest m
    WHERE m.stays = 0 AND r.order_id = :order_id AND r.sku = m.sku AND r.location = m.location
), awaited AS (
    DELETE FROM backorders WHERE order_id = :order_id RETURNING sku, quantity
), counted AS (
    UPDATE stock_policies p SET backordered = p.backordered - a.quantity FROM awaited a WHERE p.sku = a.sku
)
SELECT DISTINCT b.sku FROM back b JOIN stock_policies p ON p.sku = b.sku WHERE p.backordered > 0
""")


async def hold(session: AsyncSession, order_id: UUID, lines: Iterable[tuple[str, int]]) -> tuple[Shortage, ...]:
    """Hold every line of an order, or none of them; `lines` are SKUs and quantities, those of one SKU are summed first.

    What there is too little of is backordered as far as its policy allows. The order has to be written already: its
    address says which places ship to it.

    Returns what less may be ordered of than was asked for, by SKU; nothing is held then.
    """
    wanted: Counter[str] = Counter()
    for sku, quantity in lines:
        wanted[sku] += quantity
    values = {"order_id": order_id, "skus": list(wanted), "quantities": list(wanted.values())}
    rows = await session.execute(HOLD, values)
    return tuple(Shortage(*row) for row in rows)


async def hold_again(session: AsyncSession, order_id: UUID) -> tuple[Shortage, ...]:
    """Hold what an order has let go while it waited, or none of it; maybe elsewhere. Doing it again changes nothing.

    Returns what there is too little of by now, by SKU.
    """
    rows = await session.execute(HOLD_AGAIN, {"order_id": order_id})
    return tuple(Shortage(*row) for row in rows)


async def commit(session: AsyncSession, order_id: UUID) -> None:
    """Turn an order's holds into sales. Doing it again changes nothing.

    What it waits for is given to it as soon as it is there, which may be now.
    """
    waits_for = (await session.execute(_COMMIT, {"order_id": order_id})).scalars().all()
    if waits_for:
        await backorders.fill(session, waits_for)


async def release(session: AsyncSession, order_id: UUID) -> None:
    """Give back what an order holds, and put back what it has bought, where it was. Doing it again changes nothing.

    Others who wait for the goods get them.
    """
    await backorders.lock_of(session, order_id)
    awaited = (await session.execute(_RELEASE, {"order_id": order_id})).scalars().all()
    if awaited:
        await backorders.fill(session, awaited)


async def release_rest(session: AsyncSession, order_id: UUID) -> None:
    """Put back what an order has bought and its lines say is cancelled, and await nothing for it any more.

    Call it once. Others who wait for the goods get them.
    """
    await backorders.lock_of(session, order_id)
    awaited = (await session.execute(_RELEASE_REST, {"order_id": order_id})).scalars().all()
    if awaited:
        await backorders.fill(session, awaited)
