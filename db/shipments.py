"""Shipments: goods set aside line by line, sent, delivered, or put back.

`order_lines.shipped_quantity` counts what shipments hold, those under preparation with them; the statement that sets
goods aside has its condition in the `WHERE`, and the check on `order_lines` stands behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.shipments import BeginShipment
from domain.captures import CapturePolicy, share_of_shipment
from domain.errors import IllegalStepError, NotFoundError, ShipmentTooLargeError

_LOCK = text("""
SELECT o.status, o.capture_policy, o.total_amount, o.payment_attempt, o.currency
FROM orders o WHERE o.id = :order_id FOR UPDATE
""")

_STATE = text("SELECT state FROM shipments WHERE id = :id")

_BEGIN = text("""
INSERT INTO shipments (id, order_id, n, state, share_amount, carrier, tracking_number, actor)
SELECT :id, :order_id, coalesce(max(n), 0) + 1, 'preparing', 0, :carrier, :tracking_number, :actor
FROM shipments WHERE order_id = :order_id
RETURNING n
""")

# One line that is asked for twice is asked for once, with both quantities. What an order still waits for is missing
# from the last of the lines of its SKU.
_SET_ASIDE = text("""
WITH there AS (
    SELECT line_id, shipped_quantity, least(quantity, greatest(quantity + left_after - awaited, 0)) AS quantity
    FROM (
        SELECT l.line_id, l.shipped_quantity, l.quantity, coalesce(b.quantity, 0) AS awaited,
               (sum(l.quantity) OVER (PARTITION BY l.sku ORDER BY l.position DESC, l.line_id DESC) - l.quantity)::bigint
                   AS left_after
        FROM order_lines l LEFT JOIN backorders b ON b.order_id = l.order_id AND b.sku = l.sku
        WHERE l.order_id = :order_id
    ) AS lines
), asked AS (
    SELECT line_id, sum(quantity)::bigint AS quantity
    FROM unnest(CAST(:line_ids AS uuid[]), CAST(:quantities AS bigint[])) AS a (line_id, quantity) GROUP BY line_id
    UNION ALL
    SELECT line_id, quantity - shipped_quantity FROM there
    WHERE quantity > shipped_quantity AND cardinality(CAST(:line_ids AS uuid[])) = 0
), aside AS (
    UPDATE order_lines l SET shipped_quantity = l.shipped_quantity + a.quantity
    FROM asked a JOIN there t ON t.line_id = a.line_id
    WHERE l.line_id = a.line_id AND l.order_id = :order_id AND a.quantity > 0
      AND l.shipped_quantity + a.quantity <= t.quantity
    RETURNING l.line_id, a.quantity
), held AS (
    INSERT INTO shipment_lines (shipment_id, line_id, quantity) SELECT :id, line_id, quantity FROM aside
)
SELECT (SELECT count(*) FROM aside) AS found, (SELECT count(*) FROM asked) AS asked
""")

_SO_FAR = text("""
SELECT sum(p.amount)::bigint AS paid,
       sum(div(p.amount::numeric * l.shipped_quantity, l.quantity))::bigint AS shipped_paid,
       bool_and(l.shipped_quantity = l.quantity) AS everything,
       (SELECT coalesce(sum(s.share_amount), 0)::bigint FROM shipments s
         WHERE s.order_id = :order_id AND s.state <> 'abandoned') AS shares
FROM order_lines l, LATERAL (SELECT l.total_amount - l.discount_amount + l.tax_amount AS amount) p
WHERE l.order_id = :order_id
""")

# Written together with its shipment, so that a capture which nobody has written down can not be asked for.
_OWE_SHARE = text("""
WITH share AS (
    UPDATE shipments SET share_amount = :share WHERE id = :id RETURNING order_id, n
)
INSERT INTO payment_operations
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state)
SELECT s.order_id || ':capture:' || s.n, s.order_id, 'capture', a.attempt, s.n, :share, a.currency, a.provider,
       a.provider_reference, 'started'
FROM share s JOIN payment_operations a
  ON a.order_id = s.order_id AND a.operation = 'authorise' AND a.attempt = :attempt AND a.state = 'succeeded'
RETURNING key
""")

_SEND = text("""
UPDATE shipments SET state = 'shipped', shipped_at = now() WHERE id = :id AND state = 'preparing'
RETURNING n, actor
""")

_EVERYTHING_SENT = text("""
SELECT NOT EXISTS (SELECT FROM order_lines WHERE order_id = :order_id AND shipped_quantity < quantity)
   AND NOT EXISTS (SELECT FROM shipments WHERE order_id = :order_id AND state = 'preparing')
""")

_ANYTHING_SENT = text("""
SELECT EXISTS (SELECT FROM shipments WHERE order_id = :order_id AND state IN ('shipped', 'delivered'))
""")

# The order is locked before its lines, as by everything else that changes both.
_LOCK_ORDER_OF = text("""
SELECT FROM orders WHERE id = (SELECT order_id FROM shipments WHERE id = :id) FOR NO KEY UPDATE
""")

_ABANDON = text("""
WITH gone AS (
    UPDATE shipments SET state = 'abandoned', code = :code WHERE id = :id AND state = 'preparing' RETURNING id
), back AS (
    UPDATE order_lines l SET shipped_quantity = l.shipped_quantity - i.quantity
    FROM shipment_lines i JOIN gone g ON g.id = i.shipment_id
    WHERE l.line_id = i.line_id
)
SELECT id FROM gone
""")

_UNDER_WAY = text("SELECT id FROM shipments WHERE order_id = :order_id AND state = 'preparing'")

_DELIVER = text("""
UPDATE shipments SET state = 'delivered', delivered_at = now()
WHERE order_id = :order_id AND state = 'shipped' AND id = coalesce(CAST(:id AS uuid), id)
RETURNING id
""")

_ARRIVED = text("""
SELECT NOT EXISTS (SELECT FROM shipments WHERE order_id = :order_id AND state IN ('preparing', 'shipped'))
""")

_VIEW = """
SELECT s.id, s.order_id, s.n, s.state, s.carrier, s.tracking_number, s.code, s.created_at, s.shipped_at, s.delivered_at,
       coalesce((SELECT json_agg(json_build_array(i.line_id, l.sku, i.quantity) ORDER BY l.position)
                 FROM shipment_lines i JOIN order_lines l ON l.line_id = i.line_id WHERE i.shipment_id = s.id), '[]')
FROM shipments s
"""

_LIST = text(_VIEW + "WHERE s.order_id = :order_id AND s.n > :after ORDER BY s.n LIMIT :limit")
_FIND = text(_VIEW + "WHERE s.id = :id")


@dataclass(frozen=True, slots=True)
class ShipmentLineView:
    """How many of a line a shipment holds."""

    line_id: UUID
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ShipmentView:
    """A shipment as people ask for it."""

    id: UUID
    order_id: UUID
    n: int
    state: str
    carrier: str
    tracking_number: str
    code: str | None
    created_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
    lines: tuple[ShipmentLineView, ...]


@dataclass(frozen=True, slots=True)
class SentShipment:
    """A shipment that has just left the house."""

    n: int
    actor: str


@dataclass(frozen=True, slots=True)
class ShippedSoFar:
    """What is paid for all lines of an order and for what was shipped of them, and the shares of its shipments."""

    paid: int
    shipped_paid: int
    everything: bool
    shares: int


async def begin(session: AsyncSession, request: BeginShipment) -> bool:
    """Set goods aside for a shipment, and write down what is to be captured for it. Doing it again changes nothing.

    Returns whether something is to be captured before it may leave.

    Raises:
        IllegalStepError, ShipmentTooLargeError, NotFoundError: it is not possible; nothing was set aside.
    """
    order = (await session.execute(_LOCK, {"order_id": request.order_id})).one_or_none()
    if order is None:
        raise NotFoundError("There is no such order.")
    if (await session.execute(_STATE, {"id": request.shipment_id})).first() is not None:
        return True
    if order.status not in {"placed", "fulfilling"}:
        raise IllegalStepError(f"Shipping is not possible: the order is {order.status}.")
    await session.execute(
        _BEGIN,
        {
            "id": request.shipment_id,
            "order_id": request.order_id,
            "carrier": request.carrier,
            "tracking_number": request.tracking_number,
            "actor": request.actor,
        },
    )
    await _set_aside(session, request)
    return order.capture_policy == CapturePolicy.SHIPMENT and await _owe_share(session, request, order)


async def send(session: AsyncSession, shipment_id: UUID) -> SentShipment | None:
    """Note that a shipment has left; None when that is noted already."""
    row = (await session.execute(_SEND, {"id": shipment_id})).one_or_none()
    return None if row is None else SentShipment(row.n, row.actor)


async def abandon(session: AsyncSession, shipment_id: UUID, code: str) -> bool:
    """Put the goods of a shipment back that can not leave. False: it was sent or put back before."""
    await session.execute(_LOCK_ORDER_OF, {"id": shipment_id})
    return (await session.execute(_ABANDON, {"id": shipment_id, "code": code})).first() is not None


async def abandon_all(session: AsyncSession, order_id: UUID) -> None:
    """Put the goods of every shipment back that has not left: their order was cancelled."""
    for shipment_id in (await session.execute(_UNDER_WAY, {"order_id": order_id})).scalars().all():
        await abandon(session, shipment_id, "cancelled")


async def deliver(session: AsyncSession, order_id: UUID, shipment_id: UUID | None) -> bool:
    """Note that a shipment, or all that were sent, have arrived. False: that is noted already, or nothing was sent."""
    values = {"order_id": order_id, "id": shipment_id}
    return bool((await session.execute(_DELIVER, values)).all())


async def so_far(session: AsyncSession, order_id: UUID) -> ShippedSoFar:
    """Sum up what shipments hold of an order, those under preparation with them."""
    return ShippedSoFar(*(await session.execute(_SO_FAR, {"order_id": order_id})).one())


async def everything_sent(session: AsyncSession, order_id: UUID) -> bool:
    """Tell whether nothing of an order is left to be shipped."""
    return bool((await session.execute(_EVERYTHING_SENT, {"order_id": order_id})).scalar_one())


async def anything_sent(session: AsyncSession, order_id: UUID) -> bool:
    """Tell whether a part of an order has left the house."""
    return bool((await session.execute(_ANYTHING_SENT, {"order_id": order_id})).scalar_one())


async def everything_arrived(session: AsyncSession, order_id: UUID) -> bool:
    """Tell whether every shipment that was begun has arrived."""
    return bool((await session.execute(_ARRIVED, {"order_id": order_id})).scalar_one())


async def of_order(session: AsyncSession, order_id: UUID, *, limit: int, after: int = 0) -> Sequence[ShipmentView]:
    """List an order's shipments, oldest first, from after one of them on."""
    rows = await session.execute(_LIST, {"order_id": order_id, "limit": limit, "after": after})
    return [_view(row) for row in rows]


async def find(session: AsyncSession, shipment_id: UUID) -> ShipmentView | None:
    """Look a shipment up."""
    row = (await session.execute(_FIND, {"id": shipment_id})).one_or_none()
    return None if row is None else _view(row)


async def _set_aside(session: AsyncSession, request: BeginShipment) -> None:
    values = {
        "id": request.shipment_id,
        "order_id": request.order_id,
        "line_ids": [line.line_id for line in request.lines],
        "quantities": [line.quantity for line in request.lines],
    }
    row = (await session.execute(_SET_ASIDE, values)).one()
    if not row.asked or row.found != row.asked:
        raise ShipmentTooLargeError("Less of this order is left to be shipped, or it has no such line.")


async def _owe_share(session: AsyncSession, request: BeginShipment, order: Any) -> bool:
    """Compute what the shipment takes of the total, and write its capture down. False: it takes nothing."""
    shipped = await so_far(session, request.order_id)
    share = share_of_shipment(
        paid=shipped.paid,
        total=order.total_amount,
        shipped_paid=shipped.shipped_paid,
        captured_shares=shipped.shares,
        last=shipped.everything,
    )
    if share == 0:
        return False
    values = {"id": request.shipment_id, "share": share, "attempt": order.payment_attempt}
    if (await session.execute(_OWE_SHARE, values)).first() is None:
        raise IllegalStepError("Shipping is not possible: no payment is reserved.")
    return True


def _view(row: Any) -> ShipmentView:
    *columns, lines = row
    return ShipmentView(*(*columns, tuple(ShipmentLineView(UUID(line[0]), *line[1:]) for line in lines)))
