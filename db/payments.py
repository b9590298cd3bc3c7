"""Payment operations: written before the provider is called, finished with its answer, and fenced by tombstones.

Each function is one statement whose condition is in its `WHERE`: a fence and a late step can not pass each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.captures import CapturePolicy
from domain.money import Money
from domain.order_ids import operation_key
from domain.payment_methods import AWAITING_TRANSFER, provider_of
from models.payments import PaymentOperationKind, PaymentOperationState

COLUMNS = """
o.key, o.order_id, o.operation, o.attempt, o.n, o.amount, o.currency, o.provider, o.provider_reference, o.state, o.code,
o.refund_id, EXISTS (SELECT FROM payment_operations u
        WHERE u.order_id = o.order_id AND u.attempt = o.attempt AND u.operation IN ('void', 'refund')
          AND u.refund_id IS NULL AND NOT (u.operation = 'void' AND EXISTS (
              SELECT FROM orders c WHERE c.id = o.order_id AND c.cancelled_amount > 0 AND c.captured_amount > 0
          ))) AS undone
"""

_START = text(f"""
INSERT INTO payment_operations AS o
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, keeps_method, state)
VALUES (:key, :order_id, :operation, :attempt, :attempt, :amount, :currency, :provider, :reference, :keeps, 'started')
ON CONFLICT (key) DO UPDATE SET updated_at = o.updated_at
RETURNING {COLUMNS}, o.xmax = 0 AS fresh
""")  # noqa: S608 - the columns are a constant above

# Only what was authorised can be captured, and where it was.
_START_CAPTURE = text(f"""
INSERT INTO payment_operations AS o
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state)
SELECT :key, a.order_id, 'capture', a.attempt, a.attempt, :amount, :currency, a.provider, a.provider_reference,
       'started'
FROM payment_operations a WHERE a.key = :authorised AND a.state = 'succeeded'
ON CONFLICT (key) DO UPDATE SET updated_at = o.updated_at
RETURNING {COLUMNS}, o.xmax = 0 AS fresh
""")  # noqa: S608 - as above

# What reconciliation has given back, or is giving back, is no payment of any order.
_ATTACH = text("""
UPDATE payment_operations o
SET provider_reference = coalesce(o.provider_reference, CAST(:reference AS text)), updated_at = now()
WHERE o.key = :key AND o.state = 'started' AND NOT EXISTS (
    SELECT FROM returned_payments r WHERE r.provider = o.provider AND r.reference = CAST(:reference AS text)
)
RETURNING o.provider_reference
""")

# What an operation has brought is said on its order in the same statement, but for what came too late to be news. The
# books never show more money than the order costs, nor a refund of money that was not taken.
_NOTE = """
UPDATE orders o SET
    captured_amount = o.captured_amount + CASE f.operation WHEN 'capture' THEN f.taken ELSE 0 END,
    refunded_amount = CASE f.operation WHEN 'refund' THEN least(o.captured_amount, o.refunded_amount + f.taken)
        ELSE o.refunded_amount END,
    refunding_amount = o.refunding_amount - CASE WHEN f.refund_id IS NULL THEN 0 ELSE f.amount END,
    payment_status = CASE
        WHEN o.payment_status = 'disputed' OR f.state <> 'succeeded' THEN o.payment_status
        WHEN f.operation = 'authorise' THEN 'authorised'
        WHEN f.operation = 'void' THEN 'voided'
        WHEN f.operation = 'refund' AND o.refunded_amount + f.taken >= o.captured_amount THEN 'refunded'
        WHEN f.operation = 'refund' OR o.refunded_amount > 0 THEN 'partially_refunded'
        WHEN o.captured_amount + f.taken < o.total_amount - o.cancelled_amount THEN 'partially_captured'
        ELSE 'captured' END,
    updated_at = now()
FROM (SELECT finished.*, CASE state WHEN 'succeeded' THEN amount ELSE 0 END AS taken FROM finished) f
WHERE o.id = f.order_id AND CASE
    WHEN f.operation = 'refund' THEN true
    WHEN f.state <> 'succeeded' THEN false
    WHEN f.operation = 'authorise' THEN o.payment_status IN ('none', 'voided')
    WHEN f.operation = 'capture' THEN o.captured_amount + f.taken <= o.total_amount
    ELSE o.payment_status = 'authorised' AND NOT EXISTS (
        SELECT FROM payment_operations a
        WHERE a.order_id = f.order_id AND a.attempt <> f.attempt AND a.operation = 'authorise' AND a.state = 'succeeded'
          AND NOT EXISTS (SELECT FROM payment_operations v
                          WHERE v.order_id = a.order_id AND v.attempt = a.attempt AND v.operation = 'void'
                            AND v.state = 'succeeded'))
    END
"""

_FINISH = text(f"""
WITH finished AS (
    UPDATE payment_operations SET state = :state, code = :code, client_secret = NULL, updated_at = now(),
        authorised_until = coalesce(CAST(:authorised_until AS timestamptz), authorised_until)
    WHERE key = :key AND state IN ('started', 'action_required')
    RETURNING key, order_id, operation, attempt, amount, state, refund_id
), noted AS ({_NOTE})
SELECT key FROM finished
""")  # noqa: S608 - the statement is a constant above

_BOOKS = text("""
SELECT coalesce(sum(amount) FILTER (WHERE operation = 'capture' AND state IN ('started', 'succeeded')), 0),
       coalesce(sum(amount) FILTER (WHERE operation = 'refund' AND state IN ('started', 'succeeded')), 0),
       (SELECT capture_policy FROM orders WHERE id = :order_id)
FROM payment_operations WHERE order_id = :order_id AND attempt = :attempt
""")

# The tombstone: what has not begun can not begin any more, and what has begun can not be taken for done.
_FENCE = text("""
INSERT INTO payment_operations AS o
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state)
SELECT :key, id, :operation, :attempt, :attempt, total_amount, currency, :provider, NULL, 'abandoned'
FROM orders WHERE id = :order_id
ON CONFLICT (key) DO UPDATE SET state = 'abandoned', client_secret = NULL, updated_at = now()
WHERE o.state IN ('started', 'action_required')
""")

_AWAIT_BUYER = text("""
UPDATE payment_operations
SET state = 'action_required', code = :code, client_secret = :client_secret, updated_at = now()
WHERE key = :key AND state IN ('started', 'action_required')
RETURNING key
""")

_ACTION = text("""
SELECT p.provider, p.code, p.client_secret,
       CASE WHEN p.code = :awaiting_transfer THEN p.provider_reference END AS transfer_reference
FROM payment_operations p JOIN orders o ON o.id = p.order_id AND o.payment_attempt = p.attempt
WHERE p.order_id = :order_id AND p.operation = 'authorise' AND p.state = 'action_required'
""")

# Captures at shipment are written before they are asked for, so that those that are there are all there can be.
_FENCE_CAPTURES = text("""
WITH begun AS (
    UPDATE payment_operations SET state = 'abandoned', updated_at = now()
    WHERE order_id = :order_id AND attempt = :attempt AND operation = 'capture' AND state = 'started'
)
INSERT INTO payment_operations (key, order_id, operation, attempt, n, amount, currency, provider, state)
SELECT :key, id, 'capture', :attempt, :attempt, total_amount, currency, :provider, 'abandoned'
FROM orders WHERE id = :order_id AND capture_policy <> 'shipment'
ON CONFLICT (key) DO NOTHING
""")

_LEARN = text(f"""
WITH finished AS (
    UPDATE payment_operations SET state = 'succeeded', amount = :amount, provider_reference = :reference,
        updated_at = now()
    WHERE key = :key AND operation = 'capture' AND state <> 'succeeded'
    RETURNING key, order_id, operation, attempt, amount, state, refund_id
)
{_NOTE}
""")  # noqa: S608 - the statement is a constant above

_UNSETTLED = text("""
SELECT attempt FROM payment_operations WHERE order_id = :order_id GROUP BY attempt
HAVING bool_or(operation = 'authorise')
   AND (NOT bool_or(operation = 'void' AND state = 'succeeded')
        OR coalesce(sum(amount) FILTER (WHERE operation = 'capture' AND state = 'succeeded'), 0)
           > coalesce(sum(amount) FILTER (WHERE operation = 'refund' AND state = 'succeeded'), 0))
""")

_PROVIDER = text("""
SELECT p.provider, o.payment_method
FROM orders o LEFT JOIN payment_operations p ON p.order_id = o.id AND p.attempt = :attempt
WHERE o.id = :order_id LIMIT 1
""")

_CAPTURED_BEFORE = text(f"""
SELECT {COLUMNS}, false AS fresh FROM payment_operations o
WHERE o.order_id = :order_id AND o.operation = 'authorise' AND o.attempt < :attempt AND EXISTS (
    SELECT FROM payment_operations c
    WHERE c.order_id = o.order_id AND c.attempt = o.attempt AND c.operation = 'capture' AND c.state = 'succeeded'
)
ORDER BY o.attempt
""")  # noqa: S608 - as above

_FIND = text(f"SELECT {COLUMNS}, false AS fresh FROM payment_operations o WHERE o.key = :key")  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class Operation:
    """One payment operation as its row says."""

    key: str
    order_id: UUID
    operation: PaymentOperationKind
    attempt: int
    n: int
    amount: Money
    provider: str
    reference: str | None
    state: PaymentOperationState
    code: str | None
    fresh: bool
    """It was written just now: nobody has asked the provider yet."""
    undone: bool
    """Its money was given back since, or is being given back."""
    refund_id: UUID | None = None
    """The refund that it carries out, where it is one of an order that stands."""


async def start(
    session: AsyncSession,
    order_id: UUID,
    kind: PaymentOperationKind,
    attempt: int,
    *,
    amount: Money,
    provider: str,
    reference: str | None = None,
    keeps: bool = False,
) -> Operation:
    """Write an operation down before its provider is called; or return it as it stands, if it was written before.

    One that `keeps` its method at the provider is to be followed by its being forgotten.
    """
    values = {
        "key": operation_key(order_id, kind, attempt),
        "order_id": order_id,
        "operation": kind,
        "attempt": attempt,
        "amount": amount.amount,
        "currency": amount.currency,
        "provider": provider,
        "reference": reference,
        "keeps": keeps,
    }
    return operation((await session.execute(_START, values)).one())


async def start_capture(session: AsyncSession, order_id: UUID, attempt: int, amount: Money) -> Operation | None:
    """Write the one capture of an attempt down, as `start` does; None: the attempt was not authorised."""
    values = {
        "key": operation_key(order_id, PaymentOperationKind.CAPTURE, attempt),
        "authorised": operation_key(order_id, PaymentOperationKind.AUTHORISE, attempt),
        "amount": amount.amount,
        "currency": amount.currency,
    }
    row = (await session.execute(_START_CAPTURE, values)).one_or_none()
    return None if row is None else operation(row)


async def attach(session: AsyncSession, key: str, reference: str) -> str | None:
    """Note which of the provider's payments an operation is about; the first one noted stays, and is returned.

    None: the operation was fenced or finished, or the payment was given back.
    """
    attached: str | None = (await session.execute(_ATTACH, {"key": key, "reference": reference})).scalar_one_or_none()
    return attached


async def finish(
    session: AsyncSession,
    key: str,
    state: PaymentOperationState,
    code: str | None = None,
    *,
    authorised_until: datetime | None = None,
) -> bool:
    """Note how an operation went, and on its order what it has brought. False: it was fenced or finished before."""
    values = {"key": key, "state": state, "code": code, "authorised_until": authorised_until}
    return (await session.execute(_FINISH, values)).first() is not None


async def await_buyer(session: AsyncSession, key: str, code: str, client_secret: str | None) -> bool:
    """Note that the buyer has to act before an operation can go on. False: it was fenced or finished before."""
    values = {"key": key, "code": code, "client_secret": client_secret}
    return (await session.execute(_AWAIT_BUYER, values)).first() is not None


@dataclass(frozen=True, slots=True)
class Books:
    """What our books say of one attempt, in minor units; a refund that is under way counts."""

    captured: int
    refunded: int
    policy: CapturePolicy


async def books(session: AsyncSession, order_id: UUID, attempt: int) -> Books:
    """Sum up what was captured and given back of an attempt."""
    row = (await session.execute(_BOOKS, {"order_id": order_id, "attempt": attempt})).one()
    return Books(int(row[0]), int(row[1]), CapturePolicy(row[2]))


@dataclass(frozen=True, slots=True)
class BuyersAction:
    """What the buyer has to do before a payment can go on. The secret is for the buyer's browser, and nobody else."""

    provider: str
    code: str
    client_secret: str | None = field(repr=False)
    transfer_reference: str | None = None
    """What the buyer writes on a transfer."""

    @property
    def for_staff(self) -> "BuyersAction | None":
        """Leave the secret out; None: there is nothing else."""
        return replace(self, client_secret=None) if self.transfer_reference else None


async def action_of(session: AsyncSession, order_id: UUID) -> BuyersAction | None:
    """Return what an order's latest payment waits for; None when it waits for nothing."""
    values = {"order_id": order_id, "awaiting_transfer": AWAITING_TRANSFER}
    row = (await session.execute(_ACTION, values)).one_or_none()
    return None if row is None else BuyersAction(*row)


async def fence(
    session: AsyncSession, order_id: UUID, kind: PaymentOperationKind, attempt: int, provider: str
) -> Operation | None:
    """Make an operation impossible from now on, unless it is finished; return it as it stands."""
    key = operation_key(order_id, kind, attempt)
    values = {"key": key, "order_id": order_id, "operation": kind, "attempt": attempt, "provider": provider}
    await session.execute(_FENCE, values)
    return await find(session, order_id, kind, attempt)


async def fence_captures(session: AsyncSession, order_id: UUID, attempt: int, provider: str) -> None:
    """Make every capture of an attempt impossible from now on that is not finished."""
    key = operation_key(order_id, PaymentOperationKind.CAPTURE, attempt)
    values = {"key": key, "order_id": order_id, "attempt": attempt, "provider": provider}
    await session.execute(_FENCE_CAPTURES, values)


async def learn_captured(session: AsyncSession, key: str, amount: int, reference: str) -> None:
    """Correct the books when the provider says that a capture has succeeded whose answer was lost."""
    await session.execute(_LEARN, {"key": key, "amount": amount, "reference": reference})


async def provider(session: AsyncSession, order_id: UUID, attempt: int) -> str:
    """Name the provider of an attempt; of one that was not begun, the one that its order's method would be asked of."""
    row = (await session.execute(_PROVIDER, {"order_id": order_id, "attempt": attempt})).one_or_none()
    return provider_of(None) if row is None else row.provider or provider_of(row.payment_method)


async def unsettled_attempts(session: AsyncSession, order_id: UUID) -> set[int]:
    """List the attempts of which something may still be reserved or kept."""
    return set((await session.execute(_UNSETTLED, {"order_id": order_id})).scalars())


async def captured_before(session: AsyncSession, order_id: UUID, attempt: int) -> Sequence[Operation]:
    """List the authorisations before an attempt of which something was captured, oldest first."""
    rows = await session.execute(_CAPTURED_BEFORE, {"order_id": order_id, "attempt": attempt})
    return [operation(row) for row in rows]


async def find(session: AsyncSession, order_id: UUID, kind: PaymentOperationKind, attempt: int) -> Operation | None:
    """Look an operation up."""
    row = (await session.execute(_FIND, {"key": operation_key(order_id, kind, attempt)})).one_or_none()
    return None if row is None else operation(row)


def operation(row: Any) -> Operation:
    """Read an operation off a row of `COLUMNS`."""
    return Operation(
        key=row.key,
        order_id=row.order_id,
        operation=PaymentOperationKind(row.operation),
        attempt=row.attempt,
        n=row.n,
        amount=Money(row.amount, row.currency),
        provider=row.provider,
        reference=row.provider_reference,
        state=PaymentOperationState(row.state),
        code=row.code,
        fresh=row.fresh,
        undone=row.undone,
        refund_id=row.refund_id,
    )
