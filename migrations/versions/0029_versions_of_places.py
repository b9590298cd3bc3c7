"""Number the states of places and of stock policies: who edits one names what they have read."""

import sqlalchemy as sa
from alembic import op

from migrations.online import take

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add columns with a constant default: no table is rewritten."""
    tables = ("stock_policies", "locations")
    take(*tables)
    for table in tables:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
