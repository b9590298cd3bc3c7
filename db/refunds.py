"""Refunds: reserved before they are asked for, carried out by payment operations, and settled by what these brought.

What refunds under way have reserved is in `orders.refunding_amount`: the statement that begins one has its condition in
the `WHERE`, and the check on `orders` stands behind it, so that no two can give back more than was captured.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.refunds import BeginRefund
from db import payments
from db.payments import Operation
from domain.errors import (
    ConflictError,
    ForbiddenError,
    IllegalStepError,
    NotFoundError,
    NothingToRefundError,
    OtherCurrencyError,
    RefundTooLargeError,
)
from domain.order_ids import operation_of
from domain.order_states import REFUNDABLE, OrderStatus, PaymentStatus
from domain.refunds import RefundStatus
from models.columns import new_id

# All columns are read as the row is once it is locked: two at once never reserve the same money.
_BEGIN = text("""
WITH reserved AS (
    UPDATE orders SET updated_at = now(), refunding_amount = refunding_amount
        + coalesce(CAST(:amount AS bigint), captured_amount - refunded_amount - refunding_amount)
    WHERE id = :order_id AND status = ANY(CAST(:refundable AS text[])) AND payment_status <> 'disputed'
      AND coalesce(CAST(:currency AS text), currency) = currency
      AND coalesce(CAST(:amount AS bigint), captured_amount - refunded_amount - refunding_amount)
          BETWEEN 1 AND captured_amount - refunded_amount - refunding_amount
      AND coalesce(refunded_amount + refunding_amount
          + coalesce(CAST(:amount AS bigint), captured_amount - refunded_amount - refunding_amount)
          <= CAST(:limit AS bigint), true)
      AND NOT EXISTS (SELECT FROM refunds WHERE id = :id)
    RETURNING new.id, new.currency, new.refunding_amount - old.refunding_amount AS amount
)
INSERT INTO refunds (id, order_id, n, amount, currency, state, reason, note_id, actor)
SELECT :id, id, (SELECT coalesce(max(n), 0) + 1 FROM refunds WHERE order_id = :order_id), amount, currency, 'started',
       :reason, CAST(:note_id AS uuid), :actor
FROM reserved
RETURNING amount
""")

# One that has failed reserves anew what it has not given back yet.
_BEGIN_AGAIN = text("""
WITH again AS (
    SELECT r.id, r.order_id, r.amount - coalesce((
        SELECT sum(p.amount) FROM payment_operations p WHERE p.refund_id = r.id AND p.state = 'succeeded'), 0) AS amount
    FROM refunds r WHERE r.id = :id AND r.state = 'failed'
), reserved AS (
    UPDATE orders o SET refunding_amount = o.refunding_amount + a.amount, updated_at = now()
    FROM again a
    WHERE o.id = a.order_id AND o.refunded_amount + o.refunding_amount + a.amount <= o.captured_amount
    RETURNING a.id, a.amount
)
UPDATE refunds r SET state = 'started', code = NULL, updated_at = now()
FROM reserved v WHERE r.id = v.id AND r.state = 'failed'
RETURNING v.amount
""")

# A refund is spread over the provider's payments that hold the order's money, the newest first.
_PLAN = text("""
WITH kept AS (
    SELECT attempt, max(currency) AS currency, max(provider) AS provider,
           max(provider_reference) FILTER (WHERE operation = 'capture') AS reference,
           coalesce(sum(amount) FILTER (WHERE operation = 'capture' AND state = 'succeeded'), 0) - coalesce(
               sum(amount) FILTER (WHERE operation = 'refund' AND state IN ('started', 'succeeded')), 0) AS amount
    FROM payment_operations WHERE order_id = :order_id AND operation IN ('capture', 'refund') GROUP BY attempt
), share AS (
    SELECT kept.*, least(amount, CAST(:amount AS bigint) - (sum(amount) OVER newest_first - amount)) AS part
    FROM kept WHERE amount > 0 WINDOW newest_first AS (ORDER BY attempt DESC)
), numbered AS (
    SELECT share.*, row_number() OVER (ORDER BY attempt DESC) + coalesce((
        SELECT max(n) FROM payment_operations WHERE order_id = :order_id AND operation = 'refund'), 0) AS n
    FROM share WHERE part > 0
)
INSERT INTO payment_operations
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state, refund_id)
SELECT CAST(:order_id AS uuid) || ':refund:' || n, :order_id, 'refund', attempt, n, part, currency, provider, reference,
       'started', CAST(:id AS uuid)
FROM numbered
""")

_LOCK = text("SELECT id FROM orders WHERE id = :order_id FOR UPDATE")

# The undo's own refund: what is left of one payment. It reserves nothing, since no refund begins once it has.
_START_REST = text("""
INSERT INTO payment_operations
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state)
SELECT CAST(:order_id AS uuid) || ':refund:' || m.n, :order_id, 'refund', :attempt, m.n, kept.amount, kept.currency,
       kept.provider, kept.reference, 'started'
FROM (
    SELECT max(currency) AS currency, max(provider) AS provider,
           max(provider_reference) FILTER (WHERE operation = 'capture') AS reference,
           coalesce(sum(amount) FILTER (WHERE operation = 'capture' AND state = 'succeeded'), 0) - coalesce(
               sum(amount) FILTER (WHERE operation = 'refund' AND state IN ('started', 'succeeded')), 0) AS amount
    FROM payment_operations WHERE order_id = :order_id AND attempt = :attempt
) kept, (
    SELECT coalesce(max(n), 0) + 1 AS n FROM payment_operations WHERE order_id = :order_id AND operation = 'refund'
) m
WHERE kept.amount > 0
""")

_UNDER_WAY = f"""
SELECT {payments.COLUMNS}, false AS fresh FROM payment_operations o
WHERE o.operation = 'refund' AND o.state = 'started' AND """  # noqa: S608 - the columns are a constant
_REST = text(_UNDER_WAY + "o.order_id = :order_id AND o.attempt = :attempt")
_OF_REFUND = text(_UNDER_WAY + "o.refund_id = :id ORDER BY o.n")

_SETTLE = text("""
UPDATE refunds r SET state = CASE WHEN p.given = r.amount THEN 'succeeded' ELSE 'failed' END,
    code = CASE WHEN p.given = r.amount THEN NULL ELSE p.code END, updated_at = now()
FROM (
    SELECT coalesce(sum(amount) FILTER (WHERE state = 'succeeded'), 0) AS given,
           coalesce(bool_or(state = 'started'), false) AS under_way, max(code) AS code
    FROM payment_operations WHERE refund_id = :id
) p
WHERE r.id = :id AND r.state = 'started' AND NOT p.under_way
RETURNING r.order_id, r.n, r.state, r.actor, r.reason, r.note_id
""")

_KNOWN = text("""
SELECT key, refund_id, CASE state WHEN 'succeeded' THEN provider_reference END
FROM payment_operations WHERE order_id = :order_id AND operation = 'refund'
""")

# A refund that is over at the provider takes its steps in the books all the same: reserved, begun, and then finished.
# Books that have lost it may have given its number to another one since, so that it gets the next; and its id, unless
# they know that much of it.
_ADOPT = text("""
WITH reserved AS (
    UPDATE orders SET refunding_amount = refunding_amount + :amount, updated_at = now()
    WHERE id = :order_id AND status = ANY(CAST(:refundable AS text[]))
      AND refunded_amount + refunding_amount + :amount <= captured_amount
    RETURNING id, currency
), refund AS (
    INSERT INTO refunds (id, order_id, n, amount, currency, state, reason, actor)
    SELECT CASE WHEN EXISTS (SELECT FROM refunds WHERE id = CAST(:refund_id AS uuid)) THEN CAST(:new_id AS uuid)
               ELSE coalesce(CAST(:refund_id AS uuid), CAST(:new_id AS uuid)) END,
           id, (SELECT coalesce(max(n), 0) + 1 FROM refunds WHERE order_id = :order_id), :amount, currency,
           'started', :reason, :actor
    FROM reserved
    RETURNING id
), numbered AS (
    SELECT CASE WHEN bool_or(key = :key) THEN max(n) + 1 ELSE CAST(split_part(:key, ':', 3) AS integer) END AS n
    FROM payment_operations WHERE order_id = :order_id AND operation = 'refund'
)
INSERT INTO payment_operations
    (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state, refund_id)
SELECT CAST(:order_id AS uuid) || ':refund:' || numbered.n, reserved.id, 'refund', :attempt, numbered.n, :amount,
       reserved.currency, :provider, :reference, 'started', refund.id
FROM reserved, refund, numbered
RETURNING key, refund_id
""")

_ABANDON = text(
    "UPDATE refunds SET state = 'abandoned', updated_at = now() WHERE order_id = :order_id AND state = 'failed'"
)

_FAILED = text("SELECT id FROM refunds WHERE order_id = :order_id AND state = 'failed' ORDER BY n")

# The books take back what they have said of refunds that succeeded and came back to us later.
_FAIL_LATE = text("""
WITH failed AS (
    UPDATE payment_operations SET state = 'declined', code = 'failed_later', updated_at = now()
    WHERE key = ANY(CAST(:keys AS text[])) AND operation = 'refund' AND state = 'succeeded'
      AND (key = ANY(CAST(:names AS text[]))
           OR key || ':' || coalesce(CAST(refund_id AS text), 'rest') = ANY(CAST(:names AS text[])))
    RETURNING order_id, refund_id, amount
), noted AS (
    UPDATE orders o SET refunded_amount = o.refunded_amount - f.amount, updated_at = now(),
        payment_status = CASE
            WHEN o.payment_status = 'disputed' THEN o.payment_status
            WHEN o.refunded_amount > f.amount THEN 'partially_refunded'
            WHEN o.captured_amount < o.total_amount - o.cancelled_amount THEN 'partially_captured'
            ELSE 'captured' END
    FROM (SELECT order_id, sum(amount)::bigint AS amount FROM failed GROUP BY order_id) f WHERE o.id = f.order_id
), undone AS (
    UPDATE refunds SET state = 'failed', code = 'failed_later', updated_at = now()
    WHERE id IN (SELECT refund_id FROM failed)
)
SELECT count(*) FROM failed
""")

_STATE = text("SELECT state FROM refunds WHERE id = :id")

_STANDING = text("""
SELECT status, payment_status, currency, captured_amount - refunded_amount - refunding_amount AS refundable,
       refunded_amount + refunding_amount AS given
FROM orders WHERE id = :order_id
""")

_VIEW = """
SELECT r.id, r.n, r.amount, r.currency, r.state, r.reason, n.text, r.actor, r.code, r.created_at
FROM refunds r LEFT JOIN order_notes n ON n.id = r.note_id
"""
_LIST = text(_VIEW + "WHERE r.order_id = :order_id AND r.n > :after ORDER BY r.n LIMIT :limit")
_FIND = text(_VIEW + "WHERE r.id = :id")


@dataclass(frozen=True, slots=True)
class SettledRefund:
    """A refund that has just come to an end."""

    order_id: UUID
    n: int
    state: RefundStatus
    actor: str
    reason: str
    note_id: UUID | None


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund as people ask for it; `note` is the free text that somebody wrote."""

    id: UUID
    n: int
    amount: int
    currency: str
    state: str
    reason: str
    note: str | None
    actor: str
    code: str | None
    created_at: datetime


async def begin(session: AsyncSession, request: BeginRefund) -> None:
    """Reserve a refund's money and write down what the provider will be asked. Doing it again changes nothing.

    Raises:
        IllegalStepError, RefundTooLargeError, ForbiddenError, CurrencyUnavailableError, NotFoundError: it is not
            possible; nothing was reserved.
    """
    values = {
        "id": request.refund_id,
        "order_id": request.order_id,
        "amount": request.amount,
        "currency": request.currency,
        "limit": request.limit,
        "refundable": sorted(REFUNDABLE),
        "reason": request.reason,
        "note_id": request.note_id,
        "actor": request.actor,
    }
    await session.execute(_LOCK, {"order_id": request.order_id})  # one that was begun at this moment is seen below
    amount = (await session.execute(_BEGIN, values)).scalar_one_or_none()
    if amount is not None:
        await _plan(session, request.order_id, request.refund_id, amount)
    elif await state(session, request.refund_id) is None:
        await _refuse(session, request)


async def begin_again(session: AsyncSession, order_id: UUID) -> None:
    """Try the refunds again that have failed.

    Raises:
        RefundTooLargeError: the money was given back otherwise meanwhile.
    """
    await session.execute(_LOCK, {"order_id": order_id})
    for refund_id in (await session.execute(_FAILED, {"order_id": order_id})).scalars().all():
        amount = (await session.execute(_BEGIN_AGAIN, {"id": refund_id})).scalar_one_or_none()
        if amount is None:
            raise RefundTooLargeError("Less is left of the captured money than this refund is about.")
        await _plan(session, order_id, refund_id, amount)


async def abandon(session: AsyncSession, order_id: UUID) -> None:
    """Give up the refunds that have failed: an operator has decided."""
    await session.execute(_ABANDON, {"order_id": order_id})


async def start_rest(session: AsyncSession, order_id: UUID, attempt: int) -> Operation | None:
    """Write down the refund of all that an attempt has left; None when nothing is left.

    A refund of it that was begun before goes first, whoever has begun it: what is left then is for the next call.
    """
    await session.execute(_LOCK, {"order_id": order_id})
    values = {"order_id": order_id, "attempt": attempt}
    row = (await session.execute(_REST, values)).first()
    if row is None:
        await session.execute(_START_REST, values)
        row = (await session.execute(_REST, values)).first()
    return None if row is None else payments.operation(row)


async def operations(session: AsyncSession, refund_id: UUID) -> Sequence[Operation]:
    """List what a refund still has to ask of the provider."""
    return [payments.operation(row) for row in await session.execute(_OF_REFUND, {"id": refund_id})]


async def fail_late(session: AsyncSession, names: Sequence[str]) -> bool:
    """Take back that refunds have succeeded which failed later, by the provider's names of them.

    False: the books do not say that they have.
    """
    values = {"keys": [operation_of(name) for name in names], "names": list(names)}
    return bool((await session.execute(_FAIL_LATE, values)).scalar_one())


@dataclass(frozen=True, slots=True)
class KnownRefund:
    """What the books know of a refund: its operation's key, which refund it is part of, and what payment it is of.

    `reference` is None where no money was given back.
    """

    key: str
    refund_id: UUID | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class LostRefund:
    """A refund that the provider has made for an operation of ours, by the operation's key; amount in minor units."""

    order_id: UUID
    key: str
    refund_id: UUID | None
    attempt: int
    amount: int
    provider: str
    reference: str


async def known(session: AsyncSession, order_id: UUID) -> Sequence[KnownRefund]:
    """Lock an order, and list what the books know of its refunds."""
    await session.execute(_LOCK, {"order_id": order_id})
    return [KnownRefund(*row) for row in await session.execute(_KNOWN, {"order_id": order_id})]


async def adopt(session: AsyncSession, lost: LostRefund, *, actor: str, reason: str) -> tuple[str, UUID]:
    """Write down a refund that the books have lost, as one that is under way; return its operation's key and its id.

    Raises:
        RefundTooLargeError: less is left of what was captured, or the order does not stand.
    """
    values = {**asdict(lost), "new_id": new_id(), "refundable": sorted(REFUNDABLE), "actor": actor, "reason": reason}
    adopted = (await session.execute(_ADOPT, values)).one_or_none()
    if adopted is None:
        raise RefundTooLargeError("Less is left of the captured money than this refund is about.")
    return adopted.key, adopted.refund_id


async def settle(session: AsyncSession, refund_id: UUID) -> SettledRefund | None:
    """Note what a refund has come to; None while it is under way, and when that is noted already."""
    row = (await session.execute(_SETTLE, {"id": refund_id})).one_or_none()
    if row is None:
        return None
    return SettledRefund(row.order_id, row.n, RefundStatus(row.state), row.actor, row.reason, row.note_id)


async def state(session: AsyncSession, refund_id: UUID) -> RefundStatus | None:
    """Tell how a refund stands; None when there is none."""
    found = (await session.execute(_STATE, {"id": refund_id})).scalar_one_or_none()
    return None if found is None else RefundStatus(found)


async def of_order(session: AsyncSession, order_id: UUID, *, limit: int, after: int = 0) -> Sequence[RefundView]:
    """List an order's refunds, oldest first, from after one of them on."""
    rows = await session.execute(_LIST, {"order_id": order_id, "limit": limit, "after": after})
    return [RefundView(*row) for row in rows]


async def find(session: AsyncSession, refund_id: UUID) -> RefundView | None:
    """Look a refund up."""
    row = (await session.execute(_FIND, {"id": refund_id})).one_or_none()
    return None if row is None else RefundView(*row)


async def _plan(session: AsyncSession, order_id: UUID, refund_id: UUID, amount: int) -> None:
    await session.execute(_PLAN, {"order_id": order_id, "id": refund_id, "amount": amount})


async def _refuse(session: AsyncSession, request: BeginRefund) -> None:
    """Say why a refund was not begun."""
    if request.amount is not None and request.amount < 1:
        raise NothingToRefundError("A refund is of one minor unit at least.")
    row = (await session.execute(_STANDING, {"order_id": request.order_id})).one_or_none()
    if row is None:
        raise NotFoundError("There is no such order.")
    if OrderStatus(row.status) not in REFUNDABLE:
        raise IllegalStepError(f"A refund is not possible: the order is {row.status}.")
    if row.payment_status == PaymentStatus.DISPUTED:
        raise IllegalStepError("A refund is not possible: the payment is disputed.")
    if request.currency not in {None, row.currency}:
        raise OtherCurrencyError(f"The order is in {row.currency}.")
    if row.refundable < (request.amount or 1):
        raise RefundTooLargeError("Less is left of the captured money than that.")
    if request.limit is not None and row.given + (request.amount or row.refundable) > request.limit:
        raise ForbiddenError("This is more than may be refunded without the scope refunds:any.")
    raise ConflictError("The refund could not be begun. It is safe to try again.")
