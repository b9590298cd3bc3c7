"""The price of a whole cart, with every part of it explained."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.money import CurrencyMismatchError, Money
from domain.pricing.lines import PricedLine
from domain.pricing.promotions import AppliedPromotion, Promotion, apply_best
from domain.pricing.shipping import ShippingMethod
from domain.pricing.taxes import UNTAXED, TaxRules, taxes


class UnshippableError(ValueError):
    """A cart is too heavy or too dear for the way in which it is to be sent."""


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """One line, what promotions take off it, and the tax on what is left, which its price may contain already."""

    line: PricedLine
    discount: Money
    tax: Money
    tax_is_included: bool = False

    @property
    def tax_added(self) -> Money:
        """Return the tax that comes on top of its price."""
        return Money.zero(self.tax.currency) if self.tax_is_included else self.tax

    @property
    def tax_included(self) -> Money:
        """Return the tax that its price contains."""
        return self.tax if self.tax_is_included else Money.zero(self.tax.currency)

    @property
    def net(self) -> Money:
        """Return what the line costs after discount."""
        return self.line.total - self.discount


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a whole cart, all parts in one currency.

    `tax` is what is added; `tax_included` is what prices contain already, told and not added. Lines are in the order in
    which they were given, and so are the parts of each promotion.
    """

    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    tax_included: Money
    lines: tuple[QuotedLine, ...] = ()
    promotions: tuple[AppliedPromotion, ...] = ()

    @property
    def total(self) -> Money:
        """Sum up what the buyer pays."""
        return self.subtotal - self.discount + self.shipping + self.tax


def quote(
    lines: Sequence[PricedLine],
    currency: str,
    *,
    promotions: Sequence[Promotion] = (),
    shipping: ShippingMethod | None = None,
    tax: TaxRules = UNTAXED,
) -> Quote:
    """Price lines in a currency; the steps are those of the package. The order of the lines does not matter.

    Raises:
        CurrencyMismatchError: a line is priced in another currency.
        UnshippableError: the shipping method does not take such a parcel.
    """
    ranked = sorted(range(len(lines)), key=lambda index: lines[index].rank)
    priced = [lines[index] for index in ranked]
    for line in priced:
        if line.unit_price.currency != currency:
            raise CurrencyMismatchError(currency, line.unit_price.currency)

    applied = apply_best(priced, promotions, lambda value: _shipping(shipping, priced, value))
    discounts = [sum(parts) for parts in zip(*(each.by_line for each in applied), strict=True)] or [0] * len(priced)
    values = [line.amount - discount for line, discount in zip(priced, discounts, strict=True)]
    carriage = _shipping(shipping, priced, sum(values))
    if carriage is None:
        raise UnshippableError(shipping.code if shipping else "")
    if any(each.frees_shipping for each in applied):
        carriage = 0

    taxed = [(line.tax_category, value) for line, value in zip(priced, values, strict=True)]
    *line_taxes, carriage_tax = taxes(tax, [*taxed, (shipping.tax_category if shipping else "", carriage)])
    all_tax = sum(line_taxes) + carriage_tax

    as_given = sorted(range(len(lines)), key=lambda place: ranked[place])
    return Quote(
        subtotal=Money(sum(line.amount for line in priced), currency),
        discount=Money(sum(discounts), currency),
        shipping=Money(carriage, currency),
        tax=Money(0 if tax.included else all_tax, currency),
        tax_included=Money(all_tax if tax.included else 0, currency),
        lines=tuple(
            QuotedLine(
                priced[place], Money(discounts[place], currency), Money(line_taxes[place], currency), tax.included
            )
            for place in as_given
        ),
        promotions=tuple(
            AppliedPromotion(each.code, tuple(each.by_line[place] for place in as_given), each.frees_shipping)
            for each in applied
        ),
    )


def _shipping(method: ShippingMethod | None, lines: Sequence[PricedLine], value: int) -> int | None:
    """Price the shipping of goods of a value; None where they can not be sent this way."""
    if method is None or not lines:
        return 0
    price = method.price(weight=sum(line.weight * line.quantity for line in lines), value=value)
    return None if price is None else price.amount
