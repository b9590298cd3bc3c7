"""The use of promotion codes by orders: counted when an order is opened, given back when it comes to nothing.

`promotions.uses` is changed by one statement with its conditions in the `WHERE`; the check on the table stands behind
it. Whoever changes uses has locked the promotions first, in the order of their ids, and before any stock: so nobody
waits for each other in a circle, and what was used by the same customer a moment ago is seen.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.carts import CartRow

_LOCK = text("SELECT id FROM promotions WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")

_LOCK_OF = text("""
SELECT p.id FROM promotion_redemptions r JOIN promotions p ON p.id = r.promotion_id
WHERE r.order_id = :order_id AND r.state = 'live' ORDER BY p.id FOR UPDATE OF p
""")

# All of them or none. Begun after the locks were had, it sees every use that was committed before.
_COUNT = text("""
WITH free AS (
    SELECT p.id FROM promotions p
    WHERE p.id = ANY(CAST(:ids AS uuid[])) AND p.active AND (p.use_limit IS NULL OR p.uses < p.use_limit)
      AND (p.customer_limit IS NULL OR p.customer_limit > (
          SELECT count(*) FROM promotion_redemptions r JOIN orders o ON o.id = r.order_id
          WHERE r.promotion_id = p.id AND r.state = 'live'
            AND (o.customer_id = CAST(:customer AS uuid) OR lower(o.email) = lower(CAST(:email AS text)))))
), counted AS (
    UPDATE promotions p SET uses = p.uses + 1
    WHERE p.id IN (SELECT id FROM free) AND (p.use_limit IS NULL OR p.uses < p.use_limit)
      AND (SELECT count(*) FROM free) = cardinality(CAST(:ids AS uuid[]))
)
SELECT w.id FROM unnest(CAST(:ids AS uuid[])) AS w (id) WHERE w.id NOT IN (SELECT id FROM free)
""")

_RELEASE = text("""
WITH locked AS (
    SELECT p.id FROM promotion_redemptions r JOIN promotions p ON p.id = r.promotion_id
    WHERE r.order_id = :order_id AND r.state = 'live' ORDER BY p.id FOR UPDATE OF p
), mine AS (
    UPDATE promotion_redemptions SET state = 'released', released_at = now()
    WHERE order_id = :order_id AND state = 'live' AND promotion_id IN (SELECT id FROM locked)
    RETURNING promotion_id
)
UPDATE promotions p SET uses = p.uses - 1 FROM mine m WHERE p.id = m.promotion_id
""")


async def lock(session: AsyncSession, promotions: Collection[UUID]) -> None:
    """Lock every promotion whose code a checkout may come to use, all at once."""
    if promotions:
        await session.execute(_LOCK, {"ids": sorted(promotions)})


async def count(session: AsyncSession, cart: CartRow, promotions: Collection[UUID]) -> Sequence[UUID]:
    """Count one use of each of these locked promotions by the customer of a locked cart, or of none of them.

    Returns those that can not be used any more, in all or by this customer; nothing was counted then. Their
    redemptions are written with the order, in the same transaction.
    """
    if not promotions:
        return ()
    values = {"ids": sorted(promotions), "customer": cart.customer_id, "email": cart.email}
    return (await session.execute(_COUNT, values)).scalars().all()


async def lock_of(session: AsyncSession, order_id: UUID) -> None:
    """Lock the promotions whose codes an order uses, before its stock is locked."""
    await session.execute(_LOCK_OF, {"order_id": order_id})


async def release(session: AsyncSession, order_id: UUID) -> None:
    """Give back the codes that an order uses. Doing it again changes nothing."""
    await session.execute(_RELEASE, {"order_id": order_id})
