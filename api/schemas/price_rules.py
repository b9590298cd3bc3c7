"""Promotions, taxes and shipping as the staff sends and sees them. A rule is always sent as a whole."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.postal import region
from api.schemas.catalog_edits import Slug
from api.schemas.fields import (
    Amount,
    Country,
    Currency,
    Input,
    Line,
    MethodCode,
    Moment,
    Output,
    PromotionCode,
    ShortLine,
    Sku,
    TaxCategory,
)
from api.schemas.money import Price
from db.promotions import PromotionRow
from db.shipping_zones import ShippingZoneRow
from db.tax_rules import TaxRuleRow
from domain.pricing.lines import STANDARD
from domain.pricing.promotions import WHOLE
from domain.pricing.shipping import Measure
from domain.pricing.taxes import MILLION, Rounding
from models.pricing import EffectKind, RuleAction

_MOST_USES = 1_000_000_000
_MOST_UNITS = 1_000_000
_BasisPoints = Annotated[int, Field(strict=True, ge=1, le=WHOLE, description="10,000 is the whole price.")]
_Units = Annotated[int, Field(strict=True, ge=1, le=_MOST_UNITS)]
_Uses = Annotated[int, Field(strict=True, ge=0, le=_MOST_USES)]
_Rate = Annotated[int, Field(strict=True, ge=0, le=MILLION, description="In parts per million: 20% is 200,000.")]
_Priority = Annotated[int, Field(strict=True, ge=-1_000, le=1_000, description="Lower ones are applied first.")]


class Percent(Input):
    """A part of the price."""

    type: Literal[EffectKind.PERCENT]
    basis_points: _BasisPoints


class AmountOff(Input):
    """An amount, once an order, and never more than the lines cost."""

    type: Literal[EffectKind.AMOUNT]
    amount: Price


class BuyGet(Input):
    """Of every `buy + get` units, dearest first, the cheapest `get` are `basis_points` cheaper."""

    type: Literal[EffectKind.BUY_GET]
    buy: _Units
    get: _Units
    basis_points: _BasisPoints = WHOLE


class FreeShipping(Input):
    """Shipping costs nothing."""

    type: Literal[EffectKind.FREE_SHIPPING]


Effect = Annotated[Percent | AmountOff | BuyGet | FreeShipping, Field(discriminator="type")]


class Target(Input):
    """What a promotion is about: these SKUs and all in these categories; everything when neither is named."""

    skus: Annotated[list[Sku], Field(max_length=1_000)] = Field(default_factory=list)
    categories: Annotated[list[Slug], Field(max_length=100)] = Field(default_factory=list)


class PromotionContent(Input):
    """A promotion: for who types its code, or by itself (`automatic`; its code then only names it)."""

    code: PromotionCode
    label: Line = Field(description="What buyers read beside the discount.")
    effect: Effect
    target: Target = Target()
    automatic: bool = False
    active: bool = True
    combines: bool = Field(default=True, description="One that does not is applied alone, if that saves the most.")
    priority: _Priority = 0
    minimum: Price | None = Field(default=None, description="What the targeted lines have to cost before any discount.")
    minimum_quantity: Annotated[int, Field(strict=True, ge=0, le=_MOST_UNITS)] = 0
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    use_limit: _Uses | None = Field(default=None, description="How often its code can be used, in all.")
    customer_limit: _Uses | None = Field(default=None, description="How often by one customer.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.automatic and (self.use_limit is not None or self.customer_limit is not None):
            raise PydanticCustomError("limits", "What applies by itself has no limits")
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise PydanticCustomError("ends", "It should end after it starts")
        if len({price.currency for price in self._amounts()}) > 1:
            raise PydanticCustomError("currencies", "Its amounts should be in one currency")
        return self

    def _amounts(self) -> list[Price]:
        off = self.effect.amount if isinstance(self.effect, AmountOff) else None
        return [price for price in (off, self.minimum) if price is not None]

    def columns(self) -> dict[str, Any]:
        """Return what is written of it, but for its categories."""
        amounts = self._amounts()
        same = {"code", "label", "automatic", "active", "combines", "priority", "minimum_quantity"}
        times = {"starts_at", "ends_at", "use_limit", "customer_limit"}
        effect = self.effect.model_dump(exclude={"type", "amount"})
        return {
            **self.model_dump(include=same | times),
            "effect": self.effect.type,
            "basis_points": effect.get("basis_points"),
            "buy": effect.get("buy"),
            "get": effect.get("get"),
            "amount": self.effect.amount.amount if isinstance(self.effect, AmountOff) else None,
            "currency": amounts[0].currency if amounts else None,
            "minimum_amount": None if self.minimum is None else self.minimum.amount,
            "skus": list(dict.fromkeys(self.target.skus)),
        }


class Promotion(PromotionContent):
    """A promotion, and how often its code is used by orders that stand."""

    id: UUID
    uses: int
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: PromotionRow) -> Self:
        """Show a promotion as its row says."""
        same = ("id", "code", "label", "automatic", "active", "combines", "priority", "minimum_quantity", "starts_at")
        more = ("ends_at", "use_limit", "customer_limit", "uses", "version", "created_at")
        minimum = {"amount": row.minimum_amount, "currency": row.currency}
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in same + more},
                "effect": _effect(row),
                "target": {"skus": list(row.skus), "categories": list(row.categories)},
                "minimum": None if row.minimum_amount is None else minimum,
            }
        )


def _effect(row: PromotionRow) -> dict[str, Any]:
    match EffectKind(row.effect):
        case EffectKind.PERCENT as kind:
            return {"type": kind, "basis_points": row.basis_points}
        case EffectKind.AMOUNT as kind:
            return {"type": kind, "amount": {"amount": row.amount, "currency": row.currency}}
        case EffectKind.BUY_GET as kind:
            return {"type": kind, "buy": row.buy, "get": row.get, "basis_points": row.basis_points}
        case EffectKind.FREE_SHIPPING as kind:
            return {"type": kind}


class TaxRuleContent(Input):
    """The tax of a country, or of one of its regions, which comes first. Rates are by tax category of the article."""

    country: Country
    region: Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        default="", description="By code or name, in any case; empty: everywhere else in the country."
    )
    name: ShortLine = Field(description="What buyers read beside the rate.")
    included: bool = Field(default=False, description="Whether prices contain it: it is told then, not added.")
    rounding: Rounding = Rounding.LINE
    rates: Annotated[dict[TaxCategory, _Rate], Field(max_length=100)]

    def columns(self) -> dict[str, Any]:
        """Return what is written of it."""
        return self.model_dump() | {"region": region(self.country, self.region).strip().upper()}


class TaxRule(TaxRuleContent):
    """A tax rule."""

    id: UUID
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: TaxRuleRow) -> Self:
        """Show a tax rule as its row says."""
        return cls.model_validate(row, from_attributes=True)


class ShippingBand(Input):
    """The price up to and including a weight in grams or a value in minor units; null is without end."""

    up_to: Annotated[int, Field(strict=True, ge=0, le=10**12)] | None = None
    price: Amount


class ShippingMethodContent(Input):
    """A way to send a parcel, priced by its weight or by its value after discount. One beyond all bands is refused."""

    code: MethodCode
    currency: Currency
    name: ShortLine
    measure: Measure = Measure.VALUE
    bands: Annotated[list[ShippingBand], Field(min_length=1, max_length=100)]
    tax_category: TaxCategory = STANDARD

    @model_validator(mode="after")
    def _rising(self) -> Self:
        ends = [band.up_to for band in self.bands]
        closed = [end for end in ends if end is not None]
        if None in ends[:-1] or any(one >= other for one, other in pairwise(closed)):
            raise PydanticCustomError("bands", "Bands should rise, and only the last may be without end")
        return self

    def columns(self) -> dict[str, Any]:
        """Return what is written of it."""
        return self.model_dump() | {"bands": [[band.up_to, band.price] for band in self.bands]}


class ShippingZoneContent(Input):
    """Countries that share shipping methods; without countries it is for every country that no other zone names.

    As soon as there is a zone, every checkout needs a shipping method.
    """

    name: ShortLine
    countries: Annotated[list[Country], Field(max_length=300)] = Field(default_factory=list)
    methods: Annotated[list[ShippingMethodContent], Field(max_length=100)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len({(method.code, method.currency) for method in self.methods}) < len(self.methods):
            raise PydanticCustomError("methods", "A method should have one price list a currency")
        return self


class ShippingZone(ShippingZoneContent):
    """A shipping zone."""

    id: UUID
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: ShippingZoneRow) -> Self:
        """Show a zone as its row says."""
        methods = [
            {**method, "bands": [{"up_to": up_to, "price": price} for up_to, price in method["bands"]]}
            for method in row.methods
        ]
        known = ("id", "name", "countries", "version", "created_at")
        return cls.model_validate({**{name: getattr(row, name) for name in known}, "methods": methods})


class RuleChange(Output):
    """Who made a rule say what. `content` is what it says since; null when it was removed."""

    action: RuleAction
    content: Mapping[str, Any] | None
    actor: str
    created_at: datetime
