"""Putting goods of an order back into stock that have come back to the shop."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.returns import TakeBack
from db import backorders
from domain.errors import NotFoundError

_KNOWN = text("SELECT code FROM locations WHERE code = :location")

# As shipments do not say where their goods lay, they are taken to have left the places in the order of their priority,
# and come back to them in the same order: the first piece that came back is the first that was sent.
_PUT_BACK = text("""
WITH back AS (
    SELECT l.sku, sum(i.restocked_quantity)::bigint AS quantity
    FROM return_lines i JOIN order_lines l ON l.line_id = i.line_id
    WHERE i.return_id = :id GROUP BY l.sku HAVING sum(i.restocked_quantity) > 0
), before AS (
    SELECT b.sku, b.quantity, coalesce((
        SELECT sum(i.received_quantity) FROM returns r JOIN return_lines i ON i.return_id = r.id
        JOIN order_lines l ON l.line_id = i.line_id
        WHERE r.order_id = :order_id AND r.id <> :id AND l.sku = b.sku
    ), 0)::bigint AS earlier
    FROM back b
), bought AS (
    SELECT r.sku, r.location, r.quantity, coalesce(sum(r.quantity) OVER (
               PARTITION BY r.sku ORDER BY l.priority, l.code ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ), 0)::bigint AS earlier
    FROM reservations r JOIN locations l ON l.code = r.location
    WHERE r.order_id = :order_id AND r.state = 'committed'
), part AS (
    SELECT b.sku, p.location, least(b.earlier + b.quantity, p.earlier + p.quantity) - greatest(b.earlier, p.earlier)
        AS quantity
    FROM before b JOIN bought p ON p.sku = b.sku
    WHERE CAST(:location AS text) IS NULL
      AND b.earlier < p.earlier + p.quantity AND p.earlier < b.earlier + b.quantity
    UNION ALL
    SELECT sku, CAST(:location AS text), quantity FROM back WHERE CAST(:location AS text) IS NOT NULL
), level AS (
    INSERT INTO stock_levels AS s (sku, location, on_hand, reserved)
    SELECT sku, location, quantity, 0 FROM part ORDER BY sku, location
    ON CONFLICT (sku, location) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
    SELECT uuidv7(), sku, location, quantity, 'return', :order_id, :actor, '' FROM part
)
SELECT DISTINCT sku FROM part
""")


async def put_back(session: AsyncSession, request: TakeBack) -> None:
    """Put on hand what of a return can be sold again, and serve who waits for it. Call it once a return.

    Raises:
        NotFoundError: there is no such location.
    """
    place = request.location
    if place is not None and (await session.execute(_KNOWN, {"location": place})).first() is None:
        raise NotFoundError("There is no such location.")
    await backorders.lock_of(session, request.order_id)
    values = {
        "id": request.return_id,
        "order_id": request.order_id,
        "location": request.location,
        "actor": request.actor,
    }
    skus = (await session.execute(_PUT_BACK, values)).scalars().all()
    if skus:
        await backorders.fill(session, skus)
