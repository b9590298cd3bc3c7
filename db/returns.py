"""Returns: asked for line by line, and then received, with their stock and their money, or cancelled.

`order_lines.returned_quantity` counts what is on its way back and what has arrived. The statement that asks for a
return has its condition in the `WHERE`, and the check on `order_lines` stands behind it, so that no two returns hold
more than was sent. Every change is made under the lock of the order's row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import ArrivedLine
from contracts.refunds import BeginRefund
from contracts.returns import TakeBack
from db import order_log, refunds, restocking
from domain.captures import CapturePolicy
from domain.errors import IllegalStepError, NotFoundError, ReturnTooLargeError
from domain.order_states import RETURNABLE, EventType, PaymentStatus
from domain.returns import MOST_RETURNS, ReturnStatus

# Whoever serves those who wait has their stock and then refers to their orders: that lock is not to be waited for.
_LOCK = text("""
SELECT o.status, o.payment_status, o.capture_policy, o.currency, o.captured_amount,
       o.captured_amount - o.refunded_amount - o.refunding_amount AS refundable
FROM orders o WHERE o.id = :order_id FOR NO KEY UPDATE
""")

_STATE = text("SELECT state FROM returns WHERE id = :id AND order_id = :order_id")

_BEGIN = text("""
INSERT INTO returns (id, order_id, n, state, note_id, actor)
SELECT :id, :order_id, coalesce(max(n), 0) + 1, 'requested', CAST(:note_id AS uuid), :actor
FROM returns WHERE order_id = :order_id
RETURNING n
""")

# One line that is asked for twice is asked for once, with both quantities. Only what has left the house comes back.
_ASK = text("""
WITH sent AS (
    SELECT i.line_id, sum(i.quantity)::bigint AS quantity
    FROM shipments s JOIN shipment_lines i ON i.shipment_id = s.id
    WHERE s.order_id = :order_id AND s.state IN ('shipped', 'delivered') GROUP BY i.line_id
), asked AS (
    SELECT line_id, sum(quantity)::bigint AS quantity
    FROM unnest(CAST(:line_ids AS uuid[]), CAST(:quantities AS bigint[])) AS a (line_id, quantity) GROUP BY line_id
    UNION ALL
    SELECT l.line_id, s.quantity - l.returned_quantity FROM order_lines l JOIN sent s ON s.line_id = l.line_id
    WHERE s.quantity > l.returned_quantity AND cardinality(CAST(:line_ids AS uuid[])) = 0
), counted AS (
    UPDATE order_lines l SET returned_quantity = l.returned_quantity + a.quantity
    FROM asked a JOIN sent s ON s.line_id = a.line_id
    WHERE l.line_id = a.line_id AND l.order_id = :order_id AND a.quantity > 0
      AND l.returned_quantity + a.quantity <= s.quantity
    RETURNING l.line_id, a.quantity
), kept AS (
    INSERT INTO return_lines (return_id, line_id, quantity) SELECT :id, line_id, quantity FROM counted
)
SELECT (SELECT count(*) FROM counted) AS found, (SELECT count(*) FROM asked) AS asked
""")

_ARRIVE = text("""
WITH arrived AS (
    SELECT line_id, sum(quantity)::bigint AS quantity, sum(restocked)::bigint AS restocked
    FROM unnest(CAST(:line_ids AS uuid[]), CAST(:quantities AS bigint[]), CAST(:restocked AS bigint[]))
        AS a (line_id, quantity, restocked)
    GROUP BY line_id
    UNION ALL
    SELECT line_id, quantity, quantity FROM return_lines
    WHERE return_id = :id AND cardinality(CAST(:line_ids AS uuid[])) = 0
), noted AS (
    UPDATE return_lines l SET received_quantity = a.quantity, restocked_quantity = a.restocked
    FROM arrived a
    WHERE l.return_id = :id AND l.line_id = a.line_id AND a.quantity BETWEEN 1 AND l.quantity
      AND a.restocked BETWEEN 0 AND a.quantity
    RETURNING l.line_id
)
SELECT (SELECT count(*) FROM noted) AS found, (SELECT count(*) FROM arrived) AS arrived
""")

# What has not come back may be asked for again.
_LET_GO = text("""
UPDATE order_lines l SET returned_quantity = l.returned_quantity - (r.quantity - r.received_quantity)
FROM return_lines r WHERE r.return_id = :id AND r.line_id = l.line_id AND r.received_quantity < r.quantity
""")

# A line is given back in proportion, counted from its first piece on, so that its parts sum exactly to what was paid.
_PAID = text("""
SELECT coalesce(sum(
    div(p.amount::numeric * (b.quantity + r.received_quantity), l.quantity)
    - div(p.amount::numeric * b.quantity, l.quantity)), 0)::bigint
FROM return_lines r JOIN order_lines l ON l.line_id = r.line_id,
LATERAL (SELECT l.total_amount - l.discount_amount + l.tax_amount AS amount) p,
LATERAL (
    SELECT coalesce(sum(i.received_quantity), 0) AS quantity
    FROM returns e JOIN return_lines i ON i.return_id = e.id
    WHERE e.order_id = l.order_id AND e.id <> :id AND i.line_id = r.line_id
) b
WHERE r.return_id = :id
""")

_END = text("""
UPDATE returns SET state = :state, refund_amount = :refund, ended_by = :actor,
    ended_note_id = CAST(:note_id AS uuid), ended_at = now()
WHERE id = :id AND state = 'requested'
""")

_VIEW = """
SELECT r.id, r.order_id, r.n, r.state, w.text AS reason, e.text AS answer, o.currency, f.amount,
       f.state, r.created_at, r.ended_at,
       coalesce((SELECT json_agg(json_build_array(i.line_id, l.sku, i.quantity, i.received_quantity,
                                                  i.restocked_quantity) ORDER BY l.position)
                 FROM return_lines i JOIN order_lines l ON l.line_id = i.line_id WHERE i.return_id = r.id), '[]')
FROM returns r JOIN orders o ON o.id = r.order_id LEFT JOIN refunds f ON f.id = r.id
LEFT JOIN order_notes w ON w.id = r.note_id LEFT JOIN order_notes e ON e.id = r.ended_note_id
"""
_LIST = text(_VIEW + "WHERE r.order_id = :order_id AND r.n > :after ORDER BY r.n LIMIT :limit")
_FIND = text(_VIEW + "WHERE r.id = :id")
_AWAITED = text(
    _VIEW
    + """
WHERE r.state = 'requested'
  AND (r.created_at, r.id) > (coalesce(CAST(:since AS timestamptz), '-infinity'), CAST(:after AS uuid))
ORDER BY r.created_at, r.id LIMIT :limit
"""
)


@dataclass(frozen=True, slots=True)
class ReturnRequest:
    """Goods that somebody wants to bring back; no lines: all that was sent and is in no return yet."""

    return_id: UUID
    order_id: UUID
    actor: str
    lines: tuple[tuple[UUID, int], ...] = ()
    note_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReturnLineView:
    """How many of a line come back, have arrived, and can be sold again."""

    line_id: UUID
    sku: str
    quantity: int
    received: int
    restocked: int


@dataclass(frozen=True, slots=True)
class ReturnView:
    """A return as people ask for it; `reason` and `answer` are the words of who asked for it and who cancelled it."""

    id: UUID
    order_id: UUID
    n: int
    state: str
    reason: str | None
    answer: str | None
    currency: str
    refunded: int | None
    refund_state: str | None
    created_at: datetime
    ended_at: datetime | None
    lines: tuple[ReturnLineView, ...]


async def request(session: AsyncSession, wanted: ReturnRequest) -> None:
    """Write down that goods are to come back, with its event. Doing it again changes nothing.

    Raises:
        NotFoundError, IllegalStepError, ReturnTooLargeError: it is not possible; nothing was written down.
    """
    order = await _locked(session, wanted.order_id)
    if await _state(session, wanted.order_id, wanted.return_id) is not None:
        return
    if order.status not in RETURNABLE:
        raise IllegalStepError(f"A return is not possible: the order is {order.status}.")
    names = {"id": wanted.return_id, "order_id": wanted.order_id}
    number = (await session.execute(_BEGIN, {**names, "note_id": wanted.note_id, "actor": wanted.actor})).scalar_one()
    if number > MOST_RETURNS:
        raise IllegalStepError(f"A return is not possible: the order has had {MOST_RETURNS}.")
    lines = {"line_ids": [line for line, _ in wanted.lines], "quantities": [quantity for _, quantity in wanted.lines]}
    row = (await session.execute(_ASK, {**names, **lines})).one()
    if not row.asked or row.found != row.asked:
        raise ReturnTooLargeError("Less of this order was sent and is in no return yet, or it has no such line.")
    event = EventType.RETURN_REQUESTED
    await order_log.annotate(session, wanted.order_id, event, actor=wanted.actor, reason=None, note_id=wanted.note_id)


async def cancel(
    session: AsyncSession, order_id: UUID, return_id: UUID, *, actor: str, note_id: UUID | None = None
) -> None:
    """Write down that goods do not come back; they may be asked for again. Doing it again changes nothing.

    Raises:
        NotFoundError, IllegalStepError: there is no such return, or its goods have arrived.
    """
    await _locked(session, order_id)
    if not await _open(session, order_id, return_id, ends_as=ReturnStatus.CANCELLED):
        return
    await _end(session, return_id, ReturnStatus.CANCELLED, actor=actor, note_id=note_id)
    event = EventType.RETURN_CANCELLED
    await order_log.annotate(session, order_id, event, actor=actor, reason=None, note_id=note_id)


async def take_back(session: AsyncSession, request: TakeBack) -> None:
    """Note what has arrived: its stock and its refund are booked with it. Doing it again changes nothing.

    Raises:
        NotFoundError, IllegalStepError, ReturnTooLargeError: it is not possible; nothing was booked.
    """
    order = await _locked(session, request.order_id)
    if not await _open(session, request.order_id, request.return_id, ends_as=ReturnStatus.RECEIVED):
        return
    await _note_arrival(session, request.return_id, request.lines)
    amount = await _owed_back(session, request, order)
    await _end(session, request.return_id, ReturnStatus.RECEIVED, actor=request.actor, refund=amount)
    await restocking.put_back(session, request)
    if amount:
        await refunds.begin(session, _refund(request, amount, order.currency))
    event = EventType.RETURN_RECEIVED
    await order_log.annotate(session, request.order_id, event, actor=request.actor, reason=None)


async def of_order(session: AsyncSession, order_id: UUID, *, limit: int, after: int = 0) -> Sequence[ReturnView]:
    """List an order's returns, oldest first, from after one of them on."""
    rows = await session.execute(_LIST, {"order_id": order_id, "limit": limit, "after": after})
    return [_view(row) for row in rows]


async def awaited(session: AsyncSession, *, limit: int, after: tuple[datetime, UUID] | None) -> Sequence[ReturnView]:
    """List the returns whose goods have not arrived, longest awaited first, from after one of them on."""
    since, last = after or (None, UUID(int=0))
    rows = await session.execute(_AWAITED, {"limit": limit, "since": since, "after": last})
    return [_view(row) for row in rows]


async def find(session: AsyncSession, return_id: UUID) -> ReturnView | None:
    """Look a return up."""
    row = (await session.execute(_FIND, {"id": return_id})).one_or_none()
    return None if row is None else _view(row)


async def _locked(session: AsyncSession, order_id: UUID) -> Any:
    order = (await session.execute(_LOCK, {"order_id": order_id})).one_or_none()
    if order is None:
        raise NotFoundError("There is no such order.")
    return order


async def _state(session: AsyncSession, order_id: UUID, return_id: UUID) -> ReturnStatus | None:
    found = (await session.execute(_STATE, {"id": return_id, "order_id": order_id})).scalar_one_or_none()
    return None if found is None else ReturnStatus(found)


async def _open(session: AsyncSession, order_id: UUID, return_id: UUID, *, ends_as: ReturnStatus) -> bool:
    """Tell whether a return can be ended. False: it has ended so before."""
    state = await _state(session, order_id, return_id)
    if state is None:
        raise NotFoundError("There is no such return.")
    if state not in {ReturnStatus.REQUESTED, ends_as}:
        raise IllegalStepError(f"This is not possible: the return is {state}.")
    return state is ReturnStatus.REQUESTED


async def _note_arrival(session: AsyncSession, return_id: UUID, lines: tuple[ArrivedLine, ...]) -> None:
    values = {
        "id": return_id,
        "line_ids": [line.line_id for line in lines],
        "quantities": [line.quantity for line in lines],
        "restocked": [line.quantity if line.restock is None else line.restock for line in lines],
    }
    row = (await session.execute(_ARRIVE, values)).one()
    if row.found != row.arrived:
        raise ReturnTooLargeError(
            "The return is of less than that, or has no such line; and no more is restocked than came."
        )


async def _owed_back(session: AsyncSession, request: TakeBack, order: Any) -> int:
    """Compute what was paid for what has arrived; where less is left of the order's money, that.

    What is paid at the door is paid in full, so that its goods come back only once their money is here.
    """
    paid: int = (await session.execute(_PAID, {"id": request.return_id})).scalar_one()
    if paid and order.capture_policy == CapturePolicy.DELIVERY and order.captured_amount == 0:
        raise IllegalStepError("This is not possible: the order is not paid yet. Note its money first.")
    if not request.refund:
        return 0
    if paid and order.payment_status == PaymentStatus.DISPUTED:
        raise IllegalStepError("A refund is not possible: the payment is disputed. Receive the goods without one.")
    return min(paid, int(order.refundable))


async def _end(
    session: AsyncSession,
    return_id: UUID,
    state: ReturnStatus,
    *,
    actor: str,
    refund: int = 0,
    note_id: UUID | None = None,
) -> None:
    values = {"id": return_id, "state": state, "refund": refund, "actor": actor, "note_id": note_id}
    await session.execute(_END, values)
    await session.execute(_LET_GO, {"id": return_id})


def _refund(request: TakeBack, amount: int, currency: str) -> BeginRefund:
    """Describe the refund of a return. It bears the return's id, so that there is one however often it is begun."""
    return BeginRefund(
        order_id=request.order_id,
        refund_id=request.return_id,
        amount=amount,
        currency=currency,
        reason=EventType.RETURN_RECEIVED,
        actor=request.actor,
    )


def _view(row: Any) -> ReturnView:
    *columns, lines = row
    return ReturnView(*(*columns, tuple(ReturnLineView(UUID(line[0]), *line[1:]) for line in lines)))
