"""Make the indices by which the stock of a SKU and the orders that call an operator are read, while the shop is open.

Nothing here holds a lock that a checkout waits for. It can be interrupted at any point, and begins anew.
"""

from alembic import op

from migrations.online import make_index, replace_index, validate

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        make_index("INDEX", "stock_movements_of_sku", "stock_movements (sku, created_at, id)")
        make_index(
            "INDEX", "stock_movements_receipts", "stock_movements (sku, location, note) WHERE reason = 'receipt'"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS stock_movements_level")
        replace_index("INDEX", "order_lines_unshipped", "order_lines (sku, order_id) WHERE shipped_quantity < quantity")
        make_index("INDEX", "orders_needing_operator", "orders (created_at, id) WHERE needs_operator")
        validate("reconciliation_findings", "reconciliation_findings_kind")
        op.execute("RESET lock_timeout")
