"""Reconciliation finds orders whose rows have gone further than their workflows."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.drop_constraint("reconciliation_findings_kind", "reconciliation_findings")
    op.create_check_constraint(
        "reconciliation_findings_kind",
        "reconciliation_findings",
        "kind IN ('workflow_lost', 'row_restored', 'row_ahead', 'row_restored_after_end',"
        " 'row_restored_after_shipment', 'row_lost', 'payment_adopted', 'payment_returned', 'refund_adopted',"
        " 'payment_of_ended_order', 'not_healed', 'amount_differs', 'dispute_unknown')",
        postgresql_not_valid=True,
    )
