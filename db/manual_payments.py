"""The shop's own book of payments that people confirm: each change is one statement with its condition in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Money
from domain.order_ids import operation_of
from domain.payment_methods import PaymentWay
from domain.transfer_references import transfer_reference
from models.columns import new_id
from models.manual_payments import ManualPaymentState, ManualRefundState

_NUMBER = text("SELECT number FROM orders WHERE id = :order_id")

_PREPARE = text("""
INSERT INTO manual_payments AS m (reference, key, order_id, amount, currency, state)
VALUES (:reference, :key, :order_id, :amount, :currency, 'prepared')
ON CONFLICT (key) DO UPDATE SET key = m.key
RETURNING reference
""")

_AUTHORISE = text("""
UPDATE manual_payments SET way = :way, state = :state, awaited_until = now() + CAST(:patience AS interval)
WHERE reference = :reference AND state = 'prepared'
""")

_COLLECT = text("""
UPDATE manual_payments SET state = 'received', received_at = now()
WHERE reference = :reference AND state = 'promised' AND amount = :amount AND currency = :currency
RETURNING reference
""")

_LOWER = text("""
UPDATE manual_payments SET amount = :amount WHERE order_id = :order_id AND state = 'promised' RETURNING reference
""")

_CANCEL = text("""
UPDATE manual_payments SET state = 'cancelled'
WHERE reference = :reference AND state IN ('prepared', 'awaited', 'promised')
""")

_REFUND = text("""
WITH payment AS (
    SELECT reference, order_id, amount, currency FROM manual_payments
    WHERE reference = :reference AND state = 'received' AND currency = :currency
), given AS (
    SELECT coalesce(sum(r.amount), 0) AS amount FROM payment p LEFT JOIN manual_refunds r ON r.payment = p.reference
)
INSERT INTO manual_refunds AS r (id, payment, order_id, key, amount, currency, state)
SELECT :id, p.reference, p.order_id, CAST(:key AS text), CAST(:amount AS bigint), p.currency, 'owed'
FROM payment p, given g
WHERE g.amount + CAST(:amount AS bigint) <= p.amount
   OR EXISTS (SELECT FROM manual_refunds WHERE key = CAST(:key AS text))
ON CONFLICT (key) DO UPDATE SET key = r.key
RETURNING r.id, r.key, r.amount, r.state
""")

_LOCK_PAYMENT = text("SELECT reference FROM manual_payments WHERE reference = :reference FOR UPDATE")

_VIEW = """
SELECT m.reference, m.key, m.order_id, m.way, m.amount, m.currency, m.state, m.awaited_until,
       coalesce((SELECT json_agg(json_build_array(r.id, r.key, r.amount, r.state) ORDER BY r.created_at, r.id)
                 FROM manual_refunds r WHERE r.payment = m.reference AND r.key IS NOT NULL), '[]') AS refunds,
       m.created_at
FROM manual_payments m
"""
_FIND = text(_VIEW + "WHERE m.reference = :reference")
_PAGE = text(
    _VIEW
    + """
WHERE m.created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
  AND (m.created_at, m.reference)
      < (coalesce(CAST(:before AS timestamptz), 'infinity'), coalesce(CAST(:reference AS text), ''))
ORDER BY m.created_at DESC, m.reference DESC LIMIT :limit
"""
)


@dataclass(frozen=True, slots=True)
class ManualRefundRow:
    """Money that is to be given back, or was."""

    id: UUID
    key: str
    amount: int
    state: ManualRefundState


@dataclass(frozen=True, slots=True)
class ManualPaymentRow:
    """A payment as its row says."""

    reference: str
    key: str
    order_id: UUID
    way: PaymentWay | None
    amount: Money
    state: ManualPaymentState
    awaited_until: datetime | None
    refunds: tuple[ManualRefundRow, ...]
    created_at: datetime


async def prepare(session: AsyncSession, key: str, order_id: UUID, total: Money) -> str | None:
    """Write a payment that nobody was told of, once for each operation; None: there is no such order."""
    operation = operation_of(key)
    number = (await session.execute(_NUMBER, {"order_id": order_id})).scalar_one_or_none()
    if number is None:
        return None
    values = {
        "reference": transfer_reference(number, int(operation.rpartition(":")[2])),
        "key": operation,
        "order_id": order_id,
        "amount": total.amount,
        "currency": total.currency,
    }
    prepared: str = (await session.execute(_PREPARE, values)).scalar_one()
    return prepared


async def authorise(session: AsyncSession, reference: str, way: PaymentWay, patience: timedelta) -> None:
    """Await the transfer, for so long, or take the promise to pay at the door. Doing it again changes nothing."""
    awaited = way is PaymentWay.BANK_TRANSFER
    state = ManualPaymentState.AWAITED if awaited else ManualPaymentState.PROMISED
    values = {"reference": reference, "way": way, "state": state, "patience": patience if awaited else None}
    await session.execute(_AUTHORISE, values)


async def collect(session: AsyncSession, reference: str, amount: Money) -> bool:
    """Note that what was promised was paid at the door. False: nothing was, or another amount, or it is paid."""
    values = {"reference": reference, "amount": amount.amount, "currency": amount.currency}
    return (await session.execute(_COLLECT, values)).first() is not None


async def lower(session: AsyncSession, order_id: UUID, amount: int) -> bool:
    """Have less paid at the door than was promised. False: nothing is promised (any more)."""
    values = {"order_id": order_id, "amount": amount}
    return (await session.execute(_LOWER, values)).first() is not None


async def cancel(session: AsyncSession, reference: str) -> None:
    """Give a payment up whose money is not here. Doing it again changes nothing."""
    await session.execute(_CANCEL, {"reference": reference})


async def owe(session: AsyncSession, reference: str, key: str, amount: Money) -> ManualRefundRow | None:
    """Note that money is to be given back, once for each operation. None: less than that is here.

    The payment is locked by a statement before, so that the sum is read when no other refund is being written.
    """
    await session.execute(_LOCK_PAYMENT, {"reference": reference})
    values = {
        "id": new_id(),
        "reference": reference,
        "key": operation_of(key),
        "amount": amount.amount,
        "currency": amount.currency,
    }
    row = (await session.execute(_REFUND, values)).one_or_none()
    return None if row is None else ManualRefundRow(row.id, row.key, row.amount, ManualRefundState(row.state))


async def find(session: AsyncSession, reference: str) -> ManualPaymentRow | None:
    """Look a payment up."""
    row = (await session.execute(_FIND, {"reference": reference})).one_or_none()
    return None if row is None else _payment(row)


async def page(
    session: AsyncSession, *, since: datetime | None, before: ManualPaymentRow | None, limit: int
) -> Sequence[ManualPaymentRow]:
    """List payments, newest first, from behind `before` on."""
    values = {
        "since": since,
        "before": before.created_at if before else None,
        "reference": before.reference if before else None,
        "limit": limit,
    }
    return [_payment(row) for row in await session.execute(_PAGE, values)]


def _payment(row: Any) -> ManualPaymentRow:
    return ManualPaymentRow(
        reference=row.reference,
        key=row.key,
        order_id=row.order_id,
        way=None if row.way is None else PaymentWay(row.way),
        amount=Money(row.amount, row.currency),
        state=ManualPaymentState(row.state),
        awaited_until=row.awaited_until,
        refunds=tuple(
            ManualRefundRow(UUID(id_), key, amount, ManualRefundState(state)) for id_, key, amount, state in row.refunds
        ),
        created_at=row.created_at,
    )
