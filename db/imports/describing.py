"""The shop's products as a file describes them: what an import would read, so that it changes nothing."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.merchandise import DescribedProduct, DescribedVariant, Picture, Stated

_PAGE = 500

# A category is told by its name where an import would find it by that, else by its slug.
_PRODUCTS = text("""
WITH named AS (
    SELECT id, CASE WHEN count(*) OVER (PARTITION BY name) = 1
                     AND NOT EXISTS (SELECT FROM categories o WHERE o.slug = c.name AND o.id <> c.id)
               THEN name ELSE slug END AS name
    FROM categories c
)
SELECT p.slug, p.title, p.description, p.status, coalesce(named.name, '') AS category, p.vendor, p.options,
       p.attributes, p.images, p.seo_title, p.seo_description, coalesce(v.variants, '[]') AS variants
FROM products p
LEFT JOIN named ON named.id = p.category_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'sku', v.sku, 'title', v.title, 'options', v.options, 'amount', x.amount, 'compare_at', x.compare_at_amount,
        'quantity', coalesce(s.on_hand, 0), 'backorder', coalesce(b.backorder_limit, 0) > 0, 'weight', v.weight,
        'tax_category', v.tax_category, 'barcode', v.barcode, 'image', v.image
    ) ORDER BY v.position, v.sku) AS variants
    FROM variants v
    LEFT JOIN prices x ON x.sku = v.sku AND x.currency = :currency
    LEFT JOIN stock_levels s ON s.sku = v.sku AND s.location = :location
    LEFT JOIN stock_policies b ON b.sku = v.sku
    WHERE v.product_id = p.id AND v.active
) v ON true
WHERE p.slug > :after
ORDER BY p.slug
LIMIT :limit
""")


async def products(session: AsyncSession, *, currency: str, location: str) -> AsyncIterator[DescribedProduct]:
    """Describe every product by its slug, a page of them at a time: prices in one currency, stock of one location.

    Articles that are not active are left out: an import leaves alone what its file does not name.
    """
    after = ""
    while True:
        values = {"currency": currency, "location": location, "after": after, "limit": _PAGE}
        rows = (await session.execute(_PRODUCTS, values)).mappings().all()
        for row in rows:
            yield _product(row)
        if len(rows) < _PAGE:
            return
        after = rows[-1]["slug"]


def _product(row: RowMapping) -> DescribedProduct:
    return DescribedProduct(
        line=0,
        slug=row["slug"],
        title=row["title"],
        description=row["description"],
        status=Stated(row["status"]),
        category=row["category"],
        vendor=row["vendor"],
        options=tuple(row["options"]),
        attributes=tuple(_texts(row["attributes"])),
        images=tuple(Picture(image["url"], image.get("alt", "")) for image in row["images"]),
        seo_title=row["seo_title"],
        seo_description=row["seo_description"],
        variants=tuple(_variant(variant, row["options"]) for variant in row["variants"]),
    )


def _texts(attributes: dict[str, Any]) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    for name, value in attributes.items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, list):
            yield name, tuple(value)


def _variant(found: dict[str, Any], names: list[str]) -> DescribedVariant:
    chosen = found.pop("options")
    options = tuple((name, chosen.get(name, "")) for name in names)
    return DescribedVariant(line=0, named=True, options=options, **found)
