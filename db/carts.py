"""Carts and their lines. Whoever changes a cart has locked its row first: a cart is changed by one at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.errors import (
    CartEmptyError,
    CartIncompleteError,
    CurrencyUnavailableError,
    NotFoundError,
    UnknownSkuError,
)
from domain.pricing.lines import STANDARD
from models.carts import CartStatus
from models.columns import new_id, utc_now


@dataclass(frozen=True, slots=True)
class CartRow:
    """A cart as its row says. `token_digest` is the SHA-256 of the secret that opens it, in hexadecimal.

    `merged_into` is the cart that this one was poured into, when its guest logged in.
    """

    id: UUID
    customer_id: UUID | None
    reference: str | None
    token_digest: str | None
    status: CartStatus
    checkout_attempt: int
    currency: str
    email: str | None
    phone: str | None
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    merged_into: UUID | None = None
    shipping_method: str | None = None
    promotion_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CartLineRow:
    """A line as it stands: `unit_price` is None without a price, `sold` is false when its product left the shop.

    Prices are in minor units of the cart's currency; `seen_unit_price` is what it was when the line was put, None where
    nobody knows. `weight` is that of one unit, in grams.
    """

    line_id: UUID
    sku: str
    quantity: int
    unit_price: int | None
    title: str
    position: int
    sold: bool
    seen_unit_price: int | None
    tax_category: str = STANDARD
    weight: int = 0
    category_id: UUID | None = None

    @property
    def sellable(self) -> bool:
        """Tell whether it can be sold: there is such a product, and it has a price."""
        return self.sold and self.unit_price is not None


@dataclass(frozen=True, slots=True)
class NewLine:
    """A quantity to put into a cart; `unit_price` in minor units overrides the catalogue."""

    sku: str
    quantity: int
    unit_price: int | None = None


_CARTS = SQLModel.metadata.tables["carts"]
_ORDERS = SQLModel.metadata.tables["orders"]
_COLUMNS = tuple(_CARTS.c[field.name] for field in fields(CartRow))
_FIND = select(*_COLUMNS).where(_CARTS.c.id == bindparam("cart"))
_LOCK = _FIND.with_for_update()
_LOCK_OF = (
    select(*_COLUMNS)
    .where(_CARTS.c.id == select(_ORDERS.c.cart_id).where(_ORDERS.c.id == bindparam("order")).scalar_subquery())
    .with_for_update()
)

LINES = text("""
SELECT l.line_id, l.sku, l.quantity, coalesce(l.unit_price_amount, p.amount) AS unit_price,
       CASE WHEN v.title = '' THEN o.title ELSE o.title || ', ' || v.title END AS title, l.position,
       o.status = 'active' AND v.active AS sold, coalesce(l.unit_price_amount, l.seen_unit_price_amount) AS seen,
       v.tax_category, v.weight, o.category_id
FROM cart_lines l
JOIN variants v ON v.sku = l.sku
JOIN products o ON o.id = v.product_id
LEFT JOIN prices p ON p.sku = l.sku AND p.currency = :currency
WHERE l.cart_id = :cart
ORDER BY l.position, l.line_id
""")
"""The lines of a cart with today's prices."""

# A SKU may stand on several lines (an import sells it at several prices); who sets its quantity makes one of them, and
# is shown today's price.
_SET_LINE = text("""
WITH today AS (
    SELECT v.sku, p.amount
    FROM carts c JOIN variants v ON v.sku = :sku LEFT JOIN prices p ON p.sku = v.sku AND p.currency = c.currency
    WHERE c.id = :cart
), kept AS (
    SELECT line_id FROM cart_lines WHERE cart_id = :cart AND sku = :sku ORDER BY position, line_id LIMIT 1
), removed AS (
    DELETE FROM cart_lines WHERE cart_id = :cart AND sku = :sku AND line_id NOT IN (SELECT line_id FROM kept)
), changed AS (
    UPDATE cart_lines SET quantity = :quantity, unit_price_amount = NULL,
        seen_unit_price_amount = (SELECT amount FROM today)
    WHERE line_id IN (SELECT line_id FROM kept)
), touched AS (
    UPDATE carts SET updated_at = now() WHERE id = :cart
)
INSERT INTO cart_lines (line_id, cart_id, sku, quantity, position, seen_unit_price_amount)
SELECT :line_id, :cart, t.sku, :quantity,
       (SELECT coalesce(max(position) + 1, 0) FROM cart_lines WHERE cart_id = :cart), t.amount
FROM today t
WHERE NOT EXISTS (SELECT FROM kept)
""")

_REMOVE_LINE = text("""
WITH touched AS (UPDATE carts SET updated_at = now() WHERE id = :cart)
DELETE FROM cart_lines WHERE cart_id = :cart AND sku = :sku
""")

_REPLACE_LINES = text("""
WITH removed AS (
    DELETE FROM cart_lines WHERE cart_id = :cart
), touched AS (
    UPDATE carts SET updated_at = now() WHERE id = :cart
)
INSERT INTO cart_lines (line_id, cart_id, sku, quantity, unit_price_amount, position, seen_unit_price_amount)
SELECT n.line_id, :cart, v.sku, n.quantity, n.unit_price, n.position - 1, p.amount
FROM unnest(CAST(:line_ids AS uuid[]), CAST(:skus AS text[]), CAST(:quantities AS bigint[]),
            CAST(:unit_prices AS bigint[])) WITH ORDINALITY AS n (line_id, sku, quantity, unit_price, position)
JOIN variants v ON v.sku = n.sku
JOIN carts c ON c.id = :cart
LEFT JOIN prices p ON p.sku = v.sku AND p.currency = c.currency
""")

_CLOSE_OF = text("""
WITH closed AS (
    UPDATE carts SET status = 'ordered', updated_at = now()
    WHERE id = (SELECT cart_id FROM orders WHERE id = :order_id) AND status <> 'ordered'
)
SELECT cart_id FROM orders WHERE id = :order_id
""")

_REOPEN = text("""
UPDATE carts SET status = 'open', checkout_attempt = checkout_attempt + 1, updated_at = now() WHERE id = :cart
""")


async def create(
    session: AsyncSession,
    *,
    currency: str,
    token_digest: str | None,
    customer_id: UUID | None = None,
    reference: str | None = None,
) -> CartRow | None:
    """Open a cart, or return None when one with this reference exists already, also if it came to be just now.

    It is opened by a secret, or belongs to an account.
    """
    statement = insert(_CARTS).values(
        id=new_id(),
        currency=currency,
        token_digest=token_digest,
        customer_id=customer_id,
        reference=reference,
        status=CartStatus.OPEN,
        checkout_attempt=1,
    )
    if reference is not None:
        statement = statement.on_conflict_do_nothing(index_elements=["reference"])
    row = (await session.execute(statement.returning(*_COLUMNS))).one_or_none()
    return None if row is None else _cart(row)


async def find(session: AsyncSession, cart_id: UUID) -> CartRow | None:
    """Look a cart up without locking it."""
    row = (await session.execute(_FIND, {"cart": cart_id})).one_or_none()
    return None if row is None else _cart(row)


async def find_by_reference(session: AsyncSession, reference: str) -> CartRow | None:
    """Look up the cart that an importer named."""
    row = (await session.execute(select(*_COLUMNS).where(_CARTS.c.reference == reference))).one_or_none()
    return None if row is None else _cart(row)


async def lock(session: AsyncSession, cart_id: UUID) -> CartRow:
    """Lock a cart until the transaction ends, and return it as it is now.

    Raises:
        NotFoundError: there is no such cart.
    """
    row = (await session.execute(_LOCK, {"cart": cart_id})).one_or_none()
    if row is None:
        raise NotFoundError("no such cart")
    return _cart(row)


async def lock_of(session: AsyncSession, order_id: UUID) -> CartRow:
    """Lock the cart that an order came out of.

    Raises:
        NotFoundError: there is no such order.
    """
    row = (await session.execute(_LOCK_OF, {"order": order_id})).one_or_none()
    if row is None:
        raise NotFoundError("There is no such order.")
    return _cart(row)


async def lines(session: AsyncSession, cart: CartRow) -> list[CartLineRow]:
    """List a cart's lines with today's prices, also those that can not be sold any more."""
    rows = await session.execute(LINES, {"cart": cart.id, "currency": cart.currency})
    return [CartLineRow(*row) for row in rows]


async def priced_lines(session: AsyncSession, cart: CartRow) -> list[CartLineRow]:
    """List what a checkout of this cart sells, each line with its price.

    Raises:
        UnknownSkuError, CurrencyUnavailableError: a line can not be sold.
    """
    rows = await lines(session, cart)
    require_sellable(
        cart,
        unsold=[row.sku for row in rows if not row.sold],
        unpriced=[row.sku for row in rows if row.unit_price is None],
    )
    return rows


def require_sellable(cart: CartRow, *, unsold: Collection[str], unpriced: Collection[str]) -> None:
    """Refuse what can not be sold, each SKU by its name.

    Raises:
        UnknownSkuError: a product is not sold, or not any more.
        CurrencyUnavailableError: a SKU has no price in the cart's currency.
    """
    if unsold:
        raise UnknownSkuError(*sorted(unsold))
    if unpriced:
        raise CurrencyUnavailableError(cart.currency, *sorted(unpriced))


def require_complete(cart: CartRow, line_count: int) -> None:
    """Refuse a cart that lacks what every order needs.

    Raises:
        CartEmptyError, CartIncompleteError: something is missing.
    """
    if not line_count:
        raise CartEmptyError("There is nothing in this cart.")
    needed = {"email": cart.email, "shipping_address": cart.shipping_address}
    if missing := [name for name, value in needed.items() if not value]:
        raise CartIncompleteError(*missing)


async def set_line(session: AsyncSession, cart_id: UUID, sku: str, quantity: int) -> None:
    """Make a SKU stand in a locked cart once, in this quantity and at the catalogue's price; left out when unknown."""
    values = {"cart": cart_id, "sku": sku, "quantity": quantity, "line_id": new_id()}
    await session.execute(_SET_LINE, values)


async def remove_line(session: AsyncSession, cart_id: UUID, sku: str) -> None:
    """Take a SKU out of a locked cart; it need not be there."""
    await session.execute(_REMOVE_LINE, {"cart": cart_id, "sku": sku})


async def replace_lines(session: AsyncSession, cart_id: UUID, new: Sequence[NewLine]) -> None:
    """Make these the only lines of a locked cart, in this order, in one statement. Unknown SKUs are left out."""
    values = {
        "cart": cart_id,
        "line_ids": [new_id() for _ in new],
        "skus": [line.sku for line in new],
        "quantities": [line.quantity for line in new],
        "unit_prices": [line.unit_price for line in new],
    }
    await session.execute(_REPLACE_LINES, values)


async def change(session: AsyncSession, cart_id: UUID, changes: Mapping[str, Any]) -> CartRow:
    """Write contact and address columns of a locked cart and return it as it is now."""
    statement = update(_CARTS).where(_CARTS.c.id == cart_id).values(updated_at=utc_now(), **changes)
    return _cart((await session.execute(statement.returning(*_COLUMNS))).one())


async def close_of(session: AsyncSession, order_id: UUID) -> None:
    """Lock the cart that an order came out of, and note that it has become that order. One that has is left alone.

    Raises:
        NotFoundError: there is no such order.
    """
    if (await session.execute(_CLOSE_OF, {"order_id": order_id})).first() is None:
        raise NotFoundError("There is no such order.")


async def reopen(session: AsyncSession, cart_id: UUID) -> None:
    """Open a locked cart for its next attempt: the order of this one can not be opened any more, however late."""
    await session.execute(_REOPEN, {"cart": cart_id})


def _cart(row: Any) -> CartRow:
    id_, customer_id, reference, token_digest, status, *rest, codes = row
    return CartRow(id_, customer_id, reference, token_digest, CartStatus(status), *(*rest, tuple(codes)))
