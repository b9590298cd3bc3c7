"""What an order costs: its cart priced by the rules of the moment, and written down with what explains it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import price_rules, redemptions
from db.carts import CartLineRow, CartRow
from domain.errors import CartTooDearError, ShippingMethodRequiredError, ShippingUnavailableError
from domain.money import MOST_MONEY
from domain.pricing import Quote
from domain.pricing.explaining import Adjustment, AdjustmentProblem
from domain.pricing.rules import ExplainedQuote


async def settle(session: AsyncSession, cart: CartRow, lines: Sequence[CartLineRow]) -> ExplainedQuote:
    """Price a cart by the rules of this moment, and count the use of the codes that it has come to.

    A code whose last use was taken meanwhile is left out, and the cart priced anew without it.

    Raises:
        ShippingMethodRequiredError, ShippingUnavailableError: the cart can not be sent as it is.
        CartTooDearError: its total is larger than an amount can be.
    """
    found = await price_rules.of_cart(session, cart, lines)
    rules, priced = found.rules, found.lines(lines)
    await redemptions.lock(session, rules.usable_codes)
    while True:
        price = rules.price(priced, cart.currency, found.choice)
        _require_sellable(price)
        used_up = await redemptions.count(session, cart, price.codes)
        if not used_up:
            return price
        rules = rules.without(used_up)


def amounts(price: Quote) -> dict[str, object]:
    """Return what an order and its lines cost, as parameters of the statement that writes them."""
    return {
        "subtotal": price.subtotal.amount,
        "discount": price.discount.amount,
        "shipping": price.shipping.amount,
        "tax": price.tax.amount,
        "tax_included": price.tax_included.amount,
        "total": price.total.amount,
        "discounts": [line.discount.amount for line in price.lines],
        "taxes": [line.tax_added.amount for line in price.lines],
        "taxes_included": [line.tax_included.amount for line in price.lines],
    }


def parts(adjustments: Sequence[Adjustment], line_ids: Sequence[UUID]) -> dict[str, object]:
    """Return what explains a total, as parameters of that statement: what has changed nothing is left out."""
    effective = [each for each in adjustments if each.problem is None]
    rows = [
        (position, each, line_id, amount)
        for position, each in enumerate(effective)
        for line_id, amount in _split(each, line_ids)
    ]
    return {
        "part_positions": [position for position, *_ in rows],
        "part_types": [each.type for _, each, *_ in rows],
        "part_codes": [each.code for _, each, *_ in rows],
        "part_labels": [each.label for _, each, *_ in rows],
        "part_lines": [line_id for _, _, line_id, _ in rows],
        "part_amounts": [amount for *_, amount in rows],
    }


def _require_sellable(price: ExplainedQuote) -> None:
    if price.shipping_problem is AdjustmentProblem.SHIPPING_METHOD_REQUIRED:
        raise ShippingMethodRequiredError("A checkout needs a shipping method.")
    if price.shipping_problem is not None:
        raise ShippingUnavailableError("The shipping method does not go to this address, or not for this parcel.")
    if price.quote.total.amount > MOST_MONEY:
        raise CartTooDearError("The total would be larger than an amount can be.")


def _split(adjustment: Adjustment, line_ids: Sequence[UUID]) -> list[tuple[UUID | None, int]]:
    """Split an adjustment over lines, and what belongs to none; one of nothing is a row of nothing."""
    by_line = zip(line_ids, adjustment.by_line, strict=True) if adjustment.by_line else ()
    parts: list[tuple[UUID | None, int]] = [(line_id, amount) for line_id, amount in by_line if amount]
    if adjustment.of_order or not parts:
        parts.append((None, adjustment.of_order))
    return parts
