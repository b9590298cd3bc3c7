"""The tables of promotions, tax and shipping."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.online import take

revision = "0011"
down_revision = "0010"

_NOTHING = sa.text("0")
_NO_TEXTS = sa.text("'{}'")


def upgrade() -> None:
    """Add tables that nobody reads yet, and columns with constant defaults (no table is rewritten)."""
    take("carts", "order_lines", "orders", "categories")
    _promotions()
    _taxes()
    _shipping()
    _changes()
    _carts()
    _orders()


def _promotions() -> None:
    op.create_table(
        "promotions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("combines", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("basis_points", sa.Integer(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("buy", sa.BigInteger(), nullable=True),
        sa.Column("get", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("minimum_amount", sa.BigInteger(), nullable=True),
        sa.Column("minimum_quantity", sa.BigInteger(), server_default=_NOTHING, nullable=False),
        sa.Column("skus", postgresql.ARRAY(sa.Text()), server_default=_NO_TEXTS, nullable=False),
        _optional_moment("starts_at"),
        _optional_moment("ends_at"),
        sa.Column("use_limit", sa.BigInteger(), nullable=True),
        sa.Column("customer_limit", sa.BigInteger(), nullable=True),
        sa.Column("uses", sa.BigInteger(), server_default=_NOTHING, nullable=False),
        _version(),
        _created_at(),
        sa.CheckConstraint("effect IN ('percent', 'amount', 'buy_get', 'free_shipping')", name="promotions_effect"),
        sa.CheckConstraint(
            "CASE effect WHEN 'percent' THEN basis_points IS NOT NULL AND basis_points BETWEEN 1 AND 10000"
            " WHEN 'amount' THEN amount IS NOT NULL AND amount > 0 AND currency IS NOT NULL"
            " WHEN 'buy_get' THEN buy IS NOT NULL AND buy > 0 AND get IS NOT NULL AND get > 0"
            " AND basis_points IS NOT NULL AND basis_points BETWEEN 1 AND 10000 ELSE true END",
            name="promotions_effect_is_whole",
        ),
        sa.CheckConstraint("minimum_amount IS NULL OR currency IS NOT NULL", name="promotions_minimum"),
        sa.CheckConstraint("uses >= 0 AND (use_limit IS NULL OR uses <= use_limit)", name="promotions_uses"),
        sa.CheckConstraint(
            "NOT automatic OR (use_limit IS NULL AND customer_limit IS NULL AND uses = 0)", name="promotions_limits"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
    )
    op.create_index(
        "promotions_automatic", "promotions", ["id"], unique=False, postgresql_where=sa.text("automatic AND active")
    )
    op.create_table(
        "promotion_categories",
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"]),
        sa.PrimaryKeyConstraint("promotion_id", "category_id"),
    )
    op.create_index(op.f("ix_promotion_categories_category_id"), "promotion_categories", ["category_id"], unique=False)
    op.create_table(
        "promotion_redemptions",
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _created_at(),
        _optional_moment("released_at"),
        sa.CheckConstraint("state IN ('live', 'released')", name="promotion_redemptions_state"),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"]),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.PrimaryKeyConstraint("promotion_id", "order_id"),
    )
    op.create_index(op.f("ix_promotion_redemptions_order_id"), "promotion_redemptions", ["order_id"], unique=False)


def _taxes() -> None:
    op.create_table(
        "tax_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("included", sa.Boolean(), nullable=False),
        sa.Column("rounding", sa.Text(), nullable=False),
        sa.Column("rates", postgresql.JSONB(), nullable=False),
        _version(),
        _created_at(),
        sa.CheckConstraint("rounding IN ('line', 'total')", name="tax_rules_rounding"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("country", "region", name="tax_rules_place"),
    )


def _shipping() -> None:
    op.create_table(
        "shipping_zones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _version(),
        _created_at(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "shipping_zone_countries",
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["zone_id"], ["shipping_zones.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("country"),
    )
    op.create_index(op.f("ix_shipping_zone_countries_zone_id"), "shipping_zone_countries", ["zone_id"], unique=False)
    op.create_table(
        "shipping_methods",
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bands", postgresql.JSONB(), nullable=False),
        sa.Column("tax_category", sa.Text(), nullable=False),
        sa.CheckConstraint("measure IN ('weight', 'value')", name="shipping_methods_measure"),
        sa.ForeignKeyConstraint(["zone_id"], ["shipping_zones.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("zone_id", "currency", "code"),
    )


def _changes() -> None:
    op.create_table(
        "price_rule_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        _created_at(),
        sa.CheckConstraint("kind IN ('promotion', 'tax_rule', 'shipping_zone')", name="price_rule_changes_kind"),
        sa.CheckConstraint("action IN ('created', 'changed', 'removed')", name="price_rule_changes_action"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("price_rule_changes_of", "price_rule_changes", ["kind", "rule_id", "id"], unique=False)


def _carts() -> None:
    op.add_column("carts", sa.Column("shipping_method", sa.Text(), nullable=True))
    op.add_column(
        "carts", sa.Column("promotion_codes", postgresql.ARRAY(sa.Text()), server_default=_NO_TEXTS, nullable=False)
    )


def _orders() -> None:
    op.add_column("orders", _amount("tax_included_amount"))
    for column in ("discount_amount", "tax_amount", "tax_included_amount"):
        op.add_column("order_lines", _amount(column))
    op.create_check_constraint(
        "order_lines_parts",
        "order_lines",
        "0 <= discount_amount AND discount_amount <= total_amount AND 0 <= tax_amount AND 0 <= tax_included_amount",
        postgresql_not_valid=True,
    )
    op.create_table(
        "order_adjustments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("type IN ('discount', 'shipping', 'tax', 'tax_included')", name="order_adjustments_type"),
        sa.CheckConstraint("amount >= 0", name="order_adjustments_amount"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.ForeignKeyConstraint(["line_id"], ["order_lines.line_id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_order_adjustments_order_id"), "order_adjustments", ["order_id"], unique=False)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=_NOTHING, nullable=False)


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _created_at() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _optional_moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)
