"""Goods of an order come back to a place as often as they do; the rows that are there are compared, the shop is open."""

from alembic import op

from migrations.online import replace_index, validate

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Hold no lock that a checkout waits for; this can be interrupted at any point, and begins anew."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        validate("order_lines", "order_lines_returned")
        validate("order_events", "order_events_type")
        validate("stock_movements", "stock_movements_reason")
        replace_index(
            "UNIQUE INDEX",
            "stock_movements_once_an_order",
            "stock_movements (order_id, sku, location, reason)"
            " WHERE order_id IS NOT NULL AND reason NOT IN ('backorder', 'return')",
        )
        op.execute("RESET lock_timeout")
