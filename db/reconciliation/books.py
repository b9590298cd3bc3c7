"""Our side of what reconciliation compares: open orders by pages, and what the books say of the provider's payments."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.order_states import OrderStatus, PaymentStatus
from models.reconciliation import ReturnState

# The condition on the status is the one of the index `orders_open`, which is read in its order.
_OPEN = text("""
SELECT id, status FROM orders
WHERE status NOT IN ('failed', 'cancelled', 'closed') AND (status, id) > (:status, CAST(:id AS uuid))
  AND updated_at < :before
ORDER BY status, id LIMIT :limit
""")

_STANDING = text("""
SELECT status, payment_attempt, updated_at < :before AS at_rest FROM orders WHERE id = :order_id
""")

_STATUSES = text("SELECT id, status FROM orders WHERE id = ANY(CAST(:orders AS uuid[]))")

_ENTRIES = text("""
SELECT p.reference, o.id AS order_id, o.status, o.payment_status, o.payment_attempt, o.updated_at < :before AS at_rest,
       k.attempt, coalesce(k.captured, 0) AS captured, coalesce(k.refunded, 0) AS refunded,
       coalesce(k.started, false) AS started, r.state AS returned
FROM unnest(CAST(:references AS text[]), CAST(:orders AS uuid[])) AS p (reference, order_id)
LEFT JOIN orders o ON o.id = p.order_id
LEFT JOIN LATERAL (
    SELECT min(x.attempt) FILTER (WHERE x.operation = 'authorise') AS attempt,
           sum(x.amount) FILTER (WHERE x.operation = 'capture' AND x.state = 'succeeded') AS captured,
           sum(x.amount) FILTER (WHERE x.operation = 'refund' AND x.state = 'succeeded') AS refunded,
           bool_or(x.state = 'started') AS started
    FROM payment_operations x WHERE x.provider = :provider AND x.provider_reference = p.reference
) k ON true
LEFT JOIN returned_payments r ON r.provider = :provider AND r.reference = p.reference
""")

BEGINNING = ("", UUID(int=0))
"""The position before the first open order."""


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """Where an order stands. `at_rest`: nothing has happened to its row for a while."""

    status: OrderStatus
    payment_attempt: int
    at_rest: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What the books say of one payment at the provider; amounts in minor units of its currency.

    `order` is None when there is no such order; `attempt` when no authorisation of ours is about this payment.
    """

    reference: str
    order: OrderStanding | None
    payment_status: PaymentStatus | None
    attempt: int | None
    captured: int
    refunded: int
    started: bool
    """An operation of it is under way."""
    returned: ReturnState | None


async def open_orders(
    session: AsyncSession, *, after: tuple[str, UUID], before: datetime, limit: int
) -> Sequence[tuple[OrderStatus, UUID]]:
    """List open orders to which nothing has happened since `before`, a page at a time from behind `after`."""
    values = {"status": after[0], "id": after[1], "before": before, "limit": limit}
    return [(OrderStatus(status), order_id) for order_id, status in await session.execute(_OPEN, values)]


async def standing(session: AsyncSession, order_id: UUID, *, before: datetime) -> OrderStanding | None:
    """Look up where an order stands now; None: it has no row."""
    row = (await session.execute(_STANDING, {"order_id": order_id, "before": before})).one_or_none()
    return None if row is None else OrderStanding(OrderStatus(row.status), row.payment_attempt, row.at_rest)


async def statuses(session: AsyncSession, orders: Collection[UUID]) -> dict[UUID, OrderStatus]:
    """Tell where some orders stand; those that have no row are left out."""
    rows = await session.execute(_STATUSES, {"orders": list(orders)})
    return {order_id: OrderStatus(status) for order_id, status in rows}


async def entries(
    session: AsyncSession, provider: str, payments: Sequence[tuple[str, UUID]], *, before: datetime
) -> dict[str, Entry]:
    """Look up what the books say of payments, given by reference and order."""
    values = {
        "provider": provider,
        "references": [reference for reference, _ in payments],
        "orders": [order_id for _, order_id in payments],
        "before": before,
    }
    return {row.reference: _entry(row) for row in await session.execute(_ENTRIES, values)}


def _entry(row: Any) -> Entry:
    order = None
    if row.order_id is not None:
        order = OrderStanding(OrderStatus(row.status), row.payment_attempt, row.at_rest)
    return Entry(
        reference=row.reference,
        order=order,
        payment_status=None if row.payment_status is None else PaymentStatus(row.payment_status),
        attempt=row.attempt,
        captured=int(row.captured),
        refunded=int(row.refunded),
        started=row.started,
        returned=None if row.returned is None else ReturnState(row.returned),
    )
