"""Events of payment providers that an order's row knows already."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.drop_constraint("webhook_events_reason", "webhook_events")
    op.create_check_constraint(
        "webhook_events_reason",
        "webhook_events",
        "reason IN ('unknown_type', 'unknown_order', 'order_over', 'known')",
    )
