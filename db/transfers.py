"""Moving goods from one place to another: one statement that changes both levels and writes both movements."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import backorders
from db.stock import Level


@dataclass(frozen=True, slots=True)
class StockTransfer:
    """Goods of one SKU that go from one place to another; the places differ."""

    sku: str
    origin: str
    destination: str
    quantity: int
    note: str
    actor: str


# All levels of the SKU are locked first, in the order in which every hold locks them.
_TRANSFER = text("""
WITH policy AS (
    SELECT low_stock_at FROM stock_policies WHERE sku = :sku FOR UPDATE
), everywhere AS (
    SELECT s.location, s.on_hand, s.reserved, s.on_hand - s.reserved AS available, l.active
    FROM stock_levels s JOIN locations l ON l.code = s.location
    WHERE s.sku = :sku AND (SELECT count(*) FROM policy) >= 0
    ORDER BY s.location
    FOR UPDATE OF s
), taken AS (
    UPDATE stock_levels s SET on_hand = e.on_hand - :quantity, reserved = e.reserved
    FROM everywhere e
    WHERE s.sku = :sku AND s.location = :origin AND e.location = s.location AND e.on_hand - :quantity >= e.reserved
    RETURNING s.sku, s.location, s.on_hand, s.reserved
), brought AS (
    INSERT INTO stock_levels AS s (sku, location, on_hand, reserved)
    SELECT sku, :destination, :quantity, 0 FROM taken
    ON CONFLICT (sku, location) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand
    RETURNING s.sku, s.location, s.on_hand, s.reserved
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
    SELECT uuidv7(), sku, location, -CAST(:quantity AS bigint), 'transfer', :actor, :note FROM taken
    UNION ALL SELECT uuidv7(), sku, location, :quantity, 'transfer', :actor, :note FROM brought
), remaining AS (
    SELECT (SELECT sum(available) FROM everywhere WHERE active)::bigint AS before, (
               SELECT coalesce(sum(CASE code WHEN :destination THEN :quantity ELSE -CAST(:quantity AS bigint) END), 0)
               FROM locations WHERE active AND code IN (:origin, :destination)
           )::bigint AS change
), alerted AS (
    INSERT INTO stock_alerts (id, sku, low_stock_at, available)
    SELECT uuidv7(), :sku, p.low_stock_at, r.before + r.change FROM policy p CROSS JOIN remaining r
    WHERE r.before > p.low_stock_at AND r.before + r.change <= p.low_stock_at AND EXISTS (SELECT FROM taken)
)
SELECT l.code, l.on_hand, l.reserved, (SELECT active FROM locations WHERE code = l.code) AS active
FROM (
    SELECT 1 AS place, location AS code, on_hand, reserved FROM taken
    UNION ALL SELECT 2, location, on_hand, reserved FROM brought
) AS l
ORDER BY place
""")


async def transfer(session: AsyncSession, order: StockTransfer) -> tuple[Level, Level] | None:
    """Move goods, and then serve who waits for them where they are now. The places and the SKU have to exist.

    Returns the new levels of both places, or None when less would be left at the first than is held there.
    """
    await backorders.lock(session, [order.sku])
    values = {
        "sku": order.sku,
        "origin": order.origin,
        "destination": order.destination,
        "quantity": order.quantity,
        "actor": order.actor,
        "note": order.note,
    }
    rows = (await session.execute(_TRANSFER, values)).all()
    if not rows:
        return None
    given = await backorders.fill(session, [order.sku])
    origin, destination = [Level(row.code, row.on_hand - given[row.code], row.reserved, row.active) for row in rows]
    return origin, destination
