"""The tables of stock in several places."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.online import take

revision = "0010"
down_revision = "0009"

_ZERO = sa.text("0")
_NOW = sa.text("now()")


def upgrade() -> None:
    """Let locations say where they ship to, and keep what is decided about a SKU and what orders wait for."""
    take("variants", "orders", "stock_movements", "locations")
    _locations()
    _movements()
    _policies()
    _backorders()
    _alerts()


def _locations() -> None:
    for column in (
        sa.Column("priority", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("countries", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    ):
        op.add_column("locations", column)


def _movements() -> None:
    """Allow two more reasons. (An order that waits may be given goods of one place more than once: see 0016.)."""
    op.drop_constraint("stock_movements_reason", "stock_movements")
    op.create_check_constraint(
        "stock_movements_reason",
        "stock_movements",
        "reason IN ('receipt', 'adjustment', 'sale', 'cancellation', 'transfer', 'backorder')",
        postgresql_not_valid=True,
    )


def _policies() -> None:
    op.create_table(
        "stock_policies",
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("backorder_limit", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("backordered", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("low_stock_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("backorder_limit >= 0", name="stock_policies_backorder_limit"),
        sa.CheckConstraint("backordered >= 0", name="stock_policies_backordered"),
        sa.CheckConstraint("low_stock_at >= 0", name="stock_policies_low_stock_at"),
        sa.ForeignKeyConstraint(["sku"], ["variants.sku"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sku"),
        postgresql_with={"fillfactor": 50},
    )


def _backorders() -> None:
    op.create_table(
        "backorders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("state IN ('held', 'committed', 'released')", name="backorders_state"),
        sa.CheckConstraint("quantity > 0", name="backorders_quantity"),
        sa.CheckConstraint("state <> 'committed' OR placed_at IS NOT NULL", name="backorders_placed"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.PrimaryKeyConstraint("order_id", "sku"),
    )
    op.create_index("backorders_queue", "backorders", ["sku", "placed_at", "order_id"])


def _alerts() -> None:
    op.create_table(
        "stock_alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("low_stock_at", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["sku"], ["variants.sku"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["notification_id"], ["notifications.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_stock_alerts_sku"), "stock_alerts", ["sku"])
    for name, column, condition in (
        ("stock_alerts_untold", "created_at", "notification_id IS NULL"),
        ("stock_alerts_told", "notification_id", "notification_id IS NOT NULL"),
    ):
        op.create_index(name, "stock_alerts", [column], postgresql_where=sa.text(condition))
