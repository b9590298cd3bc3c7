"""Events of payment providers that an order's row knows already or is about to, and refunds that the books have lost."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.drop_constraint("webhook_events_reason", "webhook_events")
    op.create_check_constraint(
        "webhook_events_reason",
        "webhook_events",
        "reason IN ('unknown_type', 'unknown_order', 'order_over', 'known', 'under_way')",
        postgresql_not_valid=True,
    )
    op.drop_constraint("reconciliation_findings_kind", "reconciliation_findings")
    op.create_check_constraint(
        "reconciliation_findings_kind",
        "reconciliation_findings",
        "kind IN ('workflow_lost', 'row_restored', 'row_restored_after_end', 'row_restored_after_shipment',"
        " 'row_lost', 'payment_adopted', 'payment_returned', 'refund_adopted', 'payment_of_ended_order', 'not_healed',"
        " 'amount_differs', 'dispute_unknown')",
        postgresql_not_valid=True,
    )
