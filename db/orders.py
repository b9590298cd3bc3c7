"""Reading orders: as the workflow needs them, and as people ask for them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import OrderSnapshot, PendingShipment, PlaceOrder
from domain.captures import CapturePolicy
from domain.errors import NotFoundError
from domain.money import Money
from domain.order_states import OrderStatus, PaymentStatus

_SNAPSHOT = text("""
SELECT o.id, o.number, o.status, o.payment_status, o.total_amount, o.currency, o.customer_id, o.reason,
       o.needs_operator, o.operator_reason, o.payment_method, o.payment_attempt, o.payment_deadline,
       (SELECT p.code FROM payment_operations p
         WHERE p.order_id = o.id AND p.attempt = o.payment_attempt AND p.operation IN ('authorise', 'capture')
           AND p.state IN ('declined', 'action_required') LIMIT 1) AS decline_code,
       EXISTS (SELECT FROM payment_operations p
         WHERE p.order_id = o.id AND p.attempt = o.payment_attempt AND p.operation = 'authorise'
           AND p.state = 'action_required') AS action_required,
       o.payment_retry_at, o.payment_retries, o.payment_retry_delays <> '{}' AS retries_asked_for,
       ARRAY(SELECT n.id FROM notifications n
         WHERE n.order_id = o.id AND n.state IN ('pending', 'sending') ORDER BY n.id) AS messages,
       o.capture_policy, o.close_at,
       ARRAY(SELECT r.id FROM refunds r WHERE r.order_id = o.id AND r.state = 'started' ORDER BY r.n) AS refunding,
       EXISTS (SELECT FROM refunds r WHERE r.order_id = o.id AND r.state = 'failed') AS refund_failed,
       EXISTS (SELECT FROM shipments s WHERE s.order_id = o.id AND s.state IN ('shipped', 'delivered')) AS sent,
       CASE WHEN o.capture_policy = 'shipment' AND o.captured_amount < o.total_amount
            THEN (SELECT a.authorised_until FROM payment_operations a
                   WHERE a.order_id = o.id AND a.operation = 'authorise' AND a.attempt = o.payment_attempt
                     AND a.state = 'succeeded') END AS authorised_until,
       (SELECT json_agg(json_build_array(s.id, s.n, c.attempt, s.share_amount) ORDER BY s.n)
          FROM shipments s JOIN payment_operations c
            ON c.order_id = s.order_id AND c.operation = 'capture' AND c.n = s.n
         WHERE s.order_id = o.id AND s.state = 'preparing') AS shipping,
       NOT EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.shipped_quantity < l.quantity) AS everything,
       o.cancelled_amount,
       CASE WHEN o.cancelled_amount > 0 AND o.capture_policy = 'shipment' AND o.status IN ('shipped', 'delivered')
            THEN EXISTS (SELECT FROM payment_operations a
                          WHERE a.order_id = o.id AND a.operation = 'authorise' AND a.attempt >= o.payment_attempt
                            AND a.state IN ('started', 'action_required', 'succeeded')
                            AND NOT EXISTS (SELECT FROM payment_operations v
                                             WHERE v.order_id = a.order_id AND v.operation = 'void'
                                               AND v.attempt = a.attempt AND v.state IN ('succeeded', 'abandoned')))
            ELSE false END AS letting_go
FROM orders o WHERE o.id = :order_id
""")

_CLOSE_AFTER = text("UPDATE orders SET close_at = now() + CAST(:window AS interval) WHERE id = :order_id")

_STATUS = text("SELECT status FROM orders WHERE id = :order_id")

_FLAG = text("""
UPDATE orders SET needs_operator = true, operator_reason = :reason, updated_at = now()
WHERE id = :order_id AND NOT (needs_operator AND operator_reason = :reason)
RETURNING id
""")

_CLEAR_FLAG = text("""
UPDATE orders SET needs_operator = false, updated_at = now() WHERE id = :order_id AND needs_operator RETURNING id
""")

_RESTART = text("SELECT cart_id, checkout_attempt FROM orders WHERE id = :order_id")


async def snapshot(session: AsyncSession, order_id: UUID) -> OrderSnapshot:
    """Return an order as its row says.

    Raises:
        NotFoundError: there is no such order.
    """
    row = (await session.execute(_SNAPSHOT, {"order_id": order_id})).mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no such order.")
    return _snapshot(row)


async def status(session: AsyncSession, order_id: UUID) -> OrderStatus | None:
    """Return where an order stands; None when it has no row."""
    value = (await session.execute(_STATUS, {"order_id": order_id})).scalar_one_or_none()
    return None if value is None else OrderStatus(value)


async def flag(session: AsyncSession, order_id: UUID, *, reason: str) -> bool:
    """Say that an order needs an operator. False: it is said already."""
    return (await session.execute(_FLAG, {"order_id": order_id, "reason": reason})).first() is not None


async def clear_flag(session: AsyncSession, order_id: UUID) -> bool:
    """Say that an order needs no operator any more. False: it did not need one."""
    return (await session.execute(_CLEAR_FLAG, {"order_id": order_id})).first() is not None


async def close_after(session: AsyncSession, order_id: UUID, window: timedelta) -> None:
    """Say when an order that has arrived is closed, if nothing comes back."""
    await session.execute(_CLOSE_AFTER, {"order_id": order_id, "window": window})


async def restart(session: AsyncSession, order_id: UUID) -> PlaceOrder:
    """Return what starts a workflow that goes on from an order's row.

    Raises:
        NotFoundError: there is no such order.
    """
    row = (await session.execute(_RESTART, {"order_id": order_id})).one_or_none()
    if row is None:
        raise NotFoundError("There is no such order.")
    return PlaceOrder(order_id=order_id, cart_id=row.cart_id, checkout_attempt=row.checkout_attempt)


def _snapshot(row: RowMapping) -> OrderSnapshot:
    return OrderSnapshot(
        order_id=row["id"],
        number=row["number"],
        status=OrderStatus(row["status"]),
        payment_status=PaymentStatus(row["payment_status"]),
        total=Money(row["total_amount"], row["currency"]),
        customer_id=row["customer_id"],
        reason=row["reason"],
        needs_operator=row["needs_operator"],
        operator_reason=row["operator_reason"],
        payment_method=row["payment_method"],
        payment_attempt=row["payment_attempt"],
        payment_deadline=row["payment_deadline"],
        decline_code=row["decline_code"],
        messages=tuple(row["messages"]),
        capture=CapturePolicy(row["capture_policy"]),
        refunding=tuple(row["refunding"]),
        refund_failed=row["refund_failed"],
        shipping=tuple(_pending(shipment, row) for shipment in row["shipping"] or ()),
        sent=row["sent"],
        authorised_until=row["authorised_until"],
        close_at=row["close_at"],
        action_required=row["action_required"],
        retry_at=row["payment_retry_at"],
        retries=row["payment_retries"],
        retries_asked_for=row["retries_asked_for"],
        cancelled=row["cancelled_amount"],
        letting_go=row["letting_go"],
    )


def _pending(shipment: tuple[str, int, int, int], row: RowMapping) -> PendingShipment:
    id_, n, attempt, share = shipment
    return PendingShipment(UUID(id_), n, attempt, Money(share, row["currency"]), last=row["everything"])


# As people ask for them --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderLineView:
    """One line of an order; amounts in minor units of the order's currency."""

    line_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: int
    total: int
    discount: int
    tax: int
    tax_included: int
    shipped: int
    cancelled: int
    returned: int


@dataclass(frozen=True, slots=True)
class AdjustmentView:
    """A part of an order's total; `lines` are its parts by line, what they do not sum up to is of the whole order."""

    type: str
    code: str
    label: str
    amount: int
    lines: tuple[tuple[UUID, int], ...]


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with its lines. `token_digest` opens it for the guest who opened its cart."""

    id: UUID
    number: str
    cart_id: UUID
    customer_id: UUID | None
    token_digest: str | None
    status: str
    payment_status: str
    needs_operator: bool
    reason: str | None
    currency: str
    subtotal: int
    discount: int
    shipping: int
    tax: int
    tax_included: int
    total: int
    cancelled: int
    refunded: int
    shipping_address: dict[str, Any] | None
    created_at: datetime
    decline_code: str | None
    payment_deadline: datetime | None
    payment_retry_at: datetime | None
    adjustments: tuple[AdjustmentView, ...]
    lines: tuple[OrderLineView, ...]


@dataclass(frozen=True, slots=True)
class OrderEventView:
    """One entry of an order's timeline; `note` is the free text that somebody wrote."""

    at: datetime
    type: str
    source: str | None
    target: str
    actor: str
    reason: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class OrderSearch:
    """Which orders to list. `email` is compared as a whole, in any case; `after` is where the page before ended."""

    limit: int
    customer_id: UUID | None = None
    status: str | None = None
    number: str | None = None
    email: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    needs_operator: bool = False
    after: tuple[datetime, UUID] | None = None


_VIEW = """
SELECT o.id, o.number, o.cart_id, o.customer_id, c.token_digest, o.status, o.payment_status, o.needs_operator,
       o.reason, o.currency, o.subtotal_amount, o.discount_amount, o.shipping_amount, o.tax_amount,
       o.tax_included_amount, o.total_amount, o.cancelled_amount, o.refunded_amount, o.shipping_address, o.created_at,
       (SELECT p.code FROM payment_operations p
         WHERE p.order_id = o.id AND p.attempt = o.payment_attempt AND p.operation IN ('authorise', 'capture')
           AND p.state IN ('declined', 'action_required') LIMIT 1) AS decline_code,
       o.payment_deadline, o.payment_retry_at,
       (SELECT json_agg(json_build_array(a.type, a.code, a.label, a.amount, a.lines) ORDER BY a.position) FROM (
           SELECT position, type, code, label, sum(amount)::bigint AS amount,
                  json_agg(json_build_array(line_id, amount) ORDER BY id) FILTER (WHERE line_id IS NOT NULL) AS lines
           FROM order_adjustments WHERE order_id = o.id GROUP BY position, type, code, label) a) AS adjustments,
       coalesce((SELECT json_agg(json_build_array(l.line_id, l.sku, l.title, l.quantity, l.unit_price_amount,
         l.total_amount, l.discount_amount, l.tax_amount, l.tax_included_amount, l.shipped_quantity,
         l.cancelled_quantity, l.returned_quantity) ORDER BY l.position)
         FROM order_lines l WHERE l.order_id = o.id), '[]') AS lines
FROM orders o JOIN carts c ON c.id = o.cart_id
"""

_FIND = text(_VIEW + "WHERE o.id = :order_id")

_LIVE_OF_CART = text(_VIEW + "WHERE o.cart_id = :cart_id ORDER BY o.checkout_attempt DESC LIMIT 1")

_AFTER = "(o.created_at, o.id) < (:after_at, :after_id)"
_FILTERS = {
    "customer_id": "o.customer_id = :customer_id",
    "status": "o.status = :status",
    "number": "o.number = :number",
    "email": "lower(o.email) = lower(:email)",
    "since": "o.created_at >= :since",
    "until": "o.created_at < :until",
    "needs_operator": "o.needs_operator AND CAST(:needs_operator AS boolean)",
}
"""Conditions of a search by the filter that asks for them: only those that are asked for are in the statement, so that
each search has an index whatever PostgreSQL knows of its parameters."""

_TIMELINE = text("""
SELECT e.created_at, e.type, e.from_status, e.to_status, e.actor, e.reason, n.text
FROM order_events e LEFT JOIN order_notes n ON n.id = e.note_id
WHERE e.order_id = :order_id ORDER BY e.id
""")

_NOTE = text("""
INSERT INTO order_notes (id, order_id, text, actor) VALUES (:id, :order_id, :text, :actor) ON CONFLICT DO NOTHING
""")


async def find(session: AsyncSession, order_id: UUID) -> OrderView | None:
    """Look an order up, in one statement with its lines."""
    row = (await session.execute(_FIND, {"order_id": order_id})).one_or_none()
    return None if row is None else _view(row)


async def latest_of_cart(session: AsyncSession, cart_id: UUID) -> OrderView | None:
    """Look up the newest order that came out of a cart."""
    row = (await session.execute(_LIVE_OF_CART, {"cart_id": cart_id})).one_or_none()
    return None if row is None else _view(row)


async def search(session: AsyncSession, wanted: OrderSearch) -> Sequence[OrderView]:
    """List orders, newest first. Orders that come in meanwhile move no page: they stand before the first."""
    statement, values = search_statement(wanted)
    return [_view(row) for row in await session.execute(statement, values)]


def search_statement(wanted: OrderSearch) -> tuple[TextClause, dict[str, object]]:
    """Write the statement of a search: the orders are found first, and only then joined to what is shown of them."""
    asked = {name: value for name in _FILTERS if (value := getattr(wanted, name)) not in (None, False)}
    conditions = [_FILTERS[name] for name in asked]
    values: dict[str, object] = {**asked, "limit": wanted.limit}
    if wanted.after is not None:
        conditions.append(_AFTER)
        values |= {"after_at": wanted.after[0], "after_id": wanted.after[1]}
    found = f"""
        SELECT o.* FROM orders o WHERE {" AND ".join(conditions) or "true"}
        ORDER BY o.created_at DESC, o.id DESC LIMIT :limit
    """  # noqa: S608 - of constants
    statement = _VIEW.replace("FROM orders o", f"FROM ({found}) o") + "ORDER BY o.created_at DESC, o.id DESC"
    return text(statement), values


async def timeline(session: AsyncSession, order_id: UUID) -> Sequence[OrderEventView]:
    """List what happened to an order, oldest first."""
    return [OrderEventView(*row) for row in await session.execute(_TIMELINE, {"order_id": order_id})]


async def add_note(session: AsyncSession, order_id: UUID, note_id: UUID, text_: str, actor: str) -> None:
    """Keep free text about an order, once; only its id goes anywhere else."""
    await session.execute(_NOTE, {"id": note_id, "order_id": order_id, "text": text_, "actor": actor})


def _view(row: Any) -> OrderView:
    *columns, adjustments, lines = row
    parts = tuple(
        AdjustmentView(*(*part, tuple((UUID(line), amount) for line, amount in of_lines or ())))
        for *part, of_lines in _json(adjustments) or ()
    )
    return OrderView(*(*columns, parts, tuple(OrderLineView(UUID(line[0]), *line[1:]) for line in _json(lines))))


def _json(document: Any) -> Any:
    return json.loads(document) if isinstance(document, str) else document
