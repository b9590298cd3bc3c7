"""The tables of events of payment providers, and reconciliation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_NOW = sa.text("now()")
_ONE = sa.text("1")


def upgrade() -> None:
    """Keep what providers report, and what reconciliation finds."""
    _webhook_events()
    _returned_payments()
    _reports()


def _webhook_events() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("copies", sa.Integer(), server_default=_ONE, nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "type IN ('changed', 'action_required', 'authorised', 'captured', 'failed', 'voided', 'refunded',"
            " 'refund_failed', 'disputed', 'dispute_won', 'dispute_lost')",
            name="webhook_events_type",
        ),
        sa.CheckConstraint("state IN ('received', 'delivered', 'parked', 'ignored')", name="webhook_events_state"),
        sa.CheckConstraint("reason IN ('unknown_type', 'unknown_order', 'order_over')", name="webhook_events_reason"),
        sa.PrimaryKeyConstraint("provider", "event_id"),
    )
    op.create_index(op.f("ix_webhook_events_order_id"), "webhook_events", ["order_id"])
    op.create_index(
        "webhook_events_left",
        "webhook_events",
        ["received_at"],
        postgresql_where=sa.text("state IN ('received', 'parked')"),
    )
    op.create_index(
        "webhook_events_handled",
        "webhook_events",
        ["received_at"],
        postgresql_where=sa.text("state IN ('delivered', 'ignored')"),
    )


def _returned_payments() -> None:
    op.create_table(
        "returned_payments",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("state IN ('started', 'voided', 'refunded', 'refused')", name="returned_payments_state"),
        sa.CheckConstraint("amount >= 0", name="returned_payments_amount"),
        sa.PrimaryKeyConstraint("provider", "reference"),
    )
    op.create_index(op.f("ix_returned_payments_order_id"), "returned_payments", ["order_id"])


def _reports() -> None:
    op.create_table(
        "reconciliation_reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        *(
            sa.Column(count, sa.BigInteger(), nullable=False)
            for count in ("orders", "workflows", "payments", "healed", "parked")
        ),
        sa.Column("sums", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("reconciliation_reports_newest", "reconciliation_reports", ["began_at", "id"])
    op.create_table(
        "reconciliation_findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('workflow_lost', 'row_restored', 'row_restored_after_end', 'row_restored_after_shipment',"
            " 'row_lost', 'payment_adopted', 'payment_returned', 'payment_of_ended_order', 'not_healed',"
            " 'amount_differs', 'dispute_unknown')",
            name="reconciliation_findings_kind",
        ),
        sa.CheckConstraint("action IN ('healed', 'parked')", name="reconciliation_findings_action"),
        sa.ForeignKeyConstraint(["report_id"], ["reconciliation_reports.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("report_id", "order_id"):
        op.create_index(op.f(f"ix_reconciliation_findings_{column}"), "reconciliation_findings", [column])
    op.create_index(
        "reconciliation_findings_open",
        "reconciliation_findings",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("action = 'parked' AND settled_at IS NULL"),
    )
