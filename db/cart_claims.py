"""A guest's cart becomes an account's: it stands beside the carts that the account has, or goes into one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import carts
from db.carts import CartRow
from domain.pricing.rules import MOST_CODES
from models.carts import CartStatus

_CLAIM = text("UPDATE carts SET customer_id = :customer, token_digest = NULL, updated_at = now() WHERE id = :cart")

_CLAIM_ORDERS = text("""
UPDATE orders SET customer_id = :customer, updated_at = now() WHERE cart_id = :cart AND customer_id IS NULL RETURNING id
""")

# What an importer opened by name stays what it has named.
_OPEN_CART = text("""
SELECT id FROM carts
WHERE customer_id = :customer AND status = 'open' AND currency = :currency AND reference IS NULL
ORDER BY updated_at DESC, id DESC LIMIT 1
FOR UPDATE
""")

# A line at a price of its own is another article than the same SKU at the catalogue's price. The guest has looked at
# the prices later than the account did.
_POUR = text("""
WITH poured AS (
    SELECT sku, unit_price_amount, least(sum(quantity), :most) AS quantity, min(position) AS position,
           (array_agg(seen_unit_price_amount ORDER BY position, line_id))[1] AS seen
    FROM cart_lines WHERE cart_id = :guests GROUP BY sku, unit_price_amount
), there AS (
    SELECT DISTINCT ON (sku, unit_price_amount) line_id, sku, unit_price_amount
    FROM cart_lines WHERE cart_id = :cart ORDER BY sku, unit_price_amount, position, line_id
), grown AS (
    UPDATE cart_lines l SET
        quantity = least(l.quantity + p.quantity, :most),
        seen_unit_price_amount = coalesce(p.seen, l.seen_unit_price_amount)
    FROM there t JOIN poured p ON p.sku = t.sku AND p.unit_price_amount IS NOT DISTINCT FROM t.unit_price_amount
    WHERE l.line_id = t.line_id
), emptied AS (
    DELETE FROM cart_lines WHERE cart_id = :guests
)
INSERT INTO cart_lines (line_id, cart_id, sku, quantity, unit_price_amount, seen_unit_price_amount, position)
SELECT uuidv7(), :cart, p.sku, p.quantity, p.unit_price_amount, p.seen,
       (SELECT coalesce(max(position), -1) FROM cart_lines WHERE cart_id = :cart)
           + row_number() OVER (ORDER BY p.position, p.sku)
FROM poured p
WHERE NOT EXISTS (
    SELECT FROM there t WHERE t.sku = p.sku AND t.unit_price_amount IS NOT DISTINCT FROM p.unit_price_amount
)
""")

_FILL_IN = text("""
UPDATE carts c SET
    email = coalesce(c.email, g.email), phone = coalesce(c.phone, g.phone),
    shipping_address = coalesce(c.shipping_address, g.shipping_address),
    billing_address = coalesce(c.billing_address, g.billing_address),
    shipping_method = coalesce(c.shipping_method, g.shipping_method),
    promotion_codes = ARRAY(
        SELECT code FROM unnest(c.promotion_codes || g.promotion_codes) WITH ORDINALITY AS u (code, n)
        GROUP BY code ORDER BY min(n) LIMIT :most_codes
    ),
    updated_at = now()
FROM carts g
WHERE c.id = :cart AND g.id = :guests
""")

_CLOSE = text("""
UPDATE carts SET
    status = 'expired', merged_into = :cart, customer_id = :customer, token_digest = NULL,
    email = NULL, phone = NULL, shipping_address = NULL, billing_address = NULL, updated_at = now()
WHERE id = :guests
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """The cart that an account has by a claim, and the orders that were nobody's until then."""

    cart: CartRow
    orders: Sequence[UUID]


async def claim(session: AsyncSession, cart: CartRow, customer_id: UUID) -> Claimed:
    """Give a guest's locked cart and the orders that came out of it to an account; its secret opens them no more."""
    await session.execute(_CLAIM, {"cart": cart.id, "customer": customer_id})
    return Claimed(await carts.lock(session, cart.id), await _claim_orders(session, cart, customer_id))


async def merge(session: AsyncSession, cart: CartRow, customer_id: UUID, *, most: int) -> Claimed:
    """Pour a guest's locked cart into the open cart of its currency that the account has used last.

    Quantities are summed, to `most` a line; contact and addresses fill in what the account's cart lacks, and codes are
    added to its own. The guest's cart has expired then, empty, and its secret opens nothing. Where it is not open, or
    there is no other to pour it into, it is claimed as it is. The account has to be locked
    (`people.lock`): of two at once, the second finds what the first has left.
    """
    into = await _open_cart(session, cart, customer_id) if cart.status is CartStatus.OPEN else None
    if into is None:
        return await claim(session, cart, customer_id)
    values = {"cart": into, "guests": cart.id}
    await session.execute(_POUR, {**values, "most": most})
    await session.execute(_FILL_IN, {**values, "most_codes": MOST_CODES})
    await session.execute(_CLOSE, {**values, "customer": customer_id})
    return Claimed(await carts.lock(session, into), await _claim_orders(session, cart, customer_id))


async def _open_cart(session: AsyncSession, cart: CartRow, customer_id: UUID) -> UUID | None:
    found: UUID | None = (
        await session.execute(_OPEN_CART, {"customer": customer_id, "currency": cart.currency})
    ).scalar_one_or_none()
    return found


async def _claim_orders(session: AsyncSession, cart: CartRow, customer_id: UUID) -> Sequence[UUID]:
    given = {"cart": cart.id, "customer": customer_id}
    return (await session.execute(_CLAIM_ORDERS, given)).scalars().all()
