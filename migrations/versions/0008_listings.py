"""The tables that lists and searches read, kept true by triggers: whoever writes a product can not forget them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.online import hold_writers

revision = "0008"
down_revision = "0007"

_WORDS = (
    "CREATE TEXT SEARCH CONFIGURATION product_words (COPY = simple)",
    """
ALTER TEXT SEARCH CONFIGURATION product_words
    ALTER MAPPING FOR asciiword, word, numword, hword, asciihword, numhword, hword_part, hword_asciipart, hword_numpart
    WITH unaccent, simple
""",
)

# A plan is made for each call: one that was made for an empty table would be kept for a full one.
# What is right already is not written again. The caller holds the lock of the category tree (db/categories.py).
_PLACE = """
CREATE FUNCTION place_products(changed uuid[]) RETURNS void LANGUAGE sql
SET plan_cache_mode = force_custom_plan AS $$
    WITH RECURSIVE above (product_id, category_id) AS (
        SELECT id, category_id FROM products WHERE id = ANY (changed) AND status = 'active' AND category_id IS NOT NULL
        UNION
        SELECT a.product_id, c.parent_id FROM above a JOIN categories c ON c.id = a.category_id
        WHERE c.parent_id IS NOT NULL
    ), placed AS MATERIALIZED (
        SELECT category_id, product_id FROM above
        UNION ALL
        SELECT '00000000-0000-0000-0000-000000000000', id FROM products WHERE id = ANY (changed) AND status = 'active'
    ), noted AS MATERIALIZED (
        SELECT product_id, sold_out FROM listings
        WHERE category_id = '00000000-0000-0000-0000-000000000000' AND product_id = ANY (changed)
    ), priced AS MATERIALIZED (
        SELECT t.category_id, x.currency, t.product_id, x.price
        FROM placed t JOIN (
            SELECT v.product_id, x.currency, min(x.amount) AS price
            FROM variants v JOIN prices x ON x.sku = v.sku
            WHERE v.product_id = ANY (changed) AND v.active
            GROUP BY 1, 2
        ) x USING (product_id)
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
        INSERT INTO listings AS l (category_id, product_id, created_at, title, sold_out)
        SELECT t.category_id, t.product_id, p.created_at, p.title, coalesce(e.sold_out, false)
        FROM placed t JOIN products p ON p.id = t.product_id LEFT JOIN noted e ON e.product_id = t.product_id
        ORDER BY 2, 1
        ON CONFLICT (product_id, category_id) DO UPDATE SET created_at = excluded.created_at, title = excluded.title
        WHERE (l.created_at, l.title) IS DISTINCT FROM (excluded.created_at, excluded.title)
    )
    INSERT INTO listed_prices AS l (category_id, currency, product_id, price, sold_out)
    SELECT t.category_id, t.currency, t.product_id, t.price, coalesce(e.sold_out, false)
    FROM priced t LEFT JOIN noted e ON e.product_id = t.product_id ORDER BY 3, 1, 2
    ON CONFLICT (product_id, category_id, currency) DO UPDATE SET price = excluded.price
    WHERE l.price IS DISTINCT FROM excluded.price
$$
"""

# SKUs are also words as they are written, so that the beginning of one finds it.
_DESCRIBE = (
    r"""
CREATE FUNCTION lexeme(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '''' || replace(replace(word, '\', '\\'), '''', '''''') || ''''
""",
    """
CREATE FUNCTION describe_products(changed uuid[]) RETURNS void LANGUAGE sql
SET plan_cache_mode = force_custom_plan AS $$
    DELETE FROM product_words w USING products p
    WHERE w.product_id = ANY (changed) AND p.id = w.product_id AND p.status <> 'active';

    INSERT INTO product_words AS w (product_id, words)
    SELECT p.id,
           setweight(to_tsvector('product_words', p.title), 'A')
           || setweight(to_tsvector('product_words', p.vendor || ' ' || coalesce(v.named, '')), 'B')
           || coalesce(v.skus, '')::tsvector
           || setweight(to_tsvector('product_words', p.description), 'D')
    FROM products p LEFT JOIN (
        SELECT product_id, string_agg(sku || ' ' || title, ' ' ORDER BY sku) AS named,
               string_agg(lexeme(lower(sku)) || ':1A', ' ' ORDER BY sku) AS skus
        FROM variants WHERE product_id = ANY (changed) AND active GROUP BY product_id
    ) v ON v.product_id = p.id
    WHERE p.id = ANY (changed) AND p.status = 'active'
    ORDER BY p.id
    ON CONFLICT (product_id) DO UPDATE SET words = excluded.words WHERE w.words <> excluded.words;

    INSERT INTO known_words AS k (word, named)
    SELECT t.word, bool_or(t.named)
    FROM (
        SELECT unnest(tsvector_to_array(to_tsvector('product_words', p.title || ' ' || p.vendor))) AS word, true AS named
        FROM products p WHERE p.id = ANY (changed) AND p.status = 'active'
        UNION
        SELECT coalesce(substring(word FROM '^([^0-9]+)[0-9]') || '0', word), false
        FROM product_words w, unnest(tsvector_to_array(w.words)) AS t (word) WHERE w.product_id = ANY (changed)
    ) t
    WHERE t.word ~ '^[^0-9]+0?$' AND length(t.word) BETWEEN 3 AND 40 AND (NOT t.named OR t.word !~ '0')
      AND NOT EXISTS (SELECT FROM known_words n WHERE n.word = t.word AND n.named >= t.named)
    GROUP BY t.word
    ORDER BY t.word
    ON CONFLICT (word) DO UPDATE SET named = true WHERE excluded.named AND NOT k.named
$$
""",
)

# Products change in turns, and not while a category is moved: each change sees what the other has written. A move takes
# no locks of products, so neither can wait for the other in a circle.
_REFRESH = """
CREATE FUNCTION refresh_listings(changed uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM pg_advisory_xact_lock_shared(7216540815);
        PERFORM FROM products WHERE id = ANY (changed) ORDER BY id FOR NO KEY UPDATE;
        PERFORM place_products(changed);
        PERFORM describe_products(changed);
    END IF;
END $$
"""

_TRIGGER_FUNCTIONS = (
    """
CREATE FUNCTION products_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_listings(ARRAY(SELECT id FROM changed ORDER BY id));
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION products_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_listings(ARRAY(
        SELECT n.id FROM changed n JOIN former o ON o.id = n.id
        WHERE (n.status, n.category_id, n.title, n.vendor, n.description, n.created_at)
            IS DISTINCT FROM (o.status, o.category_id, o.title, o.vendor, o.description, o.created_at)
        ORDER BY n.id
    ));
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION variants_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_listings(ARRAY(SELECT DISTINCT product_id FROM changed ORDER BY 1));
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION prices_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE products_of_them uuid[] := ARRAY(
    SELECT DISTINCT v.product_id FROM changed c JOIN variants v ON v.sku = c.sku ORDER BY 1
);
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7216540815);
    PERFORM FROM products WHERE id = ANY (products_of_them) ORDER BY id FOR NO KEY UPDATE;
    PERFORM place_products(products_of_them);
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION categories_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moved uuid[] := ARRAY(
    SELECT n.id FROM changed n JOIN former o ON o.id = n.id WHERE n.parent_id IS DISTINCT FROM o.parent_id
);
BEGIN
    IF cardinality(moved) > 0 THEN
        PERFORM pg_advisory_xact_lock(7216540815);
        PERFORM place_products(ARRAY(SELECT DISTINCT product_id FROM listings WHERE category_id = ANY (moved) ORDER BY 1));
    END IF;
    RETURN NULL;
END $$
""",
)

# Only what was not to be had before and is now: holds and sales pass by.
_BACK_IN_STOCK = (
    """
CREATE FUNCTION stock_came() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE back uuid[] := ARRAY(
    SELECT DISTINCT v.product_id FROM came c JOIN variants v ON v.sku = c.sku WHERE c.on_hand > c.reserved
);
BEGIN
    UPDATE listings SET sold_out = false WHERE product_id = ANY (back) AND sold_out;
    UPDATE listed_prices SET sold_out = false WHERE product_id = ANY (back) AND sold_out;
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION back_in_stock() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE back uuid := (SELECT product_id FROM variants WHERE sku = NEW.sku);
BEGIN
    UPDATE listings SET sold_out = false WHERE product_id = back AND sold_out;
    UPDATE listed_prices SET sold_out = false WHERE product_id = back AND sold_out;
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER stock_levels_insert_listed AFTER INSERT ON stock_levels
REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION stock_came()
""",
    """
CREATE TRIGGER stock_levels_update_listed AFTER UPDATE ON stock_levels
FOR EACH ROW WHEN (OLD.on_hand <= OLD.reserved AND NEW.on_hand > NEW.reserved) EXECUTE FUNCTION back_in_stock()
""",
)


def _triggers() -> list[str]:
    each = "FOR EACH STATEMENT EXECUTE FUNCTION"
    of_one = [
        f"CREATE TRIGGER {table}_{event.lower()}_listed AFTER {event} ON {table}"
        f" REFERENCING {transition} TABLE AS changed {each} {table}_changed()"
        for table in ("variants", "prices")
        for event, transition in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
    ]
    of_both = [
        f"CREATE TRIGGER {table}_update_listed AFTER UPDATE ON {table}"
        f" REFERENCING OLD TABLE AS former NEW TABLE AS changed {each} {function}()"
        for table, function in (("products", "products_edited"), ("categories", "categories_moved"))
    ]
    inserted = "CREATE TRIGGER products_insert_listed AFTER INSERT ON products REFERENCING NEW TABLE AS changed"
    return [*of_one, *of_both, f"{inserted} {each} products_changed()"]


# The planner may think that many products have them, and read the shop until it has found some.
_PRODUCTS_WITH = """
CREATE FUNCTION products_with(wanted jsonb, most integer) RETURNS SETOF uuid LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
    SELECT id FROM products WHERE attributes @> wanted LIMIT most
$$
"""


# What has digits is looked for as it is written, which is how a SKU begins, or by its parts. These are not beginnings of
# words, unlike other words: very many begin with what most SKUs begin with.
#
# A word that no product has is taken for a slip of the most similar one that a title or vendor has. In this order, the
# first known word that is not before it begins with it, or none does. The planner would rather read all known words.
_SEARCH_QUERY = (
    """
CREATE FUNCTION intended(typed text) RETURNS text LANGUAGE sql STABLE
SET pg_trgm.similarity_threshold = 0.25
SET enable_seqscan = off AS $$
    SELECT CASE WHEN length(typed) BETWEEN 3 AND 40 AND NOT coalesce((
        SELECT starts_with(k.word, typed) FROM known_words k WHERE k.word ~>=~ typed ORDER BY k.word USING ~<~ LIMIT 1
    ), false) THEN coalesce((
        SELECT k.word FROM known_words k WHERE k.named AND k.word % typed
        ORDER BY similarity(k.word, typed) DESC, k.word
        LIMIT 1
    ), typed) ELSE typed END
$$
""",
    """
CREATE FUNCTION search_query(typed text) RETURNS tsquery LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(CASE
        WHEN piece ~ '[0-9]' THEN
            '(' || lexeme(lower(piece)) || ':* | ' || (
                SELECT string_agg(lexeme(word), ' & ') || CASE count(*) WHEN 1 THEN ':*' ELSE '' END
                FROM unnest(tsvector_to_array(to_tsvector('product_words', piece))) AS t (word)
            ) || ')'
        ELSE (
            SELECT string_agg(lexeme(intended(word)) || ':*', ' & ')
            FROM unnest(tsvector_to_array(to_tsvector('product_words', piece))) AS t (word)
        )
    END, ' & '), '')::tsquery
    FROM (SELECT piece FROM regexp_split_to_table(typed, '\\s+') AS t (piece) LIMIT 16) pieces
$$
""",
)


def upgrade() -> None:
    """Make empty tables, then the triggers: products are written into them from now on, the others by 0009."""
    hold_writers("products", "variants", "prices", "categories", "stock_levels")
    for extension in ("pg_trgm", "unaccent"):
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    op.create_table(
        "listings",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sold_out", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("product_id", "category_id"),
    )
    op.create_table(
        "listed_prices",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("sold_out", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("product_id", "category_id", "currency"),
    )
    op.create_table(
        "product_words",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("product_id"),
    )
    op.create_table(
        "known_words",
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("word"),
    )
    connection = op.get_bind()
    of_products = (
        *_WORDS,
        _PLACE,
        *_DESCRIBE,
        _REFRESH,
        *_TRIGGER_FUNCTIONS,
        *_triggers(),
        _PRODUCTS_WITH,
        *_SEARCH_QUERY,
    )
    for statement in (*of_products, *_BACK_IN_STOCK):
        connection.exec_driver_sql(statement)
