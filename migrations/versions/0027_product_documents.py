"""Write down what a list shows of a product when it is edited, rather than put it together whenever it is listed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.online import hold_writers

revision = "0027"
down_revision = "0026"

# The products are locked first, so that each change sees what the other has written (see 0008).
# A plan is made for each call: one that was made for an empty table would be kept for a full one.
_WRITE = """
CREATE FUNCTION write_documents(changed uuid[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    PERFORM FROM products WHERE id = ANY (changed) ORDER BY id FOR NO KEY UPDATE;

    DELETE FROM product_documents d USING products p
    WHERE d.product_id = ANY (changed) AND p.id = d.product_id AND p.status <> 'active';

    INSERT INTO product_documents AS d (product_id, category_id, head, skus, variants)
    SELECT p.id, p.category_id,
        left(CAST(json_build_object(
            'id', p.id, 'slug', p.slug, 'title', p.title, 'description', p.description, 'status', p.status,
            'vendor', p.vendor, 'options', p.options, 'attributes', p.attributes, 'images', p.images,
            'seo_title', p.seo_title, 'seo_description', p.seo_description, 'version', p.version
        ) AS text), -1),
        v.skus, v.heads
    FROM products p CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(v.sku ORDER BY v.position, v.sku), '{}') AS skus,
               coalesce(array_agg(left(CAST(json_build_object(
                   'sku', v.sku, 'title', v.title, 'active', v.active, 'options', v.options,
                   'prices', coalesce(x.prices, '[]'), 'compare_at', coalesce(x.compare_at, '[]'),
                   'weight', v.weight, 'tax_category', v.tax_category, 'barcode', v.barcode, 'image', v.image
               ) AS text), -1) ORDER BY v.position, v.sku), '{}') AS heads
        FROM variants v CROSS JOIN LATERAL (
            SELECT json_agg(json_build_object('amount', amount, 'currency', currency) ORDER BY currency) AS prices,
                   json_agg(json_build_object('amount', compare_at_amount, 'currency', currency) ORDER BY currency)
                       FILTER (WHERE compare_at_amount IS NOT NULL) AS compare_at
            FROM prices WHERE sku = v.sku
        ) x
        WHERE v.product_id = p.id AND v.active
    ) v
    WHERE p.id = ANY (changed) AND p.status = 'active'
    ORDER BY p.id
    ON CONFLICT (product_id) DO UPDATE
    SET (category_id, head, skus, variants) = (excluded.category_id, excluded.head, excluded.skus, excluded.variants)
    WHERE (d.category_id, d.head, d.skus, d.variants)
        IS DISTINCT FROM (excluded.category_id, excluded.head, excluded.skus, excluded.variants);
END $$
"""

_REFRESH = """
CREATE OR REPLACE FUNCTION refresh_listings(changed uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM pg_advisory_xact_lock_shared(7216540815);
        PERFORM FROM products WHERE id = ANY (changed) ORDER BY id FOR NO KEY UPDATE;
        PERFORM place_products(changed);
        PERFORM describe_products(changed);
        PERFORM write_documents(changed);
    END IF;
END $$
"""

_EDITED = """
CREATE OR REPLACE FUNCTION products_edited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE listed uuid[] := ARRAY(
    SELECT n.id FROM changed n JOIN former o ON o.id = n.id
    WHERE (n.status, n.category_id, n.title, n.vendor, n.description, n.attributes, n.created_at)
        IS DISTINCT FROM (o.status, o.category_id, o.title, o.vendor, o.description, o.attributes, o.created_at)
    ORDER BY n.id
);
BEGIN
    PERFORM refresh_listings(listed);
    PERFORM write_documents(ARRAY(SELECT id FROM changed EXCEPT SELECT unnest(listed) ORDER BY 1));
    RETURN NULL;
END $$
"""

_PRICED = """
CREATE OR REPLACE FUNCTION prices_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE products_of_them uuid[] := ARRAY(
    SELECT DISTINCT v.product_id FROM changed c JOIN variants v ON v.sku = c.sku ORDER BY 1
);
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7216540815);
    PERFORM FROM products WHERE id = ANY (products_of_them) ORDER BY id FOR NO KEY UPDATE;
    PERFORM place_products(products_of_them);
    PERFORM write_documents(products_of_them);
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Whatever is edited from now on is written down; 0028 does so for the others."""
    hold_writers("products", "variants", "prices", "categories")
    op.create_table(
        "product_documents",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("skus", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("variants", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("product_id"),
    )
    for function in (_WRITE, _REFRESH, _EDITED, _PRICED):
        op.get_bind().exec_driver_sql(function)
