"""The rules that a shop has for one cart at one moment, and the price that follows from them, explained."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.money import Money
from domain.pricing.explaining import Adjustment, AdjustmentProblem, AdjustmentType
from domain.pricing.lines import PricedLine
from domain.pricing.promotions import FreeShipping, Promotion, offered
from domain.pricing.quote import Quote, UnshippableError, quote
from domain.pricing.shipping import ShippingMethod
from domain.pricing.taxes import MILLION, UNTAXED, TaxRules

MOST_CODES = 10
"""So many codes a cart may have."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A promotion that a shop has, under the name that buyers are shown. One with a `problem` can not be used now."""

    id: UUID
    label: str
    promotion: Promotion
    problem: AdjustmentProblem | None = None

    @property
    def code(self) -> str:
        """Return what buyers type, or what names it."""
        return self.promotion.code


@dataclass(frozen=True, slots=True)
class Choice:
    """What a buyer has chosen: the codes that were typed, and a way to send the parcel."""

    codes: tuple[str, ...] = ()
    shipping_method: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainedQuote:
    """A quote with what it consists of. `codes` are the typed codes that it uses, by their promotions' ids."""

    quote: Quote
    adjustments: tuple[Adjustment, ...]
    codes: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def shipping_problem(self) -> AdjustmentProblem | None:
        """Tell why the cart can not be sent as it is, if it can not."""
        shipping = (each.problem for each in self.adjustments if each.type is AdjustmentType.SHIPPING)
        return next((problem for problem in shipping if problem), None)


@dataclass(frozen=True, slots=True)
class PriceRules:
    """What prices a cart at a moment (`at`).

    `offers` are the promotions that apply by themselves and those whose codes were typed; `tax` is the tax at the
    address, by the name that buyers know it by; `methods` are the ways to the address in the cart's currency. A shop
    that `ships` has shipping zones: each cart needs a method then.
    """

    at: datetime
    offers: tuple[Offer, ...] = ()
    tax: TaxRules = UNTAXED
    tax_name: str = ""
    methods: tuple[ShippingMethod, ...] = ()
    ships: bool = False

    @property
    def usable_codes(self) -> tuple[UUID, ...]:
        """Return the promotions that a cart may come to use by a typed code."""
        return tuple(offer.id for offer in self.offers if offer.problem is None and not offer.promotion.automatic)

    def price(self, lines: Sequence[PricedLine], currency: str, choice: Choice) -> ExplainedQuote:
        """Price lines and explain it. What was chosen and can not be had changes nothing, and is told as a problem."""
        method, problem = self._method(lines, choice)
        try:
            found = self._quote(lines, currency, choice, method)
        except UnshippableError:
            method, problem = None, AdjustmentProblem.SHIPPING_UNAVAILABLE
            found = self._quote(lines, currency, choice, None)
        adjustments = (
            *self._discounts(found, currency, choice),
            *_shipping(found, method, choice, problem),
            *self._taxes(found, method),
        )
        applied = {each.code for each in found.promotions}
        codes = {
            offer.id: offer.code for offer in self.offers if offer.code in applied and not offer.promotion.automatic
        }
        return ExplainedQuote(found, adjustments, codes)

    def without(self, used_up: Collection[UUID]) -> "PriceRules":
        """Return the same rules without promotions that were used up meanwhile."""
        offers = tuple(
            replace(offer, problem=AdjustmentProblem.USED_UP) if offer.id in used_up else offer for offer in self.offers
        )
        return replace(self, offers=offers)

    def standing(self, code: str, currency: str) -> AdjustmentProblem | None:
        """Tell why a code can not be used now, whatever is in the cart; None when it can."""
        offer = next((offer for offer in self.offers if offer.code == code and not offer.promotion.automatic), None)
        if offer is None:
            return AdjustmentProblem.UNKNOWN_CODE
        if offer.problem is not None:
            return offer.problem
        return None if offer.promotion.speaks(currency) else AdjustmentProblem.OTHER_CURRENCY

    def _quote(
        self, lines: Sequence[PricedLine], currency: str, choice: Choice, method: ShippingMethod | None
    ) -> Quote:
        """Quote lines; where nothing is shipped no promotion frees the shipping, and no code is used for it."""
        usable = [offer.promotion for offer in self.offers if offer.problem is None]
        promotions = [
            each
            for each in offered(usable, frozenset(choice.codes), self.at)
            if method is not None or not isinstance(each.effect, FreeShipping)
        ]
        return quote(lines, currency, promotions=promotions, shipping=method, tax=self.tax)

    def _method(
        self, lines: Sequence[PricedLine], choice: Choice
    ) -> tuple[ShippingMethod | None, AdjustmentProblem | None]:
        if not self.ships or not lines:
            return None, None
        if choice.shipping_method is None:
            return None, AdjustmentProblem.SHIPPING_METHOD_REQUIRED
        found = next((method for method in self.methods if method.code == choice.shipping_method), None)
        return found, None if found else AdjustmentProblem.SHIPPING_UNAVAILABLE

    def _discounts(self, found: Quote, currency: str, choice: Choice) -> Iterator[Adjustment]:
        labels = {offer.code: offer.label for offer in self.offers}
        for each in found.promotions:
            yield Adjustment(
                AdjustmentType.DISCOUNT, each.code, labels[each.code], Money(each.discount, currency), each.by_line
            )
        applied = {each.code for each in found.promotions}
        for code in choice.codes:
            if code not in applied:
                problem = self.standing(code, currency) or AdjustmentProblem.NOT_APPLICABLE
                nothing = Money.zero(currency)
                yield Adjustment(AdjustmentType.DISCOUNT, code, labels.get(code, ""), nothing, problem=problem)

    def _taxes(self, found: Quote, method: ShippingMethod | None) -> Iterator[Adjustment]:
        """Explain the tax by category; what the lines do not account for is the tax on shipping."""
        kind = AdjustmentType.TAX_INCLUDED if self.tax.included else AdjustmentType.TAX
        whole = found.tax_included if self.tax.included else found.tax
        of_shipping = whole.amount - sum(line.tax.amount for line in found.lines)
        for category, rate in sorted(self.tax.rates.items()):
            parts = tuple(line.tax.amount if line.line.tax_category == category else 0 for line in found.lines)
            carriage = of_shipping if method is not None and method.tax_category == category else 0
            if any(parts) or carriage:
                label = f"{self.tax_name} {_percent(rate)}%"
                yield Adjustment(kind, category, label, Money(sum(parts) + carriage, whole.currency), parts)


def _shipping(
    found: Quote, method: ShippingMethod | None, choice: Choice, problem: AdjustmentProblem | None
) -> Iterator[Adjustment]:
    if method is not None or problem is not None:
        code = choice.shipping_method or ""
        yield Adjustment(AdjustmentType.SHIPPING, code, method.name if method else "", found.shipping, problem=problem)


def _percent(rate: int) -> str:
    """Write a rate as people know it: `20`, `8.875`."""
    return f"{Decimal(rate) * 100 / MILLION:.4f}".rstrip("0").rstrip(".")
