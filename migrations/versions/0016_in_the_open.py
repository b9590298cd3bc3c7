"""Make the indices and compare the rows that the revisions before have left, while the shop is open."""

from alembic import op

from migrations.online import make_index, replace_index, validate

revision = "0016"
down_revision = "0015"

_CONSTRAINTS = {
    "stock_movements": ("stock_movements_reason",),
    "order_lines": ("order_lines_parts",),
    "orders": ("orders_capture_policy",),
    "order_events": ("order_events_type",),
    "carts": ("carts_merged_into_fkey",),
    "webhook_events": ("webhook_events_reason",),
    "reconciliation_findings": ("reconciliation_findings_kind",),
}


def upgrade() -> None:
    """Hold no lock that a checkout waits for; this can be interrupted at any point, and begins anew."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for table, constraints in _CONSTRAINTS.items():
            for constraint in constraints:
                validate(table, constraint)
        make_index("INDEX", "order_lines_unshipped", "order_lines (sku) WHERE shipped_quantity < quantity")
        make_index("INDEX", "carts_by_status", "carts (status, updated_at, id)")
        replace_index(
            "UNIQUE INDEX",
            "stock_movements_once_an_order",
            "stock_movements (order_id, sku, location, reason) WHERE order_id IS NOT NULL AND reason <> 'backorder'",
        )
        op.execute("RESET lock_timeout")
