"""Why a quote is what it is: each discount, the shipping and each tax, with its part of each line."""

from dataclasses import dataclass
from enum import StrEnum

from domain.money import Money


class AdjustmentType(StrEnum):
    """What an adjustment does: a discount is taken off the subtotal, shipping and tax are added to it.

    `tax_included` is told and not added: prices contain it.
    """

    DISCOUNT = "discount"
    SHIPPING = "shipping"
    TAX = "tax"
    TAX_INCLUDED = "tax_included"


class AdjustmentProblem(StrEnum):
    """Why something that was asked for changes nothing."""

    UNKNOWN_CODE = "unknown_code"
    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    USED_UP = "used_up"
    USED_BY_CUSTOMER = "used_by_customer"
    OTHER_CURRENCY = "other_currency"
    NOT_APPLICABLE = "not_applicable"
    """The cart does not meet its conditions, or another promotion saves more and does not combine."""
    SHIPPING_METHOD_REQUIRED = "shipping_method_required"
    SHIPPING_UNAVAILABLE = "shipping_unavailable"
    """The method that was chosen does not go to this address, or does not take this parcel."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One part of a total. `amount` is never negative; `by_line` is its part of each line, in the lines' order.

    What `by_line` does not sum up to belongs to the order as a whole: shipping, and the tax on it. `code` names the
    promotion, the shipping method or the tax category. One with a `problem` changes nothing.
    """

    type: AdjustmentType
    code: str
    label: str
    amount: Money
    by_line: tuple[int, ...] = ()
    problem: AdjustmentProblem | None = None

    @property
    def of_order(self) -> int:
        """Return the part that belongs to no line."""
        return self.amount.amount - sum(self.by_line)
