"""Editing the catalogue. Whoever edits a product raises its version first, which locks it and turns late edits away."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.errors import InUseError, NotFoundError, PreconditionFailedError, TakenError
from domain.money import Money
from models.columns import new_id

_PRODUCTS = SQLModel.metadata.tables["products"]
_VARIANTS = SQLModel.metadata.tables["variants"]
_REDIRECTS = SQLModel.metadata.tables["slug_redirects"]

_TOUCH = text("""
UPDATE products SET version = version + 1, updated_at = now()
WHERE id = :product AND version = coalesce(CAST(:version AS integer), version)
RETURNING version, slug, options
""")

_RENAMED = text("""
WITH mine AS (
    DELETE FROM slug_redirects WHERE slug = :new
)
INSERT INTO slug_redirects (slug, product_id) VALUES (:old, :product)
ON CONFLICT (slug) DO UPDATE SET product_id = excluded.product_id
""")

_SET_PRICE = text("""
WITH before AS (
    SELECT amount FROM prices WHERE sku = :sku AND currency = :currency
), written AS (
    INSERT INTO prices (sku, currency, amount, compare_at_amount)
    VALUES (:sku, :currency, :amount, CAST(:compare_at AS bigint))
    ON CONFLICT (sku, currency) DO UPDATE
    SET amount = excluded.amount, compare_at_amount = excluded.compare_at_amount
)
INSERT INTO price_changes (sku, currency, previous, amount, actor)
SELECT :sku, :currency, (SELECT amount FROM before), CAST(:amount AS bigint), :actor
WHERE (SELECT amount FROM before) IS DISTINCT FROM CAST(:amount AS bigint)
""")

_REMOVE_PRICE = text("""
WITH removed AS (
    DELETE FROM prices WHERE sku = :sku AND currency = :currency RETURNING amount
)
INSERT INTO price_changes (sku, currency, previous, amount, actor)
SELECT :sku, :currency, amount, NULL, :actor FROM removed
RETURNING id
""")

# What was ever stocked, held, sold or wanted keeps its name: the ledger and open carts speak of it.
_REMOVE_VARIANT = text("""
WITH unused AS (
    SELECT sku FROM variants v
    WHERE v.sku = :sku AND v.product_id = :product
      AND NOT EXISTS (SELECT FROM stock_movements WHERE sku = v.sku)
      AND NOT EXISTS (SELECT FROM stock_levels WHERE sku = v.sku)
      AND NOT EXISTS (SELECT FROM cart_lines WHERE sku = v.sku)
      AND NOT EXISTS (SELECT FROM reservations WHERE sku = v.sku)
      AND NOT EXISTS (SELECT FROM backorders WHERE sku = v.sku)
), unpriced AS (
    DELETE FROM prices WHERE sku IN (SELECT sku FROM unused)
)
SELECT sku FROM unused
""")

# None has any at first: two that exchange theirs would have the same ones for a moment.
_DROP_OPTIONS = text("UPDATE variants SET options = '{}' WHERE product_id = :product AND options <> '{}'")
_SET_OPTIONS = text("""
UPDATE variants v SET options = given.options
FROM jsonb_each(CAST(:options AS jsonb)) AS given (sku, options)
WHERE v.product_id = :product AND v.sku = given.sku
""")

_SET_POSITIONS = text("""
UPDATE variants v SET position = given.place - 1
FROM unnest(CAST(:skus AS text[])) WITH ORDINALITY AS given (sku, place)
WHERE v.product_id = :product AND v.sku = given.sku AND v.position <> given.place - 1
""")

_PRICE_CHANGES = text("""
SELECT id, currency, previous, amount, actor, created_at FROM price_changes
WHERE sku = :sku AND id < :before
ORDER BY id DESC
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class PriceChangeRow:
    """One change of a price, in minor units of its currency."""

    id: int
    currency: str
    previous: int | None
    amount: int | None
    actor: str
    created_at: Any


@dataclass(frozen=True, slots=True)
class Touched:
    """A locked product: its new version, and what an edit may have to know of it."""

    version: int
    slug: str
    options: tuple[str, ...]


async def create(session: AsyncSession, columns: Mapping[str, Any]) -> UUID:
    """Write a product and return its id. A slug that only leads elsewhere by a redirect is taken over.

    Raises:
        TakenError: another product has this slug.
    """
    product = new_id()
    await session.execute(delete(_REDIRECTS).where(_REDIRECTS.c.slug == columns["slug"]))
    statement = insert(_PRODUCTS).values(id=product, **columns).on_conflict_do_nothing(index_elements=["slug"])
    if (await session.execute(statement.returning(_PRODUCTS.c.id))).first() is None:
        raise TakenError("another product has this slug")
    return product


async def touch(session: AsyncSession, product: UUID, version: int | None) -> Touched:
    """Raise the version of a product, and lock it until the transaction ends. Without a version any will do.

    Raises:
        NotFoundError: there is no such product.
        PreconditionFailedError: it has another version by now.
    """
    row = (await session.execute(_TOUCH, {"product": product, "version": version})).one_or_none()
    if row is not None:
        return Touched(row.version, row.slug, tuple(row.options))
    if (await session.execute(select(_PRODUCTS.c.id).where(_PRODUCTS.c.id == product))).first() is None:
        raise NotFoundError("no such product")
    raise PreconditionFailedError("somebody else has changed this product since it was read")


async def change(session: AsyncSession, product: UUID, touched: Touched, columns: Mapping[str, Any]) -> None:
    """Write columns of a touched product; its old slug leads to it from then on.

    Raises:
        TakenError: another product has this slug.
    """
    slug = columns.get("slug", touched.slug)
    if slug != touched.slug:
        taken = await session.execute(select(_PRODUCTS.c.id).where(_PRODUCTS.c.slug == slug))
        if taken.first() is not None:
            raise TakenError("another product has this slug")
        await session.execute(_RENAMED, {"product": product, "old": touched.slug, "new": slug})
    if columns:
        await session.execute(update(_PRODUCTS).where(_PRODUCTS.c.id == product).values(**columns))


async def add_variants(session: AsyncSession, product: UUID, variants: Sequence[Mapping[str, Any]]) -> None:
    """Write variants of a touched product, in this order, behind those that it has.

    Raises:
        TakenError: a SKU belongs to an article already, or two variants have the same options.
    """
    first = await session.scalar(
        select(_VARIANTS.c.position + 1)
        .where(_VARIANTS.c.product_id == product)
        .order_by(_VARIANTS.c.position.desc())
        .limit(1)
    )
    rows = [
        {"product_id": product, "position": (first or 0) + place, **variant} for place, variant in enumerate(variants)
    ]
    if not rows:
        return
    statement = insert(_VARIANTS).values(rows).on_conflict_do_nothing().returning(_VARIANTS.c.sku)
    written = set((await session.execute(statement)).scalars())
    missing = [str(variant["sku"]) for variant in variants if variant["sku"] not in written]
    if missing:
        raise TakenError(f"taken, as a SKU or by its options: {', '.join(missing[:10])}")


async def skus(session: AsyncSession, product: UUID) -> Sequence[str]:
    """List the SKUs of a product's variants."""
    return (await session.execute(select(_VARIANTS.c.sku).where(_VARIANTS.c.product_id == product))).scalars().all()


async def change_options(
    session: AsyncSession, product: UUID, names: Sequence[str], options: Mapping[str, Mapping[str, str]]
) -> None:
    """Give a touched product other options, and each of its variants, by SKU, its values of them."""
    await session.execute(_DROP_OPTIONS, {"product": product})
    await session.execute(_SET_OPTIONS, {"product": product, "options": json.dumps(options)})
    await session.execute(update(_PRODUCTS).where(_PRODUCTS.c.id == product).values(options=list(names)))


async def order_variants(session: AsyncSession, product: UUID, skus: Sequence[str]) -> None:
    """Put the variants of a touched product into this order."""
    await session.execute(_SET_POSITIONS, {"product": product, "skus": list(skus)})


async def change_variant(session: AsyncSession, product: UUID, sku: str, columns: Mapping[str, Any]) -> None:
    """Write columns of a variant of a touched product.

    Raises:
        NotFoundError: it has no such variant.
        TakenError: another variant has the same options.
    """
    if columns.get("options"):
        alike = select(_VARIANTS.c.sku).where(
            _VARIANTS.c.product_id == product, _VARIANTS.c.sku != sku, _VARIANTS.c.options == columns["options"]
        )
        if (await session.execute(alike)).first() is not None:
            raise TakenError("another variant has the same options")
    await require_variant(session, product, sku)
    if columns:
        await session.execute(update(_VARIANTS).where(_VARIANTS.c.sku == sku).values(**columns))


async def require_variant(session: AsyncSession, product: UUID, sku: str) -> None:
    """Refuse a SKU that is no variant of a product.

    Raises:
        NotFoundError: it is not.
    """
    mine = select(_VARIANTS.c.sku).where(_VARIANTS.c.sku == sku, _VARIANTS.c.product_id == product)
    if (await session.execute(mine)).first() is None:
        raise NotFoundError("no such variant")


async def remove_variant(session: AsyncSession, product: UUID, sku: str) -> None:
    """Remove a variant of a touched product that nobody has ever stocked or wanted.

    Raises:
        NotFoundError: the product has no such variant.
        InUseError: it can only be made inactive.
    """
    await require_variant(session, product, sku)
    if (await session.execute(_REMOVE_VARIANT, {"product": product, "sku": sku})).first() is None:
        raise InUseError("it was stocked or is in carts: make it inactive instead")
    await session.execute(delete(_VARIANTS).where(_VARIANTS.c.sku == sku))


async def set_price(
    session: AsyncSession, sku: str, price: Money, *, compare_at: int | None = None, actor: str
) -> None:
    """Set the price of a variant of a touched product in one currency, and note the change in its history."""
    await session.execute(
        _SET_PRICE,
        {
            "sku": sku,
            "currency": price.currency,
            "amount": price.amount,
            "compare_at": compare_at,
            "actor": actor,
        },
    )


async def remove_price(session: AsyncSession, sku: str, currency: str, *, actor: str) -> None:
    """Remove a price: the variant is not sold in this currency any more.

    Raises:
        NotFoundError: it has none.
    """
    values = {"sku": sku, "currency": currency, "actor": actor}
    if (await session.execute(_REMOVE_PRICE, values)).first() is None:
        raise NotFoundError("no such price")


async def price_changes(session: AsyncSession, sku: str, *, before: int, limit: int) -> list[PriceChangeRow]:
    """List the changes of a variant's prices, newest first, from before one of them on."""
    rows = await session.execute(_PRICE_CHANGES, {"sku": sku, "before": before, "limit": limit})
    return [PriceChangeRow(*row) for row in rows]
