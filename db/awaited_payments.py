"""Orders that wait for their payment: for another card, for the buyer's bank, or for the next retry."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import AnswerPayment, NoteDispute, OrderSnapshot, RequirePayment, RetryPayment
from db import carts, inventory, notifications, order_log, orders, redemptions
from db.checkout import refuse
from domain.captures import CapturePolicy
from domain.order_states import EventType, FailureReason, OrderStatus
from domain.payment_methods import AWAITING_TRANSFER, taken_when
from domain.retry_schedule import RetrySchedule

DISPUTED = "payment_disputed"
"""Why an order needs an operator whose payment is disputed."""

_RETRIES = text("""
SELECT payment_retry_delays, payment_retries, payment_retry_holds_stock FROM orders WHERE id = :order_id
""")

_SCHEDULE = text("""
UPDATE orders SET payment_retry_at = :retry_at, payment_retries = payment_retries + 1, payment_deadline = :deadline
WHERE id = :order_id
""")

_UNSCHEDULE = text("UPDATE orders SET payment_retry_at = NULL WHERE id = :order_id AND payment_retry_at IS NOT NULL")

_POLICY = text("SELECT capture_policy FROM orders WHERE id = :order_id")

_TAKE_WHEN = text("UPDATE orders SET capture_policy = :policy WHERE id = :order_id")

_DISPUTE = text("""
UPDATE orders SET payment_status = 'disputed', updated_at = now()
WHERE id = :order_id AND payment_status <> 'disputed' AND captured_amount > 0
RETURNING id
""")

_DISPUTE_OVER = text("""
UPDATE orders SET updated_at = now(), payment_status = CASE
    WHEN refunded_amount >= captured_amount THEN 'refunded'
    WHEN refunded_amount > 0 THEN 'partially_refunded'
    WHEN captured_amount < total_amount - cancelled_amount THEN 'partially_captured'
    ELSE 'captured' END
WHERE id = :order_id AND payment_status = 'disputed'
RETURNING needs_operator AND operator_reason = :reason AS flagged
""")


async def require_payment(session: AsyncSession, request: RequirePayment) -> OrderSnapshot:
    """Let an order wait for its buyer, or for its next retry, and tell the buyer so.

    Raises:
        IllegalTransitionError: the order is being cancelled, or is at another attempt.
    """
    event = EventType.PAYMENT_ACTION_REQUIRED if request.action_required else EventType.PAYMENT_DECLINED
    waits = await order_log.advance(
        session,
        request.order_id,
        event,
        reason=request.decline_code,
        deadline=request.deadline,
        during=request.attempt,
    )
    if waits:
        template = await _schedule(session, request)
        await notifications.owe(session, request.order_id, template, request.attempt)
    return await orders.snapshot(session, request.order_id)


async def answer_payment(session: AsyncSession, request: AnswerPayment) -> OrderSnapshot:
    """Go on with the attempt that has waited for the buyer's bank.

    Raises:
        IllegalTransitionError: the order does not wait, or waits for another attempt.
    """
    if await order_log.advance(session, request.order_id, EventType.PAYMENT_ANSWERED, during=request.attempt):
        await notifications.drop(session, request.order_id)
    return await orders.snapshot(session, request.order_id)


async def retry_payment(session: AsyncSession, request: RetryPayment) -> OrderSnapshot:
    """Begin the next payment attempt of an order that waits for one; what it has let go is held again first.

    An order whose goods are sold by now has failed, and its cart is open again.

    Raises:
        IllegalTransitionError: it does not wait for this one.
    """
    cart = await carts.lock_of(session, request.order_id)
    if await orders.status(session, request.order_id) is OrderStatus.FAILED:
        return await orders.snapshot(session, request.order_id)
    await notifications.drop(session, request.order_id)
    await redemptions.lock_of(session, request.order_id)
    shortages = await inventory.hold_again(session, request.order_id)
    if shortages:
        await notifications.owe(session, request.order_id, "payment_expired")
        return await refuse(session, request.order_id, cart, FailureReason.INSUFFICIENT_STOCK, shortages)
    await order_log.advance(
        session,
        request.order_id,
        EventType.PAYMENT_RETRIED,
        actor=request.actor,
        payment_method=request.payment_method,
        attempt=request.attempt,
        during=request.attempt - 1,
    )
    await session.execute(_UNSCHEDULE, {"order_id": request.order_id})
    await _take_as_offered(session, request)
    return await orders.snapshot(session, request.order_id)


async def note_collected(session: AsyncSession, order_id: UUID) -> OrderSnapshot:
    """Record that money which is paid at delivery is here, once."""
    event = EventType.PAYMENT_COLLECTED
    if not await order_log.has(session, order_id, event):
        await order_log.annotate(session, order_id, event, actor="system", reason=None)
    return await orders.snapshot(session, order_id)


async def note_dispute(session: AsyncSession, request: NoteDispute) -> OrderSnapshot:
    """Record a dispute and call an operator; or that it is over, and that none is needed for it any more."""
    order_id = request.order_id
    if request.disputed:
        if (await session.execute(_DISPUTE, {"order_id": order_id})).first() is not None:
            await orders.flag(session, order_id, reason=DISPUTED)
            await order_log.annotate(session, order_id, EventType.OPERATOR_NEEDED, actor="system", reason=DISPUTED)
    else:
        over = (await session.execute(_DISPUTE_OVER, {"order_id": order_id, "reason": DISPUTED})).one_or_none()
        if over is not None and over.flagged:
            await orders.clear_flag(session, order_id)
            await order_log.annotate(
                session, order_id, EventType.OPERATOR_RESOLVED, actor="system", reason="dispute_won"
            )
    return await orders.snapshot(session, order_id)


async def _take_as_offered(session: AsyncSession, request: RetryPayment) -> None:
    """Take the money when the way to pay says so that was offered last."""
    current = CapturePolicy((await session.execute(_POLICY, {"order_id": request.order_id})).scalar_one())
    policy = taken_when(request.payment_method, current)
    if policy is not current:
        await session.execute(_TAKE_WHEN, {"order_id": request.order_id, "policy": policy})


async def _schedule(session: AsyncSession, request: RequirePayment) -> str:
    """Set the next retry, where there is one, and return the template of what the buyer is told."""
    if request.action_required:
        awaited = request.decline_code == AWAITING_TRANSFER
        return "payment_transfer_awaited" if awaited else "payment_action_required"
    delays, retries, holds_stock = (await session.execute(_RETRIES, {"order_id": request.order_id})).one()
    retry_at = _next(delays, retries, request)
    if retry_at is None:
        return "payment_failed"
    if not holds_stock:
        await inventory.release(session, request.order_id)
    values = {"order_id": request.order_id, "retry_at": retry_at, "deadline": retry_at + request.hold}
    await session.execute(_SCHEDULE, values)
    await order_log.annotate(
        session,
        request.order_id,
        EventType.PAYMENT_RETRY_SCHEDULED,
        actor="system",
        reason=f"{retry_at:%Y-%m-%dT%H:%M:%SZ}",
    )
    return "payment_retry_scheduled"


def _next(delays: list[int], retries: int, request: RequirePayment) -> datetime | None:
    if not request.passes or request.now is None:
        return None
    return RetrySchedule.of_seconds(delays).next_after(request.now, retries)
