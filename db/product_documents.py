"""The JSON of a product as it is shown, which PostgreSQL writes.

Lists show what was written down when the product was edited (`models.listings.ProductDocument`), and add only what is
another thing from one moment to the next; everything else is built from the product itself. Both are the same text.
"""

from db.product_filters import SELLS

_AVAILABLE = f"SELECT coalesce(sum(on_hand - reserved), 0) FROM stock_levels WHERE sku = v.sku AND {SELLS}"  # noqa: S608 - our own words


def _document(everything: str) -> str:
    return f"""CAST(json_build_object(
    'id', p.id, 'slug', p.slug, 'title', p.title, 'description', p.description, 'status', p.status,
    'vendor', p.vendor, 'options', p.options, 'attributes', p.attributes, 'images', p.images,
    'seo_title', p.seo_title, 'seo_description', p.seo_description, 'version', p.version,
    'category', (SELECT slug FROM categories WHERE id = p.category_id),
    'variants', (
        SELECT coalesce(json_agg(json_build_object(
            'sku', v.sku, 'title', v.title, 'active', v.active, 'options', v.options,
            'prices', coalesce(x.prices, '[]'), 'compare_at', coalesce(x.compare_at, '[]'),
            'weight', v.weight, 'tax_category', v.tax_category, 'barcode', v.barcode, 'image', v.image,
            'available', ({_AVAILABLE})
        ) ORDER BY v.position, v.sku), '[]')
        FROM variants v LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object('amount', amount, 'currency', currency) ORDER BY currency) AS prices,
                   json_agg(json_build_object('amount', compare_at_amount, 'currency', currency) ORDER BY currency)
                       FILTER (WHERE compare_at_amount IS NOT NULL) AS compare_at
            FROM prices WHERE sku = v.sku
        ) x ON true
        WHERE v.product_id = p.id AND (v.active OR {everything})
    )
) AS text)"""  # noqa: S608 - as above


DOCUMENT = _document("CAST(:everything AS boolean)")
"""An expression on `p`, a row of `products`; the parameter `everything` has it show what is not active as well."""

PUBLIC_DOCUMENT = _document("false")
"""The same without a parameter: as everybody sees it."""

LISTED_DOCUMENT = f"""d.head || ', "category" : ' || coalesce(
    (SELECT CAST(to_json(slug) AS text) FROM categories WHERE id = d.category_id), 'null'
) || ', "variants" : [' || coalesce((
    SELECT string_agg(v.head || ', "available" : ' || ({_AVAILABLE}) || '}}', ', ' ORDER BY v.number)
    FROM unnest(d.skus, d.variants) WITH ORDINALITY AS v (sku, head, number)
), '') || ']}}'"""  # noqa: S608 - as above
"""An expression on `d`, a row of `product_documents`: the same text as `PUBLIC_DOCUMENT` of its product."""
