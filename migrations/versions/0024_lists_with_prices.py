"""Have the indices that lists follow tell prices and traits, so that a filter looks at no row that it leaves out."""

from alembic import op

from migrations.online import replace_index

revision = "0024"
down_revision = "0023"

_LEFT, _GONE = " WHERE NOT sold_out", " WHERE sold_out"
_NEWEST = "listings (category_id, created_at DESC, product_id DESC) INCLUDE (prices, traits)"
_TITLE = "listings (category_id, title, product_id) INCLUDE (prices, traits)"
_PRICE = "listed_prices (category_id, currency, price, product_id) INCLUDE (traits)"
_INDICES = {
    "listings_newest": _NEWEST,
    "listings_newest_left": _NEWEST + _LEFT,
    "listings_newest_gone": _NEWEST + _GONE,
    "listings_title": _TITLE,
    "listings_title_left": _TITLE + _LEFT,
    "listings_title_gone": _TITLE + _GONE,
    "listed_prices_by_price": _PRICE,
    "listed_prices_left": _PRICE + _LEFT,
    "listed_prices_gone": _PRICE + _GONE,
}


def upgrade() -> None:
    """Make the nine indices anew, while the shop is open; this can be interrupted at any point, and begins anew."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for name, columns in _INDICES.items():
            replace_index("INDEX", name, columns)
        op.execute("RESET lock_timeout")
