"""The tables of the catalogue's editors: versions, attributes, options, redirects and price history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.online import take

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns with constant defaults (no table is rewritten), and tables that nobody reads yet.

    Whatever has to read a table to its end is left to 0009, which holds no locks meanwhile.
    """
    take("variants", "prices", "products", "categories")
    op.add_column("categories", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_table(
        "attributes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.CheckConstraint("type IN ('text', 'number', 'boolean')", name="attributes_type"),
        sa.PrimaryKeyConstraint("name"),
    )
    for column in (
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("vendor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("options", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("images", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("seo_title", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("seo_description", sa.Text(), server_default=sa.text("''"), nullable=False),
    ):
        op.add_column("products", column)
    op.create_table(
        "slug_redirects",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slug"),
    )
    op.create_index(op.f("ix_slug_redirects_product_id"), "slug_redirects", ["product_id"], unique=False)
    for column in (
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("options", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("weight", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tax_category", sa.Text(), server_default=sa.text("'standard'"), nullable=False),
        sa.Column("barcode", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("image", sa.Text(), server_default=sa.text("''"), nullable=False),
    ):
        op.add_column("variants", column)
    op.create_check_constraint("variants_weight", "variants", "weight >= 0", postgresql_not_valid=True)
    op.add_column("prices", sa.Column("compare_at_amount", sa.BigInteger(), nullable=True))
    op.create_check_constraint("prices_compare_at", "prices", "compare_at_amount >= 0", postgresql_not_valid=True)
    op.create_table(
        "price_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("price_changes_of", "price_changes", ["sku", "id"], unique=False)
