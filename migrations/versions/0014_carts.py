"""Carts that expire, that go into others, and that know which prices were seen."""

import sqlalchemy as sa
from alembic import op

from migrations.online import take

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    take("carts", "cart_lines")
    op.add_column("carts", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("carts_merged_into_fkey"), "carts", "carts", ["merged_into"], ["id"], postgresql_not_valid=True
    )
    op.add_column("cart_lines", sa.Column("seen_unit_price_amount", sa.BigInteger(), nullable=True))
