"""Cancelling what of an order was not shipped, once a part of it was: goods, money and state in one transaction."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.refunds import BeginRefund
from contracts.shipments import CancelRest
from db import inventory, manual_payments, order_log, refunds, shipments
from domain.captures import CapturePolicy, rest_of_order
from domain.errors import IllegalStepError, NotFoundError
from domain.order_states import EventType, OrderStatus, PaymentStatus
from models.columns import new_id

_LOCK = text("""
SELECT o.status, o.payment_status, o.capture_policy, o.currency, o.total_amount, o.captured_amount,
       o.captured_amount - o.refunded_amount - o.refunding_amount AS refundable,
       EXISTS (SELECT FROM shipments s WHERE s.order_id = o.id AND s.state = 'preparing') AS preparing
FROM orders o WHERE o.id = :order_id FOR NO KEY UPDATE OF o
""")

_CANCEL_LINES = text("""
UPDATE order_lines SET cancelled_quantity = quantity - shipped_quantity
WHERE order_id = :order_id AND shipped_quantity < quantity
""")

# What needed an operator because the rest could not be paid for needs none any more.
_OWE_LESS = text("""
UPDATE orders SET cancelled_amount = :cancelled, updated_at = now(),
    payment_status = CASE
        WHEN payment_status = 'partially_captured' AND captured_amount >= total_amount - :cancelled THEN 'captured'
        ELSE payment_status END,
    needs_operator = needs_operator AND operator_reason NOT IN ('capture_declined', 'reauthorisation_declined')
WHERE id = :order_id
""")


async def cancel(session: AsyncSession, request: CancelRest) -> bool:
    """Cancel what was not shipped of an order. False: that was done before, and nothing changes.

    Its stock goes back, and what it costs is owed no more: what was captured of it is refunded, what is promised at the
    door is lowered, and what is reserved is for the caller to let go.

    Raises:
        NotFoundError, IllegalStepError: nothing was changed.
    """
    order = (await session.execute(_LOCK, {"order_id": request.order_id})).one_or_none()
    if order is None:
        raise NotFoundError("There is no such order.")
    if await order_log.has(session, request.order_id, EventType.REST_CANCELLED):
        return False
    await _require_rest(session, request.order_id, order)
    cancelled = await _worth_of_rest(session, request.order_id, order)
    event = EventType.REST_CANCELLED
    await order_log.advance(
        session, request.order_id, event, actor=request.actor, reason=request.reason, note_id=request.note_id
    )
    await session.execute(_CANCEL_LINES, {"order_id": request.order_id})
    await session.execute(_OWE_LESS, {"order_id": request.order_id, "cancelled": cancelled})
    await inventory.release_rest(session, request.order_id)
    await _owe_less(session, request, order, cancelled)
    return True


async def _require_rest(session: AsyncSession, order_id: UUID, order: Any) -> None:
    """Refuse where nothing or everything was shipped, or the money can not be touched now."""
    if order.status != OrderStatus.FULFILLING or not await shipments.anything_sent(session, order_id):
        raise IllegalStepError(f"Cancelling a rest is not possible: the order is {order.status}.")
    if order.preparing:
        raise IllegalStepError("Cancelling the rest is not possible: a shipment is being prepared.")
    if order.payment_status == PaymentStatus.DISPUTED:
        raise IllegalStepError("Cancelling the rest is not possible: the payment is disputed.")


async def _worth_of_rest(session: AsyncSession, order_id: UUID, order: Any) -> int:
    shipped = await shipments.so_far(session, order_id)
    return rest_of_order(
        paid=shipped.paid,
        total=order.total_amount,
        shipped_paid=shipped.shipped_paid,
        captured_shares=shipped.shares,
    )


async def _owe_less(session: AsyncSession, request: CancelRest, order: Any, cancelled: int) -> None:
    """Begin to give back what was captured of the rest, less what was given back before where little is left."""
    owed = order.total_amount - cancelled
    if order.capture_policy == CapturePolicy.DELIVERY and order.captured_amount == 0 and cancelled:
        await _lower_promise(session, request.order_id, owed)
    excess = min(order.captured_amount - owed, order.refundable)
    if excess > 0:
        refund = BeginRefund(
            order_id=request.order_id,
            refund_id=new_id(),
            amount=excess,
            currency=order.currency,
            reason=EventType.REST_CANCELLED,
            actor=request.actor,
            note_id=request.note_id,
        )
        await refunds.begin(session, refund)


async def _lower_promise(session: AsyncSession, order_id: UUID, owed: int) -> None:
    if owed == 0:
        raise IllegalStepError("Cancelling the rest is not possible: nothing would be left to be paid at the door.")
    if not await manual_payments.lower(session, order_id, owed):
        raise IllegalStepError("Cancelling the rest is not possible: its money is just being noted.")
