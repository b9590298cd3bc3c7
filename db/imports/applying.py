"""Writing what was compared: all of it in one transaction, and nothing that is the same already."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.imports import comparing, files, staging
from db.imports.comparing import AT_ONCE
from db.imports.files import ImportRow
from domain.merchandise import ImportState
from models.inventory import MovementReason

Progress = Callable[[int], Awaitable[None]]
"""Is told how many products were written so far, while nobody else sees them yet."""

_UNLIMITED = 1_000_000
"""Units that may be ordered ahead of an article that a file wants to be sold without stock."""

_DEFINE_ATTRIBUTES = text("""
INSERT INTO attributes (name, type)
SELECT DISTINCT name, CASE jsonb_typeof(value) WHEN 'array' THEN 'list' ELSE 'text' END
FROM incoming_products, jsonb_each(attributes) AS each (name, value) ORDER BY name
ON CONFLICT (name) DO NOTHING
""")

_FIND_CATEGORIES = text("""
WITH wanted AS (
    SELECT DISTINCT category, coalesce(
        nullif(trim(BOTH '-' FROM regexp_replace(lower(unaccent(category)), '[^a-z0-9]+', '-', 'g')), ''),
        'category-' || left(md5(category), 12)
    ) AS slug
    FROM incoming_products WHERE category <> ''
), found AS (
    SELECT w.category, coalesce(
        (SELECT id FROM categories WHERE slug = w.category),
        (SELECT min(id::text)::uuid FROM categories WHERE name = w.category HAVING count(*) = 1),
        (SELECT id FROM categories WHERE slug = w.slug)
    ) AS id, w.slug
    FROM wanted w
), placed AS (
    UPDATE incoming_products i SET category_id = f.id FROM found f WHERE i.category = f.category
)
SELECT category, slug FROM found WHERE id IS NULL
""")

_ADD_CATEGORIES = text("""
INSERT INTO categories (id, slug, name)
SELECT uuidv7(), slug, min(name) FROM unnest(CAST(:slugs AS text[]), CAST(:names AS text[])) AS n (slug, name)
GROUP BY slug ORDER BY slug
ON CONFLICT (slug) DO NOTHING
""")

_ADD_PRODUCTS = text("""
INSERT INTO products (id, slug, title, description, status, category_id, vendor, options, attributes, images,
                      seo_title, seo_description)
SELECT product_id, slug, title, coalesce(description, ''), coalesce(status, 'draft'), category_id,
       coalesce(vendor, ''), options, attributes, coalesce(images, '[]'), coalesce(seo_title, ''),
       coalesce(seo_description, '')
FROM incoming_products WHERE is_new AND n > :after AND n <= :to
ORDER BY n
RETURNING id
""")

_ADD_VARIANTS = text("""
INSERT INTO variants (sku, product_id, title, position, options, weight, tax_category, barcode, image)
SELECT i.sku, i.product_id,
       coalesce(i.title, (
           SELECT string_agg(i.options ->> name, ' / ' ORDER BY place)
           FROM incoming_products p, jsonb_array_elements_text(p.options) WITH ORDINALITY AS o (name, place)
           WHERE p.n = i.n
       ), ''),
       i.position, i.options, coalesce(i.weight, 0), coalesce(i.tax_category, 'standard'), coalesce(i.barcode, ''),
       coalesce(i.image, '')
FROM incoming_variants i WHERE i.is_new AND i.n > :after AND i.n <= :to
ORDER BY i.sku
RETURNING product_id
""")

_CHANGE_VARIANTS = text("""
UPDATE variants v
SET title = n.title, position = n.position, options = n.options, weight = n.weight, tax_category = n.tax_category,
    barcode = n.barcode, image = n.image
FROM incoming_variants i
JOIN variants o ON o.sku = i.sku
CROSS JOIN LATERAL (
    SELECT coalesce(i.title, o.title) AS title, coalesce(i.position, o.position) AS position, i.options,
           coalesce(i.weight, o.weight) AS weight, coalesce(i.tax_category, o.tax_category) AS tax_category,
           coalesce(i.barcode, o.barcode) AS barcode, coalesce(i.image, o.image) AS image
) n
WHERE v.sku = i.sku AND v.product_id = i.product_id AND NOT i.is_new AND i.n > :after AND i.n <= :to
  AND (v.title, v.position, v.options, v.weight, v.tax_category, v.barcode, v.image)
      IS DISTINCT FROM (n.title, n.position, n.options, n.weight, n.tax_category, n.barcode, n.image)
RETURNING v.product_id
""")

_SET_PRICES = text("""
WITH wanted AS (
    SELECT i.sku, i.product_id, i.amount, p.amount AS previous,
           CASE WHEN i.keeps_compare_at THEN p.compare_at_amount ELSE i.compare_at END AS compare_at
    FROM incoming_variants i LEFT JOIN prices p ON p.sku = i.sku AND p.currency = :currency
    WHERE i.amount IS NOT NULL AND i.n > :after AND i.n <= :to
      AND (p.amount, p.compare_at_amount) IS DISTINCT FROM
          (i.amount, CASE WHEN i.keeps_compare_at THEN p.compare_at_amount ELSE i.compare_at END)
), written AS (
    INSERT INTO prices (sku, currency, amount, compare_at_amount)
    SELECT sku, :currency, amount, compare_at FROM wanted ORDER BY sku
    ON CONFLICT (sku, currency) DO UPDATE
    SET amount = excluded.amount, compare_at_amount = excluded.compare_at_amount
), noted AS (
    INSERT INTO price_changes (sku, currency, previous, amount, actor)
    SELECT sku, :currency, previous, amount, :actor FROM wanted WHERE previous IS DISTINCT FROM amount
)
SELECT product_id FROM wanted
""")

_CHANGE_PRODUCTS = text("""
UPDATE products p
SET title = i.title, description = n.description, status = n.status, category_id = n.category_id, vendor = n.vendor,
    options = i.options, attributes = n.attributes, images = n.images, seo_title = n.seo_title,
    seo_description = n.seo_description, version = p.version + 1, updated_at = now()
FROM incoming_products i
JOIN products o ON o.id = i.product_id
CROSS JOIN LATERAL (
    SELECT coalesce(i.description, o.description) AS description, coalesce(i.status, o.status) AS status,
           CASE WHEN i.category IS NULL THEN o.category_id ELSE i.category_id END AS category_id,
           coalesce(i.vendor, o.vendor) AS vendor, (o.attributes - i.dropped) || i.attributes AS attributes,
           coalesce(i.images, o.images) AS images, coalesce(i.seo_title, o.seo_title) AS seo_title,
           coalesce(i.seo_description, o.seo_description) AS seo_description
) n
WHERE p.id = i.product_id AND NOT i.is_new AND i.n > :after AND i.n <= :to
  AND (p.id = ANY (CAST(:touched AS uuid[]))
       OR (p.title, p.description, p.status, p.category_id, p.vendor, p.options, p.attributes, p.images, p.seo_title,
           p.seo_description)
          IS DISTINCT FROM (i.title, n.description, n.status, n.category_id, n.vendor, i.options, n.attributes,
                            n.images, n.seo_title, n.seo_description))
RETURNING p.id
""")

_RECEIVE = text("""
WITH goods AS (
    SELECT sku, quantity FROM incoming_variants WHERE is_new AND n > :after AND n <= :to
), received AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
    SELECT uuidv7(), sku, :location, quantity, :reason, :actor, :note FROM goods WHERE quantity > 0
), levels AS (
    INSERT INTO stock_levels (sku, location, on_hand, reserved)
    SELECT sku, :location, quantity, 0 FROM goods ORDER BY sku
)
SELECT coalesce(sum(quantity), 0) FROM goods
""")

# Whoever buys locks policies, by SKU: these are locked in that order, all at once, and at the very end.
_LOCK_POLICIES = text("""
SELECT FROM stock_policies s JOIN incoming_variants i ON i.sku = s.sku
WHERE (s.backorder_limit > 0) <> i.backorder
ORDER BY s.sku FOR UPDATE OF s
""")

_STOP_AHEAD = text("""
UPDATE stock_policies s SET backorder_limit = 0, version = s.version + 1 FROM incoming_variants i
WHERE s.sku = i.sku AND NOT i.backorder AND s.backorder_limit > 0
""")

_SELL_AHEAD = text("""
INSERT INTO stock_policies AS s (sku, backorder_limit)
SELECT i.sku, :unlimited FROM incoming_variants i
WHERE i.backorder AND NOT EXISTS (SELECT FROM stock_policies p WHERE p.sku = i.sku AND p.backorder_limit > 0)
ORDER BY i.sku
ON CONFLICT (sku) DO UPDATE SET backorder_limit = excluded.backorder_limit, version = s.version + 1
WHERE s.backorder_limit = 0
""")


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What an import has done. `unchanged` were in the shop as the file says; `units` were received."""

    new_products: int = 0
    changed_products: int = 0
    unchanged_products: int = 0
    new_variants: int = 0
    changed_variants: int = 0
    prices: int = 0
    units: int = 0

    def __add__(self, other: "ImportCounts") -> "ImportCounts":
        mine, others = asdict(self), asdict(other)
        return ImportCounts(**{name: mine[name] + others[name] for name in mine})


async def apply(session: AsyncSession, import_: ImportRow, progress: Progress) -> ImportCounts | None:
    """Compare all that was read with the shop, write it, and end the import with it, in this transaction.

    Whoever calls it has taken its turn (`db.stocking.take_turn`).

    None: something of it clashes with the shop, so nothing was written and the import is refused.

    Raises:
        ImportOverError: the import was called off meanwhile; nothing may be committed.
        sqlalchemy.exc.IntegrityError: an editor has taken a new name meanwhile; it can be tried again.
    """
    await comparing.take(session, import_.id, import_.products)
    clashes = await comparing.clashes(session)
    if clashes.number and not import_.skip_refused:
        await staging.refuse(session, import_.id, clashes.first, number=clashes.number)
        await files.move(session, import_.id, ImportState.APPLYING, to=ImportState.REFUSED)
        return None
    await session.execute(_DEFINE_ATTRIBUTES)
    await _find_categories(session)
    done = ImportCounts()
    for after in range(0, import_.products, AT_ONCE):
        done += await _write(session, import_, after)
        await progress(min(after + AT_ONCE, import_.products))
    await _decide_policies(session)
    # Not before: this locks the row of the import, in which others are told of the progress.
    await staging.refuse(session, import_.id, clashes.first, number=clashes.number)
    await files.finish(session, import_.id, json.dumps(asdict(done)))
    return done


async def _find_categories(session: AsyncSession) -> None:
    missing = (await session.execute(_FIND_CATEGORIES)).all()
    if missing:
        await session.execute(
            _ADD_CATEGORIES, {"slugs": [row.slug for row in missing], "names": [row.category for row in missing]}
        )
        await session.execute(_FIND_CATEGORIES)


async def _write(session: AsyncSession, import_: ImportRow, after: int) -> ImportCounts:
    """Write some of the products, with their articles, prices and stock."""
    part = {"after": after, "to": after + AT_ONCE}
    new = (await session.execute(_ADD_PRODUCTS, part)).all()
    added = (await session.execute(_ADD_VARIANTS, part)).scalars().all()
    moved = (await session.execute(_CHANGE_VARIANTS, part)).scalars().all()
    priced = await session.execute(_SET_PRICES, part | {"currency": import_.currency, "actor": import_.actor})
    prices = priced.scalars().all()
    touched = sorted({*added, *moved, *prices})
    changed = (await session.execute(_CHANGE_PRODUCTS, part | {"touched": touched})).all()
    units = await _stock(session, import_, part)
    known = await session.scalar(
        text("SELECT count(*) FROM incoming_products WHERE NOT is_new AND n > :after AND n <= :to"), part
    )
    return ImportCounts(
        new_products=len(new),
        changed_products=len(changed),
        unchanged_products=int(known or 0) - len(changed),
        new_variants=len(added),
        changed_variants=len(moved),
        prices=len(prices),
        units=units,
    )


async def _stock(session: AsyncSession, import_: ImportRow, part: dict[str, int]) -> int:
    """Receive what there is of new articles, and return the units."""
    goods = {
        "location": import_.location,
        "reason": MovementReason.RECEIPT,
        "actor": import_.actor,
        "note": f"import {import_.id}",
    }
    return int((await session.execute(_RECEIVE, part | goods)).scalar_one())


async def _decide_policies(session: AsyncSession) -> None:
    """Let articles be sold ahead of stock or not, where the file says other than the shop."""
    await session.execute(_LOCK_POLICIES)
    await session.execute(_STOP_AHEAD)
    await session.execute(_SELL_AHEAD, {"unlimited": _UNLIMITED})
