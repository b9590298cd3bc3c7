"""What staff say of money: that it has come, and that it was paid back. Each is stored as a provider's event is.

A receipt counts once: whoever says the same again is answered the same, and one receipt pays for one order.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import order_log, orders, webhooks
from db.webhooks import StoredEvent
from domain.errors import AmountMismatchError, IllegalStepError, NotFoundError, ReceiptUsedError
from domain.manual_payments import Confirmation, OwedRefund, Receipt
from domain.money import Money
from domain.order_states import EventType
from domain.payment_events import PaymentEventType, ProviderEvent
from domain.payment_methods import MANUAL
from models.columns import new_id
from models.manual_payments import ManualPaymentState as State

LATE = "payment_late"
"""Why an order needs an operator whose money has come after its payment was given up."""

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:receipt, 0))")

_SAID = text("SELECT reference, order_id, amount, currency, state FROM manual_payments WHERE receipt = :receipt")

_RECEIVE = text("""
UPDATE manual_payments SET state = 'received', receipt = :receipt, actor = :actor, received_at = now()
WHERE order_id = :order_id AND state IN ('awaited', 'promised') AND amount = :amount AND currency = :currency
RETURNING reference
""")

# What is waited for says what may come; else it is a payment that was given up, of this amount if there is one.
_STANDING = text("""
SELECT m.reference, m.state FROM orders o
LEFT JOIN manual_payments m ON m.order_id = o.id
WHERE o.id = :order_id
ORDER BY CASE WHEN m.state IN ('awaited', 'promised') THEN 0 WHEN m.state = 'cancelled' THEN 1 ELSE 2 END,
         m.amount IS DISTINCT FROM CAST(:amount AS bigint) OR m.currency IS DISTINCT FROM CAST(:currency AS text),
         m.created_at DESC
LIMIT 1
""")

_RECEIVE_LATE = text("""
WITH late AS (
    UPDATE manual_payments SET state = 'late', receipt = :receipt, actor = :actor, received_at = now(), amount = :amount
    WHERE reference = :reference AND state = 'cancelled' AND currency = :currency
    RETURNING reference, order_id, amount, currency
)
INSERT INTO manual_refunds (id, payment, order_id, amount, currency, state)
SELECT :id, reference, order_id, amount, currency, 'owed' FROM late
RETURNING id
""")

_PAID = text("SELECT order_id, amount, currency FROM manual_refunds WHERE receipt = :receipt")

_PAY = text("""
UPDATE manual_refunds SET state = 'paid', receipt = :receipt, actor = :actor, paid_at = now()
WHERE id = (
    SELECT id FROM manual_refunds
    WHERE order_id = :order_id AND state = 'owed' AND amount = :amount AND currency = :currency
    ORDER BY created_at, id LIMIT 1 FOR UPDATE
)
RETURNING id, payment, key
""")

_OWED_OF_ORDER = text("""
SELECT o.id, EXISTS (SELECT FROM manual_refunds r WHERE r.order_id = o.id AND r.state = 'owed') AS owed,
       o.needs_operator AND o.operator_reason = :late AND NOT EXISTS (
           SELECT FROM manual_refunds r WHERE r.order_id = o.id AND r.state = 'owed' AND r.key IS NULL
       ) AS all_late_paid
FROM orders o WHERE o.id = :order_id
""")

_OWED = text("""
SELECT r.id, r.order_id, o.number, r.payment, r.amount, r.currency, r.created_at
FROM manual_refunds r JOIN orders o ON o.id = r.order_id
WHERE r.state = 'owed'
  AND (r.created_at, r.id) > (coalesce(CAST(:after_at AS timestamptz), '-infinity'), CAST(:after_id AS uuid))
ORDER BY r.created_at, r.id LIMIT :limit
""")


async def receive(session: AsyncSession, receipt: Receipt) -> tuple[Confirmation, StoredEvent | None]:
    """Note that the money of an order has come, and store what its workflow is to be told.

    Money for a payment that was given up is owed to the buyer at once, and the order needs an operator.

    Raises:
        NotFoundError, IllegalStepError, AmountMismatchError, ReceiptUsedError: nothing was noted.
    """
    await session.execute(_ONE_AT_A_TIME, {"receipt": receipt.reference})
    said = (await session.execute(_SAID, {"receipt": receipt.reference})).one_or_none()
    if said is not None:
        _require_same(said, receipt)
        if said.state == State.LATE:
            return Confirmation.LATE, None
        return Confirmation.RECEIVED, await _received(session, receipt, said.reference)
    reference = (await session.execute(_RECEIVE, _values(receipt))).scalar_one_or_none()
    if reference is not None:
        return Confirmation.RECEIVED, await _received(session, receipt, reference)
    await _receive_late(session, receipt)
    return Confirmation.LATE, None


async def pay_back(session: AsyncSession, receipt: Receipt) -> StoredEvent | None:
    """Note that money which was owed to a buyer was paid, and store what the order's workflow is to be told.

    Of several refunds of the same amount it is the oldest. None: the money had come late, and no workflow waits for it.

    Raises:
        NotFoundError, IllegalStepError, AmountMismatchError, ReceiptUsedError: nothing was noted.
    """
    await session.execute(_ONE_AT_A_TIME, {"receipt": receipt.reference})
    said = (await session.execute(_PAID, {"receipt": receipt.reference})).one_or_none()
    if said is not None:
        _require_same(said, receipt)
        return None
    paid = (await session.execute(_PAY, _values(receipt))).one_or_none()
    standing = (await session.execute(_OWED_OF_ORDER, {"order_id": receipt.order_id, "late": LATE})).one_or_none()
    if standing is None:
        raise NotFoundError("There is no such order.")
    if paid is None:
        raise _mismatch() if standing.owed else IllegalStepError("Nothing is owed to the buyer of this order.")
    if paid.key is not None:
        return await _tell(session, receipt, paid.payment, f"{paid.id}:paid", PaymentEventType.REFUNDED)
    if standing.all_late_paid and await orders.clear_flag(session, receipt.order_id):
        event = EventType.OPERATOR_RESOLVED
        await order_log.annotate(session, receipt.order_id, event, actor=receipt.actor, reason="refund_paid")
    return None


async def owed(session: AsyncSession, *, limit: int, after: tuple[datetime, UUID] | None) -> Sequence[OwedRefund]:
    """List what people have to pay back, what is owed for longest first."""
    values = {"limit": limit, "after_at": after[0] if after else None, "after_id": after[1] if after else UUID(int=0)}
    return [
        OwedRefund(row.id, row.order_id, row.number, row.payment, Money(row.amount, row.currency), row.created_at)
        for row in await session.execute(_OWED, values)
    ]


async def _receive_late(session: AsyncSession, receipt: Receipt) -> None:
    """Note money that nobody waits for any more: it is owed, and somebody has to look."""
    order_id = receipt.order_id
    values = _values(receipt)
    wanted = {name: values[name] for name in ("order_id", "amount", "currency")}
    standing = (await session.execute(_STANDING, wanted)).one_or_none()
    if standing is None:
        raise NotFoundError("There is no such order.")
    if standing.state in {State.AWAITED, State.PROMISED}:
        raise _mismatch()
    if standing.state != State.CANCELLED:
        raise IllegalStepError("The order waits for no payment that people confirm.")
    late = values | {"id": new_id(), "reference": standing.reference}
    if (await session.execute(_RECEIVE_LATE, late)).first() is None:
        raise _mismatch()
    if await orders.flag(session, order_id, reason=LATE):
        await order_log.annotate(session, order_id, EventType.OPERATOR_NEEDED, actor=receipt.actor, reason=LATE)


async def _received(session: AsyncSession, receipt: Receipt, reference: str) -> StoredEvent:
    return await _tell(session, receipt, reference, f"{reference}:received", PaymentEventType.CAPTURED)


async def _tell(
    session: AsyncSession, receipt: Receipt, reference: str, event_id: str, type_: PaymentEventType
) -> StoredEvent:
    event = ProviderEvent(
        provider=MANUAL,
        event_id=event_id,
        kind=f"manual.{type_}",
        happened_at=datetime.now(UTC),
        type=type_,
        reference=reference,
        order_id=receipt.order_id,
        amount=receipt.amount.amount,
        currency=receipt.amount.currency,
    )
    return await webhooks.record(session, event)


def _values(receipt: Receipt) -> dict[str, object]:
    return {
        "order_id": receipt.order_id,
        "amount": receipt.amount.amount,
        "currency": receipt.amount.currency,
        "receipt": receipt.reference,
        "actor": receipt.actor,
    }


def _require_same(said: Any, receipt: Receipt) -> None:
    if (said.order_id, said.amount, said.currency) != (
        receipt.order_id,
        receipt.amount.amount,
        receipt.amount.currency,
    ):
        raise ReceiptUsedError("This reference was given for other money.")


def _mismatch() -> AmountMismatchError:
    return AmountMismatchError("Another amount, or another currency, is waited for.")
