"""Taking a person out of everything that we hold.

What an order sold, for how much, and to which country stays for the books; whose it was does not. `customer_id` stays
as an id that leads to a row without a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.people import of_person
from domain.errors import OrdersOpenError
from domain.order_states import ENDED, OrderStatus

_NEXT_LOOK = timedelta(minutes=15)

_SETTLED = sorted(ENDED | {OrderStatus.DELIVERED})
"""Orders in these states owe nobody anything, unless an operator, a refund or a dispute is still busy with them."""

# What is whose ------------------------------------------------------------------------------------------------------

_CARTS = of_person("SELECT id FROM carts WHERE id IN (SELECT id FROM own_carts) ORDER BY id FOR UPDATE")

_ORDERS = of_person("""
SELECT id, number, status <> ALL(CAST(:settled AS text[])) OR needs_operator OR refunding_amount > 0
    OR payment_status = 'disputed'
    OR EXISTS (SELECT FROM returns r WHERE r.order_id = orders.id AND r.state = 'requested') AS open
FROM orders WHERE id IN (SELECT id FROM own_orders) ORDER BY id
""")

_ADDRESSES = of_person("""
SELECT email FROM person
UNION SELECT unnest(ARRAY[email, phone]) FROM users WHERE id = CAST(:user_id AS uuid)
UNION SELECT unnest(ARRAY[email, phone]) FROM carts WHERE id IN (SELECT id FROM own_carts)
UNION SELECT unnest(ARRAY[email, phone]) FROM orders WHERE id IN (SELECT id FROM own_orders)
""")

# Taking the person out of it ----------------------------------------------------------------------------------------

_WITHOUT_PERSON = (
    text("""
UPDATE orders SET email = NULL, phone = NULL, payment_method = NULL,
    shipping_address = CASE WHEN shipping_address ? 'country'
        THEN jsonb_build_object('country', shipping_address -> 'country') END,
    billing_address = CASE WHEN billing_address ? 'country'
        THEN jsonb_build_object('country', billing_address -> 'country') END
WHERE id = ANY(CAST(:orders AS uuid[]))
"""),
    text("UPDATE order_notes SET text = '' WHERE order_id = ANY(CAST(:orders AS uuid[])) AND text <> ''"),
    # What names money in a bank's books may name its owner; a digest still tells that it was counted.
    text("""
UPDATE manual_payments SET receipt = encode(sha256(convert_to(receipt, 'UTF8')), 'hex')
WHERE order_id = ANY(CAST(:orders AS uuid[])) AND receipt IS NOT NULL
"""),
    text("""
UPDATE manual_refunds SET receipt = encode(sha256(convert_to(receipt, 'UTF8')), 'hex')
WHERE order_id = ANY(CAST(:orders AS uuid[])) AND receipt IS NOT NULL
"""),
    text("UPDATE shipments SET tracking_number = '' WHERE order_id = ANY(CAST(:orders AS uuid[]))"),
    text("""
UPDATE notifications SET state = 'dropped', claimed_until = NULL
WHERE order_id = ANY(CAST(:orders AS uuid[])) AND state IN ('pending', 'sending')
"""),
    text("""
DELETE FROM idempotency_keys
WHERE owner IN (SELECT 'cart:' || token_digest FROM carts WHERE id = ANY(CAST(:carts AS uuid[])))
"""),
    text("""
UPDATE carts SET email = NULL, phone = NULL, shipping_address = NULL, billing_address = NULL, token_digest = NULL,
    status = CASE status WHEN 'open' THEN 'expired' ELSE status END
WHERE id = ANY(CAST(:carts AS uuid[]))
"""),
)

_WITHOUT_ACCOUNT = (
    text("DELETE FROM addresses WHERE user_id = :user_id"),
    text("DELETE FROM notification_preferences WHERE user_id = :user_id"),
    text("DELETE FROM one_time_tokens WHERE user_id = :user_id"),
    text("DELETE FROM user_sessions WHERE user_id = :user_id"),
    text("DELETE FROM idempotency_keys WHERE owner = 'user:' || CAST(CAST(:user_id AS uuid) AS text)"),
    text("""
UPDATE notifications SET state = 'dropped', claimed_until = NULL
WHERE user_id = :user_id AND state IN ('pending', 'sending')
"""),
    text("""
UPDATE users SET email = NULL, password_hash = NULL, name = NULL, phone = NULL, locale = NULL, roles = '{}',
    email_verified_at = NULL, updated_at = now(), erased_at = coalesce(erased_at, now())
WHERE id = :user_id
"""),
)

_COMPLETE = text("UPDATE erasures SET completed_at = now() WHERE user_id = :user_id AND completed_at IS NULL")

# Retention ----------------------------------------------------------------------------------------------------------

_FORGET = text("""
WITH looked_at AS (
    SELECT id FROM carts WHERE id > :after ORDER BY id LIMIT :most
), abandoned AS (
    SELECT c.id FROM carts c JOIN looked_at l ON l.id = c.id
    WHERE c.status IN ('open', 'expired') AND c.customer_id IS NULL
      AND c.updated_at < now() - CAST(:kept AS interval)
      AND num_nonnulls(c.email, c.phone, c.shipping_address, c.billing_address, c.token_digest) > 0
    FOR UPDATE OF c SKIP LOCKED
), orders_that_failed AS (
    UPDATE orders SET email = NULL, phone = NULL, shipping_address = NULL, billing_address = NULL,
        payment_method = NULL
    WHERE cart_id IN (SELECT id FROM abandoned) AND status = 'failed'
), forgotten AS (
    UPDATE carts SET email = NULL, phone = NULL, shipping_address = NULL, billing_address = NULL,
        token_digest = NULL, status = 'expired'
    WHERE id IN (SELECT id FROM abandoned)
    RETURNING id
)
SELECT (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM forgotten)
""")

# The sweep ----------------------------------------------------------------------------------------------------------

_DUE = text("""
SELECT user_id FROM erasures WHERE completed_at IS NULL AND sweep_at <= now() ORDER BY sweep_at LIMIT :most
""")

_LOOKED_AT = text("""
UPDATE erasures SET sweep_at = now() + CAST(:next_look AS interval) WHERE user_id = ANY(CAST(:ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Purchases:
    """The carts and orders of a person, the carts locked. `open_orders` are the numbers of those under way."""

    carts: Sequence[UUID]
    orders: Sequence[UUID]
    open_orders: Sequence[str]


@dataclass(frozen=True, slots=True)
class Who:
    """A person: the owner of an account, with what they bought by its e-mail, or a guest by an e-mail alone."""

    user_id: UUID | None = None
    email: str | None = None


async def purchases(session: AsyncSession, who: Who) -> Purchases:
    """Find what a person has bought or was about to, and lock the carts: no order comes out of them meanwhile."""
    scope = {"user_id": who.user_id, "email": who.email}
    carts = (await session.execute(_CARTS, scope)).scalars().all()
    orders = (await session.execute(_ORDERS, {**scope, "settled": _SETTLED})).all()
    return Purchases(carts, [row.id for row in orders], [row.number for row in orders if row.open])


def require_settled(found: Purchases) -> None:
    """Refuse to go on while an order is under way.

    Raises:
        OrdersOpenError: with the numbers of those that are.
    """
    if found.open_orders:
        raise OrdersOpenError(*found.open_orders)


async def message_addresses(session: AsyncSession, who: Who) -> set[str]:
    """List every e-mail address and telephone number that messages may have gone to."""
    found = await session.execute(_ADDRESSES, {"user_id": who.user_id, "email": who.email})
    return {address for address in found.scalars() if address}


async def erase_purchases(session: AsyncSession, found: Purchases) -> None:
    """Take the person out of carts and orders. Carts that are still open can not be opened by anybody any more."""
    values = {"carts": list(found.carts), "orders": list(found.orders)}
    for statement in _WITHOUT_PERSON:
        await session.execute(statement, values)


async def erase_account(session: AsyncSession, user_id: UUID) -> None:
    """Take the person out of an account; a row without a person is left. Safe to repeat."""
    for statement in _WITHOUT_ACCOUNT:
        await session.execute(statement, {"user_id": user_id})


async def complete(session: AsyncSession, user_id: UUID) -> None:
    """Note that an erasure is done."""
    await session.execute(_COMPLETE, {"user_id": user_id})


async def forget_abandoned(
    session: AsyncSession, *, after: UUID, most: int, kept: timedelta
) -> tuple[UUID | None, int]:
    """Take the person out of guests' carts that nobody has touched for so long, and out of orders that failed there.

    Looks at the next carts by id; returns the last one that was looked at, if any, and how many were forgotten.
    """
    row = (await session.execute(_FORGET, {"after": after, "most": most, "kept": kept})).one()
    return row[0], row[1]


async def due(session: AsyncSession, most: int) -> Sequence[UUID]:
    """List accounts of which it is time to look whether somebody erases them."""
    return (await session.execute(_DUE, {"most": most})).scalars().all()


async def looked_at(session: AsyncSession, user_ids: Sequence[UUID]) -> None:
    """Note that these accounts are being erased: it is time to look again in a while."""
    await session.execute(_LOOKED_AT, {"ids": list(user_ids), "next_look": _NEXT_LOOK})
