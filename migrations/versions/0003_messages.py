"""The tables of messages without an order, addresses and preferences."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.alter_column("notifications", "order_id", existing_type=sa.Uuid(), nullable=True)
    op.add_column("notifications", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.add_column("notifications", sa.Column("token_id", sa.Uuid(), nullable=True))
    op.add_column(
        "notifications",
        sa.Column("sweep_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_foreign_key(
        "notifications_user_id_fkey",
        "notifications",
        "users",
        ["user_id"],
        ["id"],
        ondelete="CASCADE",
        deferrable=True,
        initially="DEFERRED",
    )
    op.create_check_constraint("notifications_of_one", "notifications", "order_id IS NULL OR user_id IS NULL")
    op.create_unique_constraint("notifications_once_a_user", "notifications", ["user_id", "template", "channel", "n"])
    op.create_index(
        "notifications_to_sweep",
        "notifications",
        ["sweep_at"],
        postgresql_where=sa.text("order_id IS NULL AND state IN ('pending', 'sending')"),
    )
    op.create_table(
        "addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("line1", sa.Text(), nullable=False),
        sa.Column("line2", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("default_shipping", sa.Boolean(), nullable=False),
        sa.Column("default_billing", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("addresses_of_user", "addresses", ["user_id", "id"])
    op.create_index(
        "addresses_shipping", "addresses", ["user_id"], unique=True, postgresql_where=sa.text("default_shipping")
    )
    op.create_index(
        "addresses_billing", "addresses", ["user_id"], unique=True, postgresql_where=sa.text("default_billing")
    )
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("topic IN ('order_updates', 'marketing')", name="notification_preferences_topic"),
        sa.CheckConstraint("channel IN ('email', 'sms')", name="notification_preferences_channel"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "topic", "channel"),
    )
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sweep_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_index("erasures_to_sweep", "erasures", ["sweep_at"], postgresql_where=sa.text("completed_at IS NULL"))
    op.create_index(
        "carts_of_guests", "carts", [sa.text("lower(email)")], postgresql_where=sa.text("customer_id IS NULL")
    )
