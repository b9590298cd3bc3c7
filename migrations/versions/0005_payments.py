"""The tables of payment attempts, retries, refunds and shipments."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NOW = sa.text("now()")


def upgrade() -> None:
    _widen_orders()
    _add_refunds()
    _add_shipments()
    _widen_operations()
    _keep_what_is_waited_for()


def _widen_orders() -> None:
    op.add_column("orders", sa.Column("refunding_amount", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("orders", sa.Column("capture_policy", sa.Text(), server_default="placement", nullable=False))
    op.add_column("orders", sa.Column("close_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("orders_capture_policy", "orders", "capture_policy IN ('placement', 'shipment')")
    op.drop_constraint("orders_money", "orders")
    op.create_check_constraint(
        "orders_money",
        "orders",
        "0 <= refunded_amount AND 0 <= refunding_amount AND refunded_amount + refunding_amount <= captured_amount"
        " AND captured_amount <= total_amount",
    )
    op.drop_constraint("orders_payment_status", "orders")
    op.create_check_constraint(
        "orders_payment_status",
        "orders",
        "payment_status IN ('none', 'authorised', 'partially_captured', 'captured', 'partially_refunded', 'refunded',"
        " 'voided', 'disputed')",
    )
    op.add_column("orders", sa.Column("cancelled_amount", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(
        "orders_cancelled", "orders", "0 <= cancelled_amount AND cancelled_amount <= total_amount"
    )
    op.add_column("order_lines", sa.Column("shipped_quantity", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("order_lines", sa.Column("cancelled_quantity", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(
        "order_lines_shipped",
        "order_lines",
        "0 <= shipped_quantity AND 0 <= cancelled_quantity AND shipped_quantity + cancelled_quantity <= quantity",
    )
    op.drop_constraint("order_events_type", "order_events")
    op.create_check_constraint(
        "order_events_type",
        "order_events",
        "type IN ('opened', 'refused', 'payment_declined', 'payment_action_required', 'payment_answered',"
        " 'payment_retry_scheduled', 'payment_retried', 'payment_expired', 'placed',"
        " 'payment_reauthorised', 'fulfilment_started', 'partially_shipped', 'partially_delivered', 'shipped',"
        " 'delivered', 'closed', 'cancel_requested', 'cancelled', 'refunded', 'operator_needed', 'operator_resolved')",
    )


def _add_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("state IN ('started', 'succeeded', 'failed', 'abandoned')", name="refunds_state"),
        sa.CheckConstraint("amount > 0", name="refunds_amount"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.ForeignKeyConstraint(["note_id"], ["order_notes.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id", "n", name="refunds_number"),
    )
    op.create_index("refunds_under_way", "refunds", ["order_id"], postgresql_where=sa.text("state = 'started'"))


def _add_shipments() -> None:
    op.create_table(
        "shipments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share_amount", sa.BigInteger(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("tracking_number", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('preparing', 'shipped', 'delivered', 'abandoned')", name="shipments_state"),
        sa.CheckConstraint("share_amount >= 0", name="shipments_share"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id", "n", name="shipments_number"),
    )
    op.create_index("shipments_under_way", "shipments", ["order_id"], postgresql_where=sa.text("state = 'preparing'"))
    op.create_table(
        "shipment_lines",
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name="shipment_lines_quantity"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"]),
        sa.ForeignKeyConstraint(["line_id"], ["order_lines.line_id"]),
        sa.PrimaryKeyConstraint("shipment_id", "line_id"),
    )


def _widen_operations() -> None:
    op.add_column("payment_operations", sa.Column("n", sa.Integer(), nullable=True))
    op.execute("UPDATE payment_operations SET n = attempt")
    op.alter_column("payment_operations", "n", nullable=False)
    op.add_column("payment_operations", sa.Column("authorised_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payment_operations", sa.Column("refund_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(None, "payment_operations", "refunds", ["refund_id"], ["id"])
    op.create_index(op.f("ix_payment_operations_refund_id"), "payment_operations", ["refund_id"])


def _keep_what_is_waited_for() -> None:
    """Keep the retries that a buyer has asked for, and payments that wait for the buyer."""
    op.add_column(
        "orders", sa.Column("payment_retry_delays", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False)
    )
    op.add_column("orders", sa.Column("payment_retries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("orders", sa.Column("payment_retry_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "orders", sa.Column("payment_retry_holds_stock", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column("payment_operations", sa.Column("client_secret", sa.Text(), nullable=True))
    op.drop_constraint("payment_operations_state", "payment_operations")
    op.create_check_constraint(
        "payment_operations_state",
        "payment_operations",
        "state IN ('started', 'action_required', 'succeeded', 'declined', 'abandoned')",
    )
    op.create_check_constraint(
        "payment_operations_secret_is_short_lived",
        "payment_operations",
        "client_secret IS NULL OR state = 'action_required'",
    )
