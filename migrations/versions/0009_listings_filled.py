"""Fill what lists and searches read, and make its indices, while the shop is open.

Nothing here holds a lock that a checkout waits for. It can be interrupted at any point, and begins anew.
"""

from alembic import op

from migrations.online import make_index, validate

revision = "0009"
down_revision = "0008"

_BATCH = 1_000
_INDICES = {
    "listings_newest": "listings (category_id, created_at DESC, product_id DESC)",
    "listings_title": "listings (category_id, title, product_id)",
    "listings_newest_left": "listings (category_id, created_at DESC, product_id DESC) WHERE NOT sold_out",
    "listings_title_left": "listings (category_id, title, product_id) WHERE NOT sold_out",
    "listings_newest_gone": "listings (category_id, created_at DESC, product_id DESC) WHERE sold_out",
    "listings_title_gone": "listings (category_id, title, product_id) WHERE sold_out",
    "listed_prices_by_price": "listed_prices (category_id, currency, price, product_id)",
    "listed_prices_left": "listed_prices (category_id, currency, price, product_id) WHERE NOT sold_out",
    "listed_prices_gone": "listed_prices (category_id, currency, price, product_id) WHERE sold_out",
    "product_words_found": "product_words USING gin (words)",
    "known_words_begin": "known_words (word text_pattern_ops)",
    "known_words_alike": "known_words USING gin (word gin_trgm_ops) WHERE named",
    "products_attributes": "products USING gin (attributes jsonb_path_ops)",
    "products_by_status": "products (status, created_at DESC, id DESC) WHERE status <> 'active'",
}


def upgrade() -> None:
    """Fill a thousand products at a time, each in a transaction of its own, then make the indices."""
    with op.get_context().autocommit_block():
        _fill()
        # These wait for whoever has a transaction open, and nobody waits for them.
        op.execute("SET lock_timeout = 0")
        validate("variants", "variants_weight")
        validate("prices", "prices_compare_at")
        make_index("UNIQUE INDEX", "variants_differ", "variants (product_id, options) WHERE options <> '{}'::jsonb")
        for name, columns in _INDICES.items():
            make_index("INDEX", name, columns)
        op.execute("ANALYZE listings, listed_prices, product_words, known_words")
        op.execute("RESET lock_timeout")


def _fill() -> None:
    connection = op.get_bind()
    last = "00000000-0000-0000-0000-000000000000"
    while (
        batch := connection.exec_driver_sql(
            "SELECT id FROM products WHERE id > $1 ORDER BY id LIMIT $2", (last, _BATCH)
        )
        .scalars()
        .all()
    ):
        connection.exec_driver_sql("SELECT refresh_listings($1)", (list(batch),))
        last = batch[-1]
