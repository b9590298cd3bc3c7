"""The shop's own book of payments, money that is taken at delivery, and the name of the installation."""

import sqlalchemy as sa
from alembic import op

from migrations.online import take

revision = "0013"
down_revision = "0012"

_NOW = sa.text("now()")


def upgrade() -> None:
    take("orders", "order_events")
    _installation()
    _manual_payments()
    _manual_refunds()
    _take_at_delivery()


def _installation() -> None:
    """Draw the id that tells this database's payments from those of others at one provider."""
    op.create_table(
        "installation",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("one", name="installation_one"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.execute("INSERT INTO installation (one, id) VALUES (true, gen_random_uuid())")


def _manual_payments() -> None:
    op.create_table(
        "manual_payments",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("way", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("awaited_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("way IN ('card', 'bank_transfer', 'cash_on_delivery')", name="manual_payments_way"),
        sa.CheckConstraint(
            "state IN ('prepared', 'awaited', 'promised', 'received', 'cancelled', 'late')",
            name="manual_payments_state",
        ),
        sa.CheckConstraint("amount > 0", name="manual_payments_amount"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.PrimaryKeyConstraint("reference"),
        sa.UniqueConstraint("key", name="manual_payments_key"),
        sa.UniqueConstraint("receipt", name="manual_payments_receipt"),
    )
    op.create_index(op.f("ix_manual_payments_order_id"), "manual_payments", ["order_id"])
    op.create_index("manual_payments_newest", "manual_payments", ["created_at", "reference"])


def _manual_refunds() -> None:
    op.create_table(
        "manual_refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("state IN ('owed', 'paid')", name="manual_refunds_state"),
        sa.CheckConstraint("amount > 0", name="manual_refunds_amount"),
        sa.CheckConstraint("(state = 'paid') = (receipt IS NOT NULL)", name="manual_refunds_paid"),
        sa.ForeignKeyConstraint(["payment"], ["manual_payments.reference"]),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="manual_refunds_key"),
        sa.UniqueConstraint("receipt", name="manual_refunds_receipt"),
    )
    op.create_index(op.f("ix_manual_refunds_order_id"), "manual_refunds", ["order_id"])
    op.create_index(op.f("ix_manual_refunds_payment"), "manual_refunds", ["payment"])
    op.create_index(
        "manual_refunds_owed", "manual_refunds", ["created_at", "id"], postgresql_where=sa.text("state = 'owed'")
    )


def _take_at_delivery() -> None:
    op.drop_constraint("orders_capture_policy", "orders")
    op.create_check_constraint(
        "orders_capture_policy",
        "orders",
        "capture_policy IN ('placement', 'shipment', 'delivery')",
        postgresql_not_valid=True,
    )
    op.drop_constraint("order_events_type", "order_events")
    op.create_check_constraint(
        "order_events_type",
        "order_events",
        "type IN ('opened', 'refused', 'payment_declined', 'payment_action_required', 'payment_answered',"
        " 'payment_retry_scheduled', 'payment_retried', 'payment_expired', 'placed',"
        " 'payment_reauthorised', 'payment_collected', 'fulfilment_started', 'partially_shipped',"
        " 'partially_delivered', 'shipped', 'delivered', 'closed', 'cancel_requested', 'rest_cancelled', 'cancelled',"
        " 'refunded', 'operator_needed', 'operator_resolved')",
        postgresql_not_valid=True,
    )
