"""Payment operations: written before the provider is called, finished with its answer, and fenced by tombstones.

Each function is one statement whose condition is in its `WHERE`: a fence and a late step can not pass each other.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Money
from domain.order_ids import operation_key
from models.payments import PaymentOperationKind, PaymentOperationState

_COLUMNS = """
o.key, o.order_id, o.operation, o.attempt, o.amount, o.currency, o.provider_reference, o.state, o.code,
EXISTS (SELECT FROM payment_operations u
        WHERE u.order_id = o.order_id AND u.attempt = o.attempt AND u.operation IN ('void', 'refund')) AS undone
"""

_START = text(f"""
INSERT INTO payment_operations AS o
    (key, order_id, operation, attempt, amount, currency, provider, provider_reference, state)
VALUES (:key, :order_id, :operation, :attempt, :amount, :currency, :provider, :reference, 'started')
ON CONFLICT (key) DO UPDATE SET updated_at = o.updated_at
RETURNING {_COLUMNS}, o.xmax = 0 AS fresh
""")  # noqa: S608 - the columns are a constant above

_ATTACH = text("""
UPDATE payment_operations SET provider_reference = coalesce(provider_reference, :reference), updated_at = now()
WHERE key = :key AND state = 'started'
RETURNING provider_reference
""")

# What an operation has brought is said on its order in the same statement, but for what came too late to be news. A
# capture whose answer was lost is learnt from its refund: the books never show a refund of money that was not taken.
_FINISH = text("""
WITH finished AS (
    UPDATE payment_operations SET state = :state, code = :code, updated_at = now()
    WHERE key = :key AND state = 'started'
    RETURNING key, order_id, operation, amount, state
), noted AS (
    UPDATE orders o SET
        payment_status = CASE f.operation WHEN 'authorise' THEN 'authorised' WHEN 'capture' THEN 'captured'
            WHEN 'void' THEN 'voided' ELSE 'refunded' END,
        captured_amount = CASE f.operation WHEN 'capture' THEN f.amount
            WHEN 'refund' THEN greatest(o.captured_amount, f.amount) ELSE o.captured_amount END,
        refunded_amount = CASE f.operation WHEN 'refund' THEN f.amount ELSE o.refunded_amount END,
        updated_at = now()
    FROM finished f
    WHERE o.id = f.order_id AND f.state = 'succeeded' AND CASE f.operation
        WHEN 'authorise' THEN o.payment_status IN ('none', 'voided')
        WHEN 'capture' THEN o.captured_amount = 0
        WHEN 'void' THEN o.payment_status = 'authorised'
        ELSE true END
)
SELECT key FROM finished
""")

# The tombstone: what has not begun can not begin any more, and what has begun can not be taken for done.
_FENCE = text("""
INSERT INTO payment_operations AS o
    (key, order_id, operation, attempt, amount, currency, provider, provider_reference, state)
SELECT :key, id, :operation, :attempt, total_amount, currency, :provider, NULL, 'abandoned'
FROM orders WHERE id = :order_id
ON CONFLICT (key) DO UPDATE SET state = 'abandoned', updated_at = now() WHERE o.state = 'started'
""")

_LEARN = text("""
UPDATE payment_operations SET state = 'succeeded', provider_reference = :reference, updated_at = now()
WHERE key = :key AND state <> 'succeeded'
""")

_FIND = text(f"SELECT {_COLUMNS}, false AS fresh FROM payment_operations o WHERE o.key = :key")  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class Operation:
    """One payment operation as its row says."""

    key: str
    order_id: UUID
    operation: PaymentOperationKind
    attempt: int
    amount: Money
    reference: str | None
    state: PaymentOperationState
    code: str | None
    fresh: bool
    """It was written just now: nobody has asked the provider yet."""
    undone: bool
    """Its money was given back since, or is being given back."""


async def start(
    session: AsyncSession,
    order_id: UUID,
    kind: PaymentOperationKind,
    attempt: int,
    *,
    amount: Money,
    provider: str,
    reference: str | None = None,
) -> Operation:
    """Write an operation down before its provider is called; or return it as it stands, if it was written before."""
    values = {
        "key": operation_key(order_id, kind, attempt),
        "order_id": order_id,
        "operation": kind,
        "attempt": attempt,
        "amount": amount.amount,
        "currency": amount.currency,
        "provider": provider,
        "reference": reference,
    }
    return _operation((await session.execute(_START, values)).one())


async def attach(session: AsyncSession, key: str, reference: str) -> str | None:
    """Note which of the provider's payments an operation is about; the first one noted stays, and is returned.

    None: the operation was fenced or finished.
    """
    attached: str | None = (await session.execute(_ATTACH, {"key": key, "reference": reference})).scalar_one_or_none()
    return attached


async def finish(session: AsyncSession, key: str, state: PaymentOperationState, code: str | None = None) -> bool:
    """Note how an operation went, and on its order what it has brought. False: it was fenced or finished before."""
    return (await session.execute(_FINISH, {"key": key, "state": state, "code": code})).first() is not None


async def fence(
    session: AsyncSession, order_id: UUID, kind: PaymentOperationKind, attempt: int, provider: str
) -> Operation | None:
    """Make an operation impossible from now on, unless it is finished; return it as it stands."""
    key = operation_key(order_id, kind, attempt)
    values = {"key": key, "order_id": order_id, "operation": kind, "attempt": attempt, "provider": provider}
    await session.execute(_FENCE, values)
    return await find(session, order_id, kind, attempt)


async def learn_captured(session: AsyncSession, order_id: UUID, attempt: int, reference: str) -> None:
    """Correct the books when the provider says that a capture has succeeded whose answer was lost."""
    key = operation_key(order_id, PaymentOperationKind.CAPTURE, attempt)
    await session.execute(_LEARN, {"key": key, "reference": reference})


async def find(session: AsyncSession, order_id: UUID, kind: PaymentOperationKind, attempt: int) -> Operation | None:
    """Look an operation up."""
    row = (await session.execute(_FIND, {"key": operation_key(order_id, kind, attempt)})).one_or_none()
    return None if row is None else _operation(row)


def _operation(row: Any) -> Operation:
    return Operation(
        key=row.key,
        order_id=row.order_id,
        operation=PaymentOperationKind(row.operation),
        attempt=row.attempt,
        amount=Money(row.amount, row.currency),
        reference=row.provider_reference,
        state=PaymentOperationState(row.state),
        code=row.code,
        fresh=row.fresh,
        undone=row.undone,
    )
