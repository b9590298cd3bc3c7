"""Goods that were sold before they were there: those who wait for them are served in the order of their placement.

All changes of what is awaited happen under the lock of the SKU's policy, which is taken before the locks of its levels.
"""

from collections import Counter
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.allocation import SERVES

_LOCK = """
WITH policy AS (
    SELECT p.sku FROM stock_policies p WHERE p.sku IN ({skus}) ORDER BY p.sku FOR UPDATE
)
SELECT s.sku FROM stock_levels s WHERE s.sku IN (SELECT sku FROM policy) ORDER BY s.sku, s.location FOR UPDATE
"""
_LOCK_SKUS = text(_LOCK.format(skus="SELECT unnest(CAST(:skus AS text[]))"))
_LOCK_ORDER = text(
    _LOCK.format(
        skus="SELECT sku FROM reservations WHERE order_id = :order_id AND state <> 'released'"
        " UNION SELECT sku FROM backorders WHERE order_id = :order_id AND state <> 'released'"
    )
)

_PLACES = text("""
SELECT l.code FROM locations l
WHERE l.active AND EXISTS (
    SELECT FROM stock_policies p JOIN stock_levels s ON s.sku = p.sku
    WHERE p.sku = ANY (CAST(:skus AS text[])) AND p.backordered > 0 AND s.location = l.code AND s.on_hand > s.reserved
)
ORDER BY l.priority, l.code
""")

# A level that was made a moment ago may be another's: whoever made it serves those who wait.
_FILL = text(f"""
WITH level AS (
    SELECT sku, on_hand, reserved, on_hand - reserved AS available FROM stock_levels
    WHERE location = :location AND sku = ANY (CAST(:skus AS text[])) AND on_hand > reserved
    ORDER BY sku
    FOR UPDATE SKIP LOCKED
), queue AS (
    SELECT b.order_id, b.sku, b.quantity, (v.available - coalesce(sum(b.quantity) OVER (
               PARTITION BY b.sku ORDER BY b.placed_at, b.order_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ), 0))::bigint AS remaining
    FROM backorders b JOIN level v ON v.sku = b.sku JOIN orders o ON o.id = b.order_id
    JOIN locations l ON l.code = :location
    WHERE b.state = 'committed' AND o.status <> 'cancelling'
      AND {SERVES.format(country="(o.shipping_address ->> 'country')")}
), given AS (
    SELECT order_id, sku, least(quantity, remaining) AS quantity, quantity > remaining AS waits_on
    FROM queue WHERE remaining > 0
), total AS (
    SELECT sku, sum(quantity)::bigint AS quantity FROM given GROUP BY sku
), sold AS (
    UPDATE stock_levels s SET on_hand = v.on_hand - t.quantity, reserved = v.reserved
    FROM total t JOIN level v ON v.sku = t.sku
    WHERE s.sku = t.sku AND s.location = :location
), counted AS (
    UPDATE stock_policies p SET backordered = p.backordered - t.quantity FROM total t WHERE p.sku = t.sku
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, order_id, actor, note)
    SELECT uuidv7(), sku, :location, -quantity, 'backorder', order_id, 'system', '' FROM given
), bought AS (
    INSERT INTO reservations AS r (order_id, sku, location, quantity, state)
    SELECT order_id, sku, :location, quantity, 'committed' FROM given
    ON CONFLICT (order_id, sku, location) DO UPDATE SET quantity = r.quantity + excluded.quantity
), shrunk AS (
    UPDATE backorders b SET quantity = b.quantity - g.quantity FROM given g
    WHERE g.waits_on AND b.order_id = g.order_id AND b.sku = g.sku
), served AS (
    DELETE FROM backorders b USING given g WHERE NOT g.waits_on AND b.order_id = g.order_id AND b.sku = g.sku
)
SELECT coalesce(sum(quantity), 0)::bigint FROM total
""")  # noqa: S608 - our own words


async def lock(session: AsyncSession, skus: Collection[str]) -> None:
    """Keep the stock of SKUs that have a policy to this transaction. Call it before anything that makes stock free."""
    await session.execute(_LOCK_SKUS, {"skus": sorted(set(skus))})


async def lock_of(session: AsyncSession, order_id: UUID) -> None:
    """Keep the stock of what an order holds, has bought or awaits to this transaction, where it has a policy.

    What is read afterwards includes what those who wait were given meanwhile.
    """
    await session.execute(_LOCK_ORDER, {"order_id": order_id})


async def fill(session: AsyncSession, skus: Collection[str]) -> Counter[str]:
    """Give what is free of some SKUs to the placed orders that wait for it; return how many units each place gave.

    Each place, the one with the lowest priority first, gives to those that it ships to, in the order in which they were
    placed; the last of them may get a part. The SKUs have to be locked.
    """
    wanted = sorted(set(skus))
    places = (await session.execute(_PLACES, {"skus": wanted})).scalars().all()
    given = Counter[str]()
    for place in places:
        given[place] = (await session.execute(_FILL, {"location": place, "skus": wanted})).scalar_one()
    return given
