"""Comparing what was read with the shop, within the one transaction that applies it.

The products stand in temporary tables from here on, each beside what it is in the shop: `incoming_products` and
`incoming_variants`. Products that exist are locked first, all of them in one order: nobody edits them meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.imports.staging import MOST_REFUSALS
from domain.merchandise import Refusal

AT_ONCE = 500
"""Products that one statement takes up: each stays well within the time that a statement may take."""

_TABLES = (
    """
CREATE TEMPORARY TABLE incoming_products (
    n integer PRIMARY KEY, line integer, slug text, title text, description text, status text, category text,
    vendor text, options jsonb, attributes jsonb, dropped text[], images jsonb, seo_title text, seo_description text,
    product_id uuid, is_new boolean, category_id uuid
) ON COMMIT DROP
""",
    """
CREATE TEMPORARY TABLE incoming_variants (
    n integer, place integer, line integer, sku text, named boolean, title text, options jsonb, amount bigint,
    compare_at bigint, keeps_compare_at boolean, quantity bigint, backorder boolean, weight bigint, tax_category text,
    barcode text, image text, product_id uuid, is_new boolean, position integer, PRIMARY KEY (n, place)
) ON COMMIT DROP
""",
    "CREATE TEMPORARY TABLE incoming_clashes (n integer, line integer, reason text) ON COMMIT DROP",
)

_TAKE_PRODUCTS = """
INSERT INTO incoming_products
SELECT s.n, p.line, p.slug, p.title, p.description, p.status, p.category, p.vendor, p.options, p.attributes,
       ARRAY(SELECT jsonb_array_elements_text(p.dropped)), nullif(p.images, 'null'), p.seo_title, p.seo_description
FROM import_products s, jsonb_to_record(s.product) AS p (
    line integer, slug text, title text, description text, status text, category text, vendor text, options jsonb,
    attributes jsonb, dropped jsonb, images jsonb, seo_title text, seo_description text
)
WHERE s.import_id = :id AND s.n > :after AND s.n <= :to
"""

_TAKE_VARIANTS = """
INSERT INTO incoming_variants
SELECT s.n, v.place, d.line, d.sku, d.named, d.title, d.options, d.amount, d.compare_at, d.keeps_compare_at,
       d.quantity, d.backorder, d.weight, d.tax_category, d.barcode, d.image
FROM import_products s, jsonb_array_elements(s.product -> 'variants') WITH ORDINALITY AS v (document, place),
     jsonb_to_record(v.document) AS d (
    line integer, sku text, named boolean, title text, options jsonb, amount bigint, compare_at bigint,
    keeps_compare_at boolean, quantity bigint, backorder boolean, weight bigint, tax_category text, barcode text,
    image text
)
WHERE s.import_id = :id AND s.n > :after AND s.n <= :to
"""

_KNOW_PRODUCTS = """
UPDATE incoming_products i SET product_id = found.id, is_new = found.id IS NULL
FROM incoming_products j
LEFT JOIN products p ON p.slug = j.slug
LEFT JOIN slug_redirects r ON r.slug = j.slug
CROSS JOIN LATERAL (SELECT coalesce(p.id, r.product_id) AS id) found
WHERE i.n = j.n AND j.n > :after AND j.n <= :to
"""

_LOCK = text("""
SELECT FROM products WHERE id IN (SELECT product_id FROM incoming_products) ORDER BY id FOR NO KEY UPDATE
""")

_LOCK_ATTRIBUTES = text("""
SELECT FROM attributes
WHERE name IN (SELECT jsonb_object_keys(attributes) FROM incoming_products) ORDER BY name FOR SHARE
""")

_NAME_NEW = "UPDATE incoming_products SET product_id = uuidv7() WHERE is_new"

_BELONG = """
UPDATE incoming_variants v SET product_id = p.product_id FROM incoming_products p
WHERE p.n = v.n AND v.n > :after AND v.n <= :to
"""

# An article that the file gives no SKU is the one with the same options (or, without options, the same title).
_CALL = """
UPDATE incoming_variants i SET sku = known.sku
FROM (
    SELECT DISTINCT ON (j.n, j.place) j.n, j.place, v.sku
    FROM incoming_variants j
    JOIN variants v ON v.product_id = j.product_id AND v.options = j.options
        AND (v.options <> '{}' OR v.title = j.title)
    WHERE NOT j.named AND j.n > :after AND j.n <= :to
    ORDER BY j.n, j.place, v.sku = j.sku DESC, v.sku
) known
WHERE i.n = known.n AND i.place = known.place
"""

_KNOW_VARIANTS = """
UPDATE incoming_variants i SET is_new = NOT EXISTS (SELECT FROM variants v WHERE v.sku = i.sku)
WHERE i.n > :after AND i.n <= :to
"""

# Articles keep their places where they stand in the file's order already; an editor may have left gaps.
_PLACE = """
UPDATE incoming_variants i SET position = i.place - 1
FROM (
    SELECT n FROM (
        SELECT j.n, j.is_new, row_number() OVER (PARTITION BY j.n ORDER BY j.place) AS wanted,
               row_number() OVER (PARTITION BY j.n ORDER BY v.position, v.sku) AS found
        FROM incoming_variants j LEFT JOIN variants v ON v.sku = j.sku
        WHERE j.n > :after AND j.n <= :to
    ) ranked
    GROUP BY n HAVING bool_or(is_new OR wanted <> found)
) moved
WHERE i.n = moved.n
"""

_ANALYSE = ("ANALYZE incoming_products", "ANALYZE incoming_variants")

_SAME_PRODUCT = """
SELECT n, line, format('the product stands on line %s already', first) FROM (
    SELECT n, line, first_value(line) OVER same AS first
    FROM incoming_products
    WINDOW same AS (PARTITION BY CASE WHEN is_new THEN slug ELSE product_id::text END ORDER BY line)
) p WHERE line <> first
"""

_SAME_SKU = """
SELECT n, line, format('the SKU %s stands on line %s already', sku, first) FROM (
    SELECT n, line, sku, first_value(line) OVER (PARTITION BY sku ORDER BY line) AS first FROM incoming_variants
) v WHERE line <> first
"""

_SOMEBODY_ELSES_SKU = """
SELECT i.n, i.line, format('the SKU %s belongs to another product: %s', i.sku, p.slug)
FROM incoming_variants i JOIN variants v ON v.sku = i.sku JOIN products p ON p.id = v.product_id
WHERE v.product_id <> i.product_id
"""

_SAME_OPTIONS = """
SELECT i.n, i.line, format('the article %s of this product has these options', v.sku)
FROM incoming_variants i JOIN variants v ON v.product_id = i.product_id AND v.options = i.options
WHERE i.options <> '{}' AND v.sku <> i.sku
"""

_OTHER_OPTIONS = """
SELECT i.n, i.line, format('its options can not become others while the article %s is not in the file', min(v.sku))
FROM incoming_products i JOIN products p ON p.id = i.product_id JOIN variants v ON v.product_id = p.id
WHERE p.options <> i.options AND NOT EXISTS (SELECT FROM incoming_variants o WHERE o.n = i.n AND o.sku = v.sku)
GROUP BY i.n, i.line
"""

_OTHER_TYPE = """
SELECT i.n, i.line, format('the attribute %s is no %s here', a.name, given.type)
FROM incoming_products i, jsonb_each(i.attributes) AS each (name, value) JOIN attributes a USING (name)
CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(value) WHEN 'array' THEN 'list' ELSE 'text' END AS type) given
WHERE a.type <> given.type
"""

_CLASHES = (_SAME_PRODUCT, _SAME_SKU, _SOMEBODY_ELSES_SKU, _SAME_OPTIONS, _OTHER_OPTIONS, _OTHER_TYPE)

_LEAVE_OUT = (
    "DELETE FROM incoming_variants WHERE n IN (SELECT n FROM incoming_clashes)",
    "DELETE FROM incoming_products WHERE n IN (SELECT n FROM incoming_clashes)",
)

_TELL = text("""
SELECT line, reason, count(*) OVER () AS number
FROM (SELECT DISTINCT line, reason FROM incoming_clashes) c ORDER BY line, reason LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Clashes:
    """What stands in the way of rows: how many such reasons there are, and the first of them."""

    number: int
    first: tuple[Refusal, ...]


async def take(session: AsyncSession, import_id: UUID, products: int) -> None:
    """Take up what was read, and find each product and article in the shop. They stay locked until the end."""
    for statement in _TABLES:
        await session.execute(text(statement))
    await _in_parts(session, (_TAKE_PRODUCTS, _TAKE_VARIANTS, _KNOW_PRODUCTS), import_id, products)
    await session.execute(_LOCK)
    await session.execute(_LOCK_ATTRIBUTES)
    await session.execute(text(_NAME_NEW))
    await _in_parts(session, (_BELONG, _CALL, _KNOW_VARIANTS, _PLACE), import_id, products)
    for statement in _ANALYSE:
        await session.execute(text(statement))


async def _in_parts(session: AsyncSession, statements: Sequence[str], import_id: UUID, products: int) -> None:
    for after in range(0, products, AT_ONCE):
        for statement in map(text, statements):
            named = {"id": import_id} if ":id" in statement.text else {}
            await session.execute(statement, {"after": after, "to": after + AT_ONCE} | named)


async def clashes(session: AsyncSession) -> Clashes:
    """Find what the shop, or another row of the file, stands in the way of, and leave all of those products out."""
    for query in _CLASHES:
        await session.execute(text(f"INSERT INTO incoming_clashes {query}"))
    for statement in _LEAVE_OUT:
        await session.execute(text(statement))
    rows = (await session.execute(_TELL, {"most": MOST_REFUSALS})).all()
    return Clashes(rows[0].number if rows else 0, tuple(Refusal(row.line, row.reason) for row in rows))
