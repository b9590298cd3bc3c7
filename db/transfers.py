"""Moving goods from one place to another: one statement that changes both levels and writes both movements."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import backorders
from db.stock import ALERTED, EVERYWHERE, Level


@dataclass(frozen=True, slots=True)
class StockTransfer:
    """Goods of one SKU that go from one place to another; the places differ."""

    sku: str
    origin: str
    destination: str
    quantity: int
    note: str
    actor: str


_TRANSFER = text(f"""
{EVERYWHERE}, taken AS (
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
    SELECT before, before + change AS after
    FROM (SELECT sum(available)::bigint AS before FROM everywhere WHERE active) AS there, (
        SELECT coalesce(sum(CASE code WHEN :destination THEN :quantity ELSE -CAST(:quantity AS bigint) END), 0)::bigint
            AS change
        FROM locations WHERE active AND code IN (:origin, :destination)
    ) AS moving
    WHERE EXISTS (SELECT FROM taken)
), {ALERTED}
SELECT l.code, l.on_hand, l.reserved, (SELECT active FROM locations WHERE code = l.code) AS active
FROM (
    SELECT 1 AS place, location AS code, on_hand, reserved FROM taken
    UNION ALL SELECT 2, location, on_hand, reserved FROM brought
) AS l
ORDER BY place
""")  # noqa: S608 - our own words


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
