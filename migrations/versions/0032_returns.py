"""Returns, and what of each line is in one."""

import sqlalchemy as sa
from alembic import op

from migrations.online import take

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Hold each lock for a moment; the rows that are there are compared by the next revision."""
    take("orders", "order_lines", "order_notes", "order_events", "stock_movements")
    _count_what_comes_back()
    _returns()
    _new_words()


def _count_what_comes_back() -> None:
    op.add_column("order_lines", sa.Column("returned_quantity", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(
        "order_lines_returned",
        "order_lines",
        "0 <= returned_quantity AND returned_quantity <= shipped_quantity",
        postgresql_not_valid=True,
    )


def _returns() -> None:
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note_id", sa.Uuid(), nullable=True),
        sa.Column("refund_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_note_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('requested', 'received', 'cancelled')", name="returns_state"),
        sa.CheckConstraint("refund_amount >= 0", name="returns_refund"),
        sa.CheckConstraint("(state = 'requested') = (ended_at IS NULL)", name="returns_ended"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.ForeignKeyConstraint(["note_id"], ["order_notes.id"]),
        sa.ForeignKeyConstraint(["ended_note_id"], ["order_notes.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id", "n", name="returns_number"),
    )
    op.create_index("returns_awaited", "returns", ["created_at", "id"], postgresql_where=sa.text("state = 'requested'"))
    op.create_table(
        "return_lines",
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("received_quantity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("restocked_quantity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "0 <= restocked_quantity AND restocked_quantity <= received_quantity AND received_quantity <= quantity"
            " AND quantity > 0",
            name="return_lines_quantities",
        ),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"]),
        sa.ForeignKeyConstraint(["line_id"], ["order_lines.line_id"]),
        sa.PrimaryKeyConstraint("return_id", "line_id"),
    )


def _new_words() -> None:
    op.drop_constraint("order_events_type", "order_events")
    op.create_check_constraint(
        "order_events_type",
        "order_events",
        "type IN ('opened', 'refused', 'payment_declined', 'payment_action_required', 'payment_answered',"
        " 'payment_retry_scheduled', 'payment_retried', 'payment_expired', 'placed',"
        " 'payment_reauthorised', 'payment_collected', 'fulfilment_started', 'partially_shipped',"
        " 'partially_delivered', 'shipped', 'delivered', 'closed', 'cancel_requested', 'rest_cancelled', 'cancelled',"
        " 'refunded', 'return_requested', 'return_received', 'return_cancelled', 'operator_needed',"
        " 'operator_resolved')",
        postgresql_not_valid=True,
    )
    op.drop_constraint("stock_movements_reason", "stock_movements")
    op.create_check_constraint(
        "stock_movements_reason",
        "stock_movements",
        "reason IN ('receipt', 'adjustment', 'sale', 'cancellation', 'transfer', 'backorder', 'return')",
        postgresql_not_valid=True,
    )
