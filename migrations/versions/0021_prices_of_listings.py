"""Have listings tell their products' prices and traits, so that a list that filters by them looks nowhere else."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.online import hold_writers, take

revision = "0021"
down_revision = "0020"

# One bit of 64 for each attribute and its value, drawn by a hash that takes 1 and 1.0 for the same.
_TRAITS = """
CREATE FUNCTION traits(attributes jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
    SELECT coalesce(bit_or(CAST(1 AS bigint) << CAST(jsonb_hash_extended(jsonb_build_object(key, value), 0) & 63 AS int)), 0)
    FROM jsonb_each(attributes)
)
"""

_EDITED = """
CREATE OR REPLACE FUNCTION products_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_listings(ARRAY(
        SELECT n.id FROM changed n JOIN former o ON o.id = n.id
        WHERE (n.status, n.category_id, n.title, n.vendor, n.description, n.attributes, n.created_at)
            IS DISTINCT FROM (o.status, o.category_id, o.title, o.vendor, o.description, o.attributes, o.created_at)
        ORDER BY n.id
    ));
    RETURN NULL;
END $$
"""

# A plan is made for each call: one that was made for an empty table would be kept for a full one.
# What is right already is not written again. The caller holds the lock of the category tree (db/categories.py).
_PLACE = """
CREATE OR REPLACE FUNCTION place_products(changed uuid[]) RETURNS void LANGUAGE sql
SET plan_cache_mode = force_custom_plan AS $$
    WITH RECURSIVE active AS MATERIALIZED (
        SELECT id AS product_id, category_id, created_at, title, traits(attributes) AS traits
        FROM products WHERE id = ANY (changed) AND status = 'active'
    ), above (product_id, category_id) AS (
        SELECT product_id, category_id FROM active WHERE category_id IS NOT NULL
        UNION
        SELECT a.product_id, c.parent_id FROM above a JOIN categories c ON c.id = a.category_id
        WHERE c.parent_id IS NOT NULL
    ), placed AS MATERIALIZED (
        SELECT category_id, product_id FROM above
        UNION ALL
        SELECT '00000000-0000-0000-0000-000000000000', product_id FROM active
    ), noted AS MATERIALIZED (
        SELECT product_id, sold_out FROM listings
        WHERE category_id = '00000000-0000-0000-0000-000000000000' AND product_id = ANY (changed)
    ), lowest AS MATERIALIZED (
        SELECT v.product_id, x.currency, min(x.amount) AS price
        FROM variants v JOIN prices x ON x.sku = v.sku
        WHERE v.product_id = ANY (changed) AND v.active
        GROUP BY 1, 2
    ), told AS MATERIALIZED (
        SELECT product_id, jsonb_object_agg(currency, price) AS prices FROM lowest GROUP BY 1
    ), priced AS MATERIALIZED (
        SELECT t.category_id, x.currency, t.product_id, x.price, a.traits
        FROM placed t JOIN lowest x USING (product_id) JOIN active a USING (product_id)
    ), listings_gone AS (
        DELETE FROM listings l USING (
            SELECT c.product_id, array_agg(t.category_id) AS places
            FROM unnest(changed) AS c (product_id) LEFT JOIN placed t USING (product_id)
            GROUP BY 1
        ) truth
        WHERE l.product_id = truth.product_id AND (l.category_id = ANY (truth.places)) IS NOT TRUE
    ), prices_gone AS (
        DELETE FROM listed_prices l USING (
            SELECT c.product_id, array_agg(t.category_id || t.currency) AS places
            FROM unnest(changed) AS c (product_id) LEFT JOIN priced t USING (product_id)
            GROUP BY 1
        ) truth
        WHERE l.product_id = truth.product_id AND (l.category_id || l.currency = ANY (truth.places)) IS NOT TRUE
    ), listed AS (
        INSERT INTO listings AS l (category_id, product_id, created_at, title, prices, traits, sold_out)
        SELECT t.category_id, t.product_id, a.created_at, a.title, coalesce(x.prices, '{}'), a.traits,
               coalesce(e.sold_out, false)
        FROM placed t JOIN active a USING (product_id)
        LEFT JOIN told x USING (product_id) LEFT JOIN noted e USING (product_id)
        ORDER BY 2, 1
        ON CONFLICT (product_id, category_id) DO UPDATE
        SET created_at = excluded.created_at, title = excluded.title, prices = excluded.prices, traits = excluded.traits
        WHERE (l.created_at, l.title, l.prices, l.traits)
            IS DISTINCT FROM (excluded.created_at, excluded.title, excluded.prices, excluded.traits)
    )
    INSERT INTO listed_prices AS l (category_id, currency, product_id, price, traits, sold_out)
    SELECT t.category_id, t.currency, t.product_id, t.price, t.traits, coalesce(e.sold_out, false)
    FROM priced t LEFT JOIN noted e ON e.product_id = t.product_id ORDER BY 3, 1, 2
    ON CONFLICT (product_id, category_id, currency) DO UPDATE SET price = excluded.price, traits = excluded.traits
    WHERE (l.price, l.traits) IS DISTINCT FROM (excluded.price, excluded.traits)
$$
"""


def upgrade() -> None:
    """Listings that are written from now on have both; 0022 gives them to the others."""
    hold_writers("products", "variants", "prices", "categories")
    take("listings", "listed_prices")
    op.add_column("listings", sa.Column("prices", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    for table in ("listings", "listed_prices"):
        op.add_column(table, sa.Column("traits", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for function in (_TRAITS, _EDITED, _PLACE):
        op.get_bind().exec_driver_sql(function)
