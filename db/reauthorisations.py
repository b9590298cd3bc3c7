"""Which attempt reserves an order's money, and which one is to take its place."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Money

# An attempt that was begun and not concluded is gone on with; one that was declined is followed by the next.
_PLAN = text("""
SELECT o.payment_attempt AS current, o.payment_method, o.currency,
       o.total_amount - o.captured_amount AS rest,
       coalesce(
           (SELECT min(p.attempt) FROM payment_operations p
             WHERE p.order_id = o.id AND p.operation = 'authorise' AND p.attempt > o.payment_attempt
               AND p.state IN ('started', 'succeeded')),
           (SELECT max(p.attempt) + 1 FROM payment_operations p WHERE p.order_id = o.id AND p.operation = 'authorise')
       ) AS next
FROM orders o JOIN payment_operations a
  ON a.order_id = o.id AND a.operation = 'authorise' AND a.attempt = o.payment_attempt AND a.state = 'succeeded'
WHERE o.id = :order_id AND o.status IN ('placed', 'fulfilling') AND o.capture_policy = 'shipment'
  AND o.captured_amount < o.total_amount
""")

_SWITCH = text("""
UPDATE orders SET payment_attempt = :next, updated_at = now(),
    payment_method = coalesce(CAST(:payment_method AS text), payment_method)
WHERE id = :order_id AND payment_attempt = :current AND status IN ('placed', 'fulfilling')
RETURNING id
""")


_TRIES = text("""
SELECT coalesce(max(attempt), 0) FROM payment_operations WHERE order_id = :order_id AND operation = 'authorise'
""")


@dataclass(frozen=True, slots=True)
class Replacement:
    """The attempt that reserves an order's money, and the one that is to reserve the rest of it anew."""

    current: int
    payment_method: str
    next: int
    rest: Money


async def plan(session: AsyncSession, order_id: UUID) -> Replacement | None:
    """Tell what is to be reserved anew; None when nothing is."""
    row = (await session.execute(_PLAN, {"order_id": order_id})).one_or_none()
    if row is None:
        return None
    return Replacement(row.current, row.payment_method or "", row.next, Money(row.rest, row.currency))


async def switch(
    session: AsyncSession, order_id: UUID, replacement: Replacement, payment_method: str | None = None
) -> bool:
    """Make the next attempt the one that shipments capture from. False: it is, or the order has gone on otherwise."""
    values = {
        "order_id": order_id,
        "current": replacement.current,
        "next": replacement.next,
        "payment_method": payment_method,
    }
    return (await session.execute(_SWITCH, values)).first() is not None


async def tries(session: AsyncSession, order_id: UUID) -> int:
    """Tell how often an order's money was to be reserved."""
    count: int = (await session.execute(_TRIES, {"order_id": order_id})).scalar_one()
    return count
