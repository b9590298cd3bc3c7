"""Have the indices that lists follow tell prices, so that a filter by price looks at no row that it leaves out."""

from alembic import op

from migrations.online import replace_index

revision = "0024"
down_revision = "0023"

_ORDERS = {
    "listings_newest": "category_id, created_at DESC, product_id DESC",
    "listings_title": "category_id, title, product_id",
}
_AMONG = {"": "", "_left": " WHERE NOT sold_out", "_gone": " WHERE sold_out"}


def upgrade() -> None:
    """Make the six indices anew, while the shop is open; this can be interrupted at any point, and begins anew."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for name, order in _ORDERS.items():
            for suffix, among in _AMONG.items():
                replace_index("INDEX", f"{name}{suffix}", f"listings ({order}) INCLUDE (prices){among}")
        op.execute("RESET lock_timeout")
