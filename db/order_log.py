"""The only way in which an order's status changes: along the table of transitions, with its event, in one statement."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.order_states import EventType, IllegalTransitionError, OrderStatus, sources_of, target_of

_ADVANCE = text("""
WITH before AS (
    SELECT id, status FROM orders
    WHERE id = :order_id AND status = ANY(CAST(:sources AS text[]))
      AND payment_attempt = coalesce(CAST(:during AS integer), payment_attempt)
    FOR NO KEY UPDATE
), changed AS (
    UPDATE orders o SET
        status = :target,
        reason = coalesce(:failure, o.reason),
        payment_deadline = coalesce(CAST(:deadline AS timestamptz), o.payment_deadline),
        payment_method = coalesce(:payment_method, o.payment_method),
        payment_attempt = coalesce(CAST(:attempt AS integer), o.payment_attempt),
        updated_at = now()
    FROM before b
    WHERE o.id = b.id
    RETURNING o.id, b.status AS source
)
INSERT INTO order_events (order_id, type, from_status, to_status, actor, reason, note_id)
SELECT id, :type, source, :target, :actor, :reason, CAST(:note_id AS uuid) FROM changed
RETURNING from_status
""")

# The order is locked before its event is given an id, as above: so ids follow each other as their transactions do, and
# whoever follows an order by them misses none (`db.order_events`).
_ANNOTATE = text("""
WITH annotated AS (SELECT id, status FROM orders WHERE id = :order_id FOR NO KEY UPDATE)
INSERT INTO order_events (order_id, type, from_status, to_status, actor, reason, note_id)
SELECT id, :type, status, status, :actor, :reason, CAST(:note_id AS uuid) FROM annotated
""")

_HAS = text("SELECT EXISTS (SELECT FROM order_events WHERE order_id = :order_id AND type = :type)")

_STATUS = text("SELECT status FROM orders WHERE id = :order_id")


async def advance(
    session: AsyncSession,
    order_id: UUID,
    event: EventType,
    *,
    actor: str = "system",
    reason: str | None = None,
    note_id: UUID | None = None,
    failure: str | None = None,
    deadline: datetime | None = None,
    payment_method: str | None = None,
    attempt: int | None = None,
    during: int | None = None,
) -> bool:
    """Take one step, if the order stands where the step begins. False: it stands where the step ends already.

    `during` is the payment attempt that the step belongs to: a late one does not touch the next attempt.

    Raises:
        IllegalTransitionError: it stands somewhere else, or at another attempt.
    """
    sources = sources_of(event)
    target = target_of(event, next(iter(sources)))
    values = {
        "order_id": order_id,
        "sources": sorted(sources),
        "target": target,
        "type": event,
        "actor": actor,
        "reason": reason,
        "note_id": note_id,
        "failure": failure,
        "deadline": deadline,
        "payment_method": payment_method,
        "attempt": attempt,
        "during": during,
    }
    if (await session.execute(_ADVANCE, values)).first() is not None:
        return True
    status = (await session.execute(_STATUS, {"order_id": order_id})).scalar_one_or_none()
    if status == target:
        return False
    raise IllegalTransitionError(event, OrderStatus(status) if status else None)


async def has(session: AsyncSession, order_id: UUID, event: EventType) -> bool:
    """Tell whether something is noted of an order."""
    return bool((await session.execute(_HAS, {"order_id": order_id, "type": event})).scalar_one())


async def annotate(
    session: AsyncSession,
    order_id: UUID,
    event: EventType,
    *,
    actor: str,
    reason: str | None,
    note_id: UUID | None = None,
) -> None:
    """Note something that changes no status."""
    values = {"order_id": order_id, "type": event, "actor": actor, "reason": reason, "note_id": note_id}
    await session.execute(_ANNOTATE, values)
