"""The JSON of a product as it is shown, which PostgreSQL writes."""

from db.product_filters import SELLS

DOCUMENT = f"""CAST(json_build_object(
    'id', p.id, 'slug', p.slug, 'title', p.title, 'description', p.description, 'status', p.status,
    'category', (SELECT slug FROM categories WHERE id = p.category_id),
    'vendor', p.vendor, 'options', p.options, 'attributes', p.attributes, 'images', p.images,
    'seo_title', p.seo_title, 'seo_description', p.seo_description, 'version', p.version,
    'variants', (
        SELECT coalesce(json_agg(json_build_object(
            'sku', v.sku, 'title', v.title, 'active', v.active, 'options', v.options,
            'prices', coalesce(x.prices, '[]'), 'compare_at', coalesce(x.compare_at, '[]'),
            'weight', v.weight, 'tax_category', v.tax_category, 'barcode', v.barcode, 'image', v.image,
            'available', (
                SELECT coalesce(sum(on_hand - reserved), 0) FROM stock_levels WHERE sku = v.sku AND {SELLS}
            )
        ) ORDER BY v.position, v.sku), '[]')
        FROM variants v LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object('amount', amount, 'currency', currency) ORDER BY currency) AS prices,
                   json_agg(json_build_object('amount', compare_at_amount, 'currency', currency) ORDER BY currency)
                       FILTER (WHERE compare_at_amount IS NOT NULL) AS compare_at
            FROM prices WHERE sku = v.sku
        ) x ON true
        WHERE v.product_id = p.id AND (v.active OR CAST(:everything AS boolean))
    )
) AS text)"""  # noqa: S608 - our own words
"""An expression on `p`, a row of `products`; the parameter `everything` has it show what is not active as well."""
