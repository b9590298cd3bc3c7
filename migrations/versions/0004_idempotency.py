"""The table of answers kept for Idempotency-Key, and the indices by which orders are found."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _add_idempotency_keys()
    _index_orders()


def _index_orders() -> None:
    op.drop_index(op.f("ix_orders_customer_id"), table_name="orders")
    op.create_index("orders_by_time", "orders", ["created_at", "id"])
    op.create_index("orders_by_status", "orders", ["status", "created_at", "id"])
    op.create_index("orders_by_customer", "orders", ["customer_id", "created_at", "id"])
    op.create_index("orders_by_email", "orders", [sa.text("lower(email)"), "created_at", "id"])


def _add_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status IS NULL) = (answer IS NULL)", name="idempotency_keys_answer"),
        sa.CheckConstraint("status BETWEEN 200 AND 499", name="idempotency_keys_status"),
        sa.PrimaryKeyConstraint("owner", "key"),
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"], unique=False)
