"""Which attempt reserves an order's money, and which one is to take its place."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import payments
from db.payments import Operation
from domain.money import Money

# An attempt that was begun and not concluded is gone on with; one that was declined is followed by the next.
_PLAN = text(f"""
SELECT {payments.COLUMNS}, false AS fresh, r.payment_method, r.total_amount - r.captured_amount AS rest,
       coalesce(
           (SELECT min(p.attempt) FROM payment_operations p
             WHERE p.order_id = r.id AND p.operation = 'authorise' AND p.attempt > r.payment_attempt
               AND p.state IN ('started', 'succeeded')),
           (SELECT max(p.attempt) + 1 FROM payment_operations p WHERE p.order_id = r.id AND p.operation = 'authorise')
       ) AS next
FROM orders r JOIN payment_operations o
  ON o.order_id = r.id AND o.operation = 'authorise' AND o.attempt = r.payment_attempt AND o.state = 'succeeded'
WHERE r.id = :order_id AND r.status IN ('placed', 'fulfilling') AND r.capture_policy = 'shipment'
  AND r.captured_amount < r.total_amount
""")  # noqa: S608 - the columns are a constant

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
    """The authorisation that reserves an order's money, and the attempt that is to reserve the rest of it anew."""

    current: Operation
    payment_method: str
    next: int
    rest: Money


async def plan(session: AsyncSession, order_id: UUID) -> Replacement | None:
    """Tell what is to be reserved anew; None when nothing is."""
    row = (await session.execute(_PLAN, {"order_id": order_id})).one_or_none()
    if row is None:
        return None
    return Replacement(payments.operation(row), row.payment_method or "", row.next, Money(row.rest, row.currency))


async def switch(
    session: AsyncSession, order_id: UUID, replacement: Replacement, payment_method: str | None = None
) -> bool:
    """Make the next attempt the one that shipments capture from. False: it is, or the order has gone on otherwise."""
    values = {
        "order_id": order_id,
        "current": replacement.current.attempt,
        "next": replacement.next,
        "payment_method": payment_method,
    }
    return (await session.execute(_SWITCH, values)).first() is not None


async def tries(session: AsyncSession, order_id: UUID) -> int:
    """Tell how often an order's money was to be reserved."""
    count: int = (await session.execute(_TRIES, {"order_id": order_id})).scalar_one()
    return count
