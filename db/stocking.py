"""Filling the shop: categories, products, variants, prices and receipts of stock, each set in one statement.

Everything here can be done again. What exists already stays as it is, since somebody may have edited it or sold of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import backorders
from domain.money import Money
from models.catalog import ProductStatus
from models.columns import new_id
from models.inventory import DEFAULT_LOCATION

_STOCKING_LOCK = 7_216_540_814


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A place in the category tree; `parent` is the slug of the place above."""

    slug: str
    name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class NewVariant:
    """An article with what it costs, at most one price a currency."""

    sku: str
    title: str
    prices: tuple[Money, ...]


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product in a category (its slug), with its variants in the order in which they are shown."""

    slug: str
    title: str
    description: str
    category: str
    variants: tuple[NewVariant, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A quantity of one SKU that came in. Nothing may come in: then the SKU is known to be out of stock."""

    sku: str
    quantity: int


async def one_at_a_time(session: AsyncSession) -> None:
    """Wait until no other transaction fills the shop. Call it first: what the others did is seen then."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _STOCKING_LOCK})


async def take_turn(session: AsyncSession) -> bool:
    """Try to be the only one who fills the shop, until the transaction ends. False: somebody else is at it."""
    return bool(await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _STOCKING_LOCK}))


async def add_categories(session: AsyncSession, categories: Sequence[NewCategory]) -> int:
    """Add the categories that are missing, wherever in the sequence their parents stand; return how many."""
    added = await session.execute(
        _INSERT_CATEGORIES,
        {
            "ids": [new_id() for _ in categories],
            "slugs": [category.slug for category in categories],
            "names": [category.name for category in categories],
        },
    )
    slugs = set(added.scalars())
    nested = [category for category in categories if category.parent and category.slug in slugs]
    await session.execute(
        _NEST_CATEGORIES,
        {"slugs": [category.slug for category in nested], "parents": [category.parent for category in nested]},
    )
    return len(slugs)


async def add_products(session: AsyncSession, products: Sequence[NewProduct]) -> int:
    """Add the products, variants and prices that are missing; return how many products.

    A product is known by its slug or, where all its SKUs are known, by those: it is not added a second time because its
    title has changed since.
    """
    known = await _known_skus(session, products)
    missing = [product for product in products if any(variant.sku not in known for variant in product.variants)]
    added = await session.execute(
        _INSERT_PRODUCTS,
        {
            "ids": [new_id() for _ in missing],
            "slugs": [product.slug for product in missing],
            "titles": [product.title for product in missing],
            "descriptions": [product.description for product in missing],
            "categories": [product.category for product in missing],
            "status": ProductStatus.ACTIVE,
        },
    )
    await _add_variants(session, missing)
    await _add_prices(session, products)
    return len(added.all())


async def receive(
    session: AsyncSession, receipts: Sequence[Receipt], *, note: str, location: str = DEFAULT_LOCATION
) -> int:
    """Put goods on hand and write why, and serve who waits for them; return how many units came in.

    `note` names the delivery: a SKU that has a receipt with this note at this location receives nothing more. A SKU may
    stand in `receipts` once.
    """
    skus = [receipt.sku for receipt in receipts]
    values = {
        "skus": skus,
        "quantities": [receipt.quantity for receipt in receipts],
        "location": location,
    }
    await backorders.lock(session, skus)
    await session.execute(_INSERT_EMPTY_LEVELS, values)
    received = await session.execute(RECEIVE, values | {"ids": [new_id() for _ in receipts], "note": note})
    await backorders.fill(session, skus)
    return int(received.scalar_one())


async def _known_skus(session: AsyncSession, products: Sequence[NewProduct]) -> set[str]:
    skus = [variant.sku for product in products for variant in product.variants]
    found = await session.execute(
        text("SELECT sku FROM variants WHERE sku = ANY(CAST(:skus AS text[]))"), {"skus": skus}
    )
    return set(found.scalars())


async def _add_variants(session: AsyncSession, products: Sequence[NewProduct]) -> None:
    rows = [(product.slug, place, variant) for product in products for place, variant in enumerate(product.variants)]
    await session.execute(
        _INSERT_VARIANTS,
        {
            "skus": [variant.sku for _, _, variant in rows],
            "slugs": [slug for slug, _, _ in rows],
            "titles": [variant.title for _, _, variant in rows],
            "places": [place for _, place, _ in rows],
        },
    )


async def _add_prices(session: AsyncSession, products: Sequence[NewProduct]) -> None:
    rows = [(variant.sku, price) for product in products for variant in product.variants for price in variant.prices]
    await session.execute(
        _INSERT_PRICES,
        {
            "skus": [sku for sku, _ in rows],
            "currencies": [price.currency for _, price in rows],
            "amounts": [price.amount for _, price in rows],
        },
    )


_INSERT_CATEGORIES = text("""
    INSERT INTO categories (id, slug, name)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:slugs AS text[]), CAST(:names AS text[]))
    ON CONFLICT (slug) DO NOTHING
    RETURNING slug
""")

_NEST_CATEGORIES = text("""
    UPDATE categories SET parent_id = parents.id
    FROM unnest(CAST(:slugs AS text[]), CAST(:parents AS text[])) AS nested (slug, parent)
    JOIN categories AS parents ON parents.slug = nested.parent
    WHERE categories.slug = nested.slug
""")

_INSERT_PRODUCTS = text("""
    INSERT INTO products (id, slug, title, description, status, category_id)
    SELECT wanted.id, wanted.slug, wanted.title, wanted.description, :status, categories.id
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:slugs AS text[]), CAST(:titles AS text[]), CAST(:descriptions AS text[]),
        CAST(:categories AS text[])
    ) AS wanted (id, slug, title, description, category)
    LEFT JOIN categories ON categories.slug = wanted.category
    ON CONFLICT (slug) DO NOTHING
    RETURNING id
""")

_INSERT_VARIANTS = text("""
    INSERT INTO variants (sku, product_id, title, position)
    SELECT wanted.sku, products.id, wanted.title, wanted.place
    FROM unnest(
        CAST(:skus AS text[]), CAST(:slugs AS text[]), CAST(:titles AS text[]), CAST(:places AS integer[])
    ) AS wanted (sku, slug, title, place)
    JOIN products ON products.slug = wanted.slug
    ON CONFLICT (sku) DO NOTHING
""")

_INSERT_PRICES = text("""
    INSERT INTO prices (sku, currency, amount)
    SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:currencies AS text[]), CAST(:amounts AS bigint[]))
    ON CONFLICT (sku, currency) DO NOTHING
""")

_INSERT_EMPTY_LEVELS = text("""
    INSERT INTO stock_levels (sku, location, on_hand, reserved)
    SELECT sku, :location, 0, 0
    FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS bigint[])) AS wanted (sku, quantity)
    WHERE quantity = 0
    ON CONFLICT (sku, location) DO NOTHING
""")

# The level is raised by exactly the movements that this statement wrote, in SKU order as every hold does.
RECEIVE = text("""
    WITH receipts AS (
        INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
        SELECT wanted.id, wanted.sku, :location, wanted.quantity, 'receipt', 'system', :note
        FROM unnest(CAST(:ids AS uuid[]), CAST(:skus AS text[]), CAST(:quantities AS bigint[]))
            AS wanted (id, sku, quantity)
        WHERE wanted.quantity > 0 AND NOT EXISTS (
            SELECT FROM stock_movements AS before
            WHERE before.sku = wanted.sku AND before.location = :location
                AND before.reason = 'receipt' AND before.note = :note
        )
        RETURNING sku, location, delta
    ), levels AS (
        INSERT INTO stock_levels (sku, location, on_hand, reserved)
        SELECT sku, location, delta, 0 FROM receipts ORDER BY sku
        ON CONFLICT (sku, location) DO UPDATE SET on_hand = stock_levels.on_hand + EXCLUDED.on_hand
    )
    SELECT coalesce(sum(delta), 0) FROM receipts
""")
