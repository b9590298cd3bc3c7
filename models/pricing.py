"""What prices are made of besides the prices of articles: promotions, taxes and shipping, and who has changed them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from domain.pricing.explaining import AdjustmentType
from domain.pricing.shipping import Measure
from domain.pricing.taxes import Rounding
from models.columns import identifier, moment, one_of, optional_moment


class EffectKind(StrEnum):
    """What a promotion does."""

    PERCENT = "percent"
    AMOUNT = "amount"
    BUY_GET = "buy_get"
    FREE_SHIPPING = "free_shipping"


class RedemptionState(StrEnum):
    """Whether the use of a code counts."""

    LIVE = "live"
    RELEASED = "released"


class RuleKind(StrEnum):
    """What kind of rule was changed."""

    PROMOTION = "promotion"
    TAX_RULE = "tax_rule"
    SHIPPING_ZONE = "shipping_zone"


class RuleAction(StrEnum):
    """What was done to a rule."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


def _texts() -> Any:
    default = text("'{}'")
    return Field(
        sa_type=ARRAY(Text), nullable=False, default_factory=list, sa_column_kwargs={"server_default": default}
    )


def _count(default: int = 0) -> Any:
    return Field(default=default, sa_type=BigInteger, sa_column_kwargs={"server_default": text(str(default))})


def _optional_count() -> Any:
    return Field(default=None, sa_type=BigInteger, nullable=True)


def _version() -> Any:
    return Field(default=1, sa_column_kwargs={"server_default": text("1")})


class Promotion(SQLModel, table=True):
    """A reason to pay less, by a code that is typed or by itself (`automatic`).

    `amount` and `minimum_amount` are in minor units of `currency`. `uses` counts the live redemptions of a code; its
    check is the last line of defence. What applies by itself has no limit, so that no checkout waits for another's.
    """

    __tablename__ = "promotions"
    __table_args__ = (
        one_of("effect", EffectKind, "promotions_effect"),
        CheckConstraint(
            "CASE effect WHEN 'percent' THEN basis_points IS NOT NULL AND basis_points BETWEEN 1 AND 10000"
            " WHEN 'amount' THEN amount IS NOT NULL AND amount > 0 AND currency IS NOT NULL"
            " WHEN 'buy_get' THEN buy IS NOT NULL AND buy > 0 AND get IS NOT NULL AND get > 0"
            " AND basis_points IS NOT NULL AND basis_points BETWEEN 1 AND 10000 ELSE true END",
            name="promotions_effect_is_whole",
        ),
        CheckConstraint("minimum_amount IS NULL OR currency IS NOT NULL", name="promotions_minimum"),
        CheckConstraint("uses >= 0 AND (use_limit IS NULL OR uses <= use_limit)", name="promotions_uses"),
        CheckConstraint(
            "NOT automatic OR (use_limit IS NULL AND customer_limit IS NULL AND uses = 0)", name="promotions_limits"
        ),
        Index("promotions_automatic", "id", postgresql_where=text("automatic AND active")),
    )

    id: UUID = identifier()
    code: str = Field(sa_type=Text, unique=True)
    label: str = Field(sa_type=Text)
    automatic: bool = Field(default=False)
    active: bool = Field(default=True)
    combines: bool = Field(default=True)
    priority: int = Field(default=0)
    effect: str = Field(sa_type=Text)
    basis_points: int | None = Field(default=None)
    amount: int | None = _optional_count()
    buy: int | None = _optional_count()
    get: int | None = _optional_count()
    currency: str | None = Field(default=None, sa_type=Text)
    minimum_amount: int | None = _optional_count()
    minimum_quantity: int = _count()
    skus: list[str] = _texts()
    starts_at: datetime | None = optional_moment()
    ends_at: datetime | None = optional_moment()
    use_limit: int | None = _optional_count()
    customer_limit: int | None = _optional_count()
    uses: int = _count()
    version: int = _version()
    created_at: datetime = moment()


class PromotionCategory(SQLModel, table=True):
    """A category that a promotion is about, with all below it. It can not be removed while it is."""

    __tablename__ = "promotion_categories"

    promotion_id: UUID = Field(primary_key=True, foreign_key="promotions.id", ondelete="CASCADE")
    category_id: UUID = Field(primary_key=True, foreign_key="categories.id", index=True)


class PromotionRedemption(SQLModel, table=True):
    """One use of a code by an order: `live` from its opening, `released` when it ends unplaced or is cancelled."""

    __tablename__ = "promotion_redemptions"
    __table_args__ = (one_of("state", RedemptionState, "promotion_redemptions_state"),)

    promotion_id: UUID = Field(primary_key=True, foreign_key="promotions.id")
    order_id: UUID = Field(primary_key=True, foreign_key="orders.id", index=True)
    state: str = Field(default=RedemptionState.LIVE, sa_type=Text)
    created_at: datetime = moment()
    released_at: datetime | None = optional_moment()


class TaxRule(SQLModel, table=True):
    """The tax of a country, or of one of its regions (empty: of all that have no rule of their own).

    `rates` maps tax categories to parts per million.
    """

    __tablename__ = "tax_rules"
    __table_args__ = (
        one_of("rounding", Rounding, "tax_rules_rounding"),
        UniqueConstraint("country", "region", name="tax_rules_place"),
    )

    id: UUID = identifier()
    country: str = Field(sa_type=Text)
    region: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": text("''")})
    name: str = Field(sa_type=Text)
    included: bool = Field(default=False)
    rounding: str = Field(default=Rounding.LINE, sa_type=Text)
    rates: dict[str, int] = Field(sa_type=JSONB, nullable=False, default_factory=dict)
    version: int = _version()
    created_at: datetime = moment()


class ShippingZone(SQLModel, table=True):
    """Countries that share shipping methods."""

    __tablename__ = "shipping_zones"

    id: UUID = identifier()
    name: str = Field(sa_type=Text, unique=True)
    version: int = _version()
    created_at: datetime = moment()


class ShippingZoneCountry(SQLModel, table=True):
    """A country belongs to one zone at most. `*` is every country that no zone names."""

    __tablename__ = "shipping_zone_countries"

    country: str = Field(sa_type=Text, primary_key=True)
    zone_id: UUID = Field(foreign_key="shipping_zones.id", index=True, ondelete="CASCADE")


class ShippingMethod(SQLModel, table=True):
    """A way to send a parcel to a zone, in one currency. `bands` lists `[up_to, amount]`, rising; null is no end."""

    __tablename__ = "shipping_methods"
    __table_args__ = (one_of("measure", Measure, "shipping_methods_measure"),)

    zone_id: UUID = Field(primary_key=True, foreign_key="shipping_zones.id", ondelete="CASCADE")
    currency: str = Field(sa_type=Text, primary_key=True)
    code: str = Field(sa_type=Text, primary_key=True)
    name: str = Field(sa_type=Text)
    position: int = Field(default=0)
    measure: str = Field(sa_type=Text)
    bands: list[list[int | None]] = Field(sa_type=JSONB, nullable=False, default_factory=list)
    tax_category: str = Field(sa_type=Text)


class PriceRuleChange(SQLModel, table=True):
    """What a rule was made to say, when and by whom; without `content` it was removed."""

    __tablename__ = "price_rule_changes"
    __table_args__ = (
        one_of("kind", RuleKind, "price_rule_changes_kind"),
        one_of("action", RuleAction, "price_rule_changes_action"),
        Index("price_rule_changes_of", "kind", "rule_id", "id"),
    )

    id: int | None = Field(default=None, sa_type=BigInteger, primary_key=True, sa_column_args=(Identity(always=True),))
    kind: str = Field(sa_type=Text)
    rule_id: UUID
    action: str = Field(sa_type=Text)
    content: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    actor: str = Field(sa_type=Text)
    created_at: datetime = moment()


class OrderAdjustment(SQLModel, table=True):
    """A part of an order's discount, shipping or tax, and the line that it belongs to; none: the order as a whole.

    Rows of one `position` are one adjustment. Amounts are never negative: the type says what they do to the total.
    """

    __tablename__ = "order_adjustments"
    __table_args__ = (
        one_of("type", AdjustmentType, "order_adjustments_type"),
        CheckConstraint("amount >= 0", name="order_adjustments_amount"),
    )

    id: int | None = Field(default=None, sa_type=BigInteger, primary_key=True, sa_column_args=(Identity(always=True),))
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    position: int
    type: str = Field(sa_type=Text)
    code: str = Field(sa_type=Text)
    label: str = Field(sa_type=Text)
    line_id: UUID | None = Field(default=None, foreign_key="order_lines.line_id")
    amount: int = Field(sa_type=BigInteger)
