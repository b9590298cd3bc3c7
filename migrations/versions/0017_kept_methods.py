"""Payments whose method is kept at the provider, so that it is forgotten with their order."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column(
        "payment_operations", sa.Column("keeps_method", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
