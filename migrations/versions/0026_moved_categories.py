"""Have the lists of a category that is moved with very many products follow it, rather than move with it."""

import sqlalchemy as sa
from alembic import op

from migrations.online import hold_writers

revision = "0026"
down_revision = "0025"

# What is listed at once is what a request has time for. Where it is more, lists follow (`relist_moved`): until then a
# product is still listed where it was. Moved again, a category begins anew.
_MOVED = """
CREATE OR REPLACE FUNCTION categories_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved uuid[] := ARRAY(
        SELECT n.id FROM changed n JOIN former o ON o.id = n.id WHERE n.parent_id IS DISTINCT FROM o.parent_id
    );
    below uuid[];
BEGIN
    IF cardinality(moved) > 0 THEN
        PERFORM pg_advisory_xact_lock(7216540815);
        below := ARRAY(SELECT product_id FROM listings WHERE category_id = ANY (moved) LIMIT 1001);
        IF cardinality(below) <= 1000 THEN
            PERFORM place_products(ARRAY(SELECT DISTINCT unnest(below) ORDER BY 1));
        ELSE
            INSERT INTO moved_categories AS m (category_id) SELECT unnest(moved)
            ON CONFLICT (category_id) DO UPDATE
            SET (moved_at, last_created_at, last_id) = (excluded.moved_at, excluded.last_created_at, excluded.last_id);
        END IF;
    END IF;
    RETURN NULL;
END $$
"""

# Whoever moves a category waits for a batch, and no batch is under way while somebody does: the tree stands still.
# A product that comes below meanwhile, or changes, is listed where it belongs by its own trigger.
_RELIST = """
CREATE FUNCTION relist_moved(most integer) RETURNS integer LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    moved moved_categories;
    batch uuid[];
    times timestamptz[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7216540815);
    SELECT * INTO moved FROM moved_categories ORDER BY moved_at, category_id LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT array_agg(product_id), array_agg(created_at) INTO batch, times
    FROM (
        SELECT created_at, product_id FROM listings
        WHERE category_id = moved.category_id AND (created_at, product_id) < (moved.last_created_at, moved.last_id)
        ORDER BY created_at DESC, product_id DESC
        LIMIT most
    ) next;
    PERFORM FROM products WHERE id = ANY (batch) ORDER BY id FOR NO KEY UPDATE;
    PERFORM place_products(batch);
    IF cardinality(batch) = most THEN
        UPDATE moved_categories SET (last_created_at, last_id) = (times[most], batch[most])
        WHERE category_id = moved.category_id;
    ELSE
        DELETE FROM moved_categories WHERE category_id = moved.category_id;
    END IF;
    RETURN coalesce(cardinality(batch), 0);
END $$
"""


def upgrade() -> None:
    """Make a table, then what writes to it."""
    hold_writers("categories")
    op.create_table(
        "moved_categories",
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_created_at", sa.DateTime(timezone=True), server_default=sa.text("'infinity'"), nullable=False),
        sa.Column(
            "last_id", sa.Uuid(), server_default=sa.text("'ffffffff-ffff-ffff-ffff-ffffffffffff'"), nullable=False
        ),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("category_id"),
    )
    for function in (_MOVED, _RELIST):
        op.get_bind().exec_driver_sql(function)
