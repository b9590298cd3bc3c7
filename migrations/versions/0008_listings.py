"""What lists and searches of products read, kept true by triggers: whoever writes a product can not forget them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

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

# One product is read and written here, and one thousand at a time just as well.
_REFRESH = """
CREATE FUNCTION refresh_listings(changed uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(changed) = 0 THEN
        RETURN;
    END IF;
    -- Two changes of one product take turns: each sees what the other has written.
    PERFORM FROM products WHERE id = ANY (changed) ORDER BY id FOR NO KEY UPDATE;

    DELETE FROM listings WHERE product_id = ANY (changed);
    DELETE FROM listed_prices WHERE product_id = ANY (changed);
    DELETE FROM product_words WHERE product_id = ANY (changed);

    WITH RECURSIVE above (product_id, category_id) AS (
        SELECT id, category_id FROM products WHERE id = ANY (changed) AND status = 'active' AND category_id IS NOT NULL
        UNION
        SELECT a.product_id, c.parent_id FROM above a JOIN categories c ON c.id = a.category_id
        WHERE c.parent_id IS NOT NULL
    ), placed AS (
        SELECT category_id, product_id FROM above
        UNION ALL
        SELECT '00000000-0000-0000-0000-000000000000', id FROM products WHERE id = ANY (changed) AND status = 'active'
    ), listed AS (
        INSERT INTO listings (category_id, product_id, created_at, title)
        SELECT l.category_id, l.product_id, p.created_at, p.title FROM placed l JOIN products p ON p.id = l.product_id
        ORDER BY 1, 2
    ), lowest AS (
        SELECT v.product_id, x.currency, min(x.amount) AS price
        FROM variants v JOIN prices x ON x.sku = v.sku
        WHERE v.product_id = ANY (changed) AND v.active
        GROUP BY 1, 2
    )
    INSERT INTO listed_prices (category_id, currency, product_id, price)
    SELECT l.category_id, x.currency, l.product_id, x.price FROM placed l JOIN lowest x USING (product_id)
    ORDER BY 1, 2, 3;

    INSERT INTO product_words (product_id, words)
    SELECT p.id,
           setweight(to_tsvector('product_words', p.title), 'A')
           || setweight(to_tsvector('product_words', p.vendor || ' ' || coalesce(v.skus, '')), 'B')
           || setweight(to_tsvector('product_words', p.description), 'D')
    FROM products p LEFT JOIN (
        SELECT product_id, string_agg(sku || ' ' || title, ' ' ORDER BY sku) AS skus
        FROM variants WHERE product_id = ANY (changed) AND active GROUP BY product_id
    ) v ON v.product_id = p.id
    WHERE p.id = ANY (changed) AND p.status = 'active'
    ORDER BY p.id;

    INSERT INTO known_words (word)
    SELECT DISTINCT word
    FROM products p, unnest(tsvector_to_array(to_tsvector('product_words', p.title || ' ' || p.vendor))) AS word
    WHERE p.id = ANY (changed) AND p.status = 'active' AND word !~ '[0-9]' AND length(word) BETWEEN 3 AND 40
    ORDER BY word
    ON CONFLICT DO NOTHING;
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
BEGIN
    PERFORM refresh_listings(ARRAY(
        SELECT DISTINCT v.product_id FROM changed c JOIN variants v ON v.sku = c.sku ORDER BY 1
    ));
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION categories_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_listings(ARRAY(
        SELECT DISTINCT l.product_id
        FROM changed n JOIN former o ON o.id = n.id JOIN listings l ON l.category_id = n.id
        WHERE n.parent_id IS DISTINCT FROM o.parent_id
        ORDER BY 1
    ));
    RETURN NULL;
END $$
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


_SEARCH_QUERY = """
CREATE FUNCTION search_query(typed text) RETURNS tsquery LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(quote_literal(coalesce(nearest.word, typed_words.word)) || ':*', ' & '), '')::tsquery
    FROM (
        SELECT word, EXISTS (SELECT FROM known_words WHERE word LIKE t.word || '%') AS known
        FROM unnest(tsvector_to_array(to_tsvector('product_words', typed))) AS t (word)
        LIMIT 16
    ) typed_words
    LEFT JOIN LATERAL (
        SELECT k.word FROM known_words k
        WHERE NOT typed_words.known AND length(typed_words.word) > 2 AND typed_words.word !~ '[0-9]'
          AND k.word % typed_words.word
        ORDER BY similarity(k.word, typed_words.word) DESC, k.word
        LIMIT 1
    ) nearest ON true
$$
"""


def upgrade() -> None:
    """Make tables and triggers, then fill the tables from the products that are there, a thousand at a time."""
    for extension in ("pg_trgm", "unaccent"):
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    op.create_table(
        "listings",
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("category_id", "product_id"),
    )
    op.create_index(
        "listings_newest", "listings", ["category_id", sa.text("created_at DESC"), sa.text("product_id DESC")]
    )
    op.create_index("listings_title", "listings", ["category_id", "title", "product_id"])
    op.create_index("listings_of_product", "listings", ["product_id"])
    op.create_table(
        "listed_prices",
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("category_id", "currency", "product_id"),
    )
    op.create_index("listed_prices_by_price", "listed_prices", ["category_id", "currency", "price", "product_id"])
    op.create_index("listed_prices_of_product", "listed_prices", ["product_id"])
    op.create_table(
        "product_words",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("product_id"),
    )
    op.create_index("product_words_found", "product_words", ["words"], postgresql_using="gin")
    op.create_table("known_words", sa.Column("word", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("word"))
    op.create_index("known_words_begin", "known_words", ["word"], postgresql_ops={"word": "text_pattern_ops"})
    op.create_index(
        "known_words_alike",
        "known_words",
        ["word"],
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.create_index(
        "products_attributes",
        "products",
        ["attributes"],
        postgresql_using="gin",
        postgresql_ops={"attributes": "jsonb_path_ops"},
    )
    for statement in (*_WORDS, _REFRESH, *_TRIGGER_FUNCTIONS, *_triggers(), _SEARCH_QUERY):
        op.execute(statement)
    op.execute("""
        DO $$ DECLARE batch uuid[]; BEGIN
            FOR batch IN SELECT array_agg(id) FROM (
                SELECT id, row_number() OVER (ORDER BY id) / 1000 AS part FROM products
            ) p GROUP BY part LOOP PERFORM refresh_listings(batch); END LOOP;
        END $$
    """)
