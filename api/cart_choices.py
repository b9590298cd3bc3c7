"""What a buyer may choose for a cart: promotion codes, and a way to send it."""

from collections.abc import Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import InvalidRequestError, ProblemError
from api.explaining import Explained
from api.schemas.carts import CartChanges, ShippingMethod
from api.schemas.money import Money
from db import carts, price_rules
from db.carts import CartLineRow, CartRow
from db.price_rules import CartRules
from domain.pricing.explaining import AdjustmentProblem
from domain.pricing.rules import Choice

_SAID = {
    AdjustmentProblem.UNKNOWN_CODE: "There is no such code",
    AdjustmentProblem.NOT_STARTED: "This code can not be used yet",
    AdjustmentProblem.EXPIRED: "This code can not be used any more",
    AdjustmentProblem.USED_UP: "This code has been used up",
    AdjustmentProblem.USED_BY_CUSTOMER: "You have used this code already",
    AdjustmentProblem.OTHER_CURRENCY: "This code is for another currency",
}


def check(before: CartRow, changed: Explained, changes: CartChanges) -> None:
    """Refuse codes that can not be used and a shipping method that the changed cart can not be sent by.

    A code that the cart has already may have run out meanwhile: that keeps nobody from adding another.

    Raises:
        ProblemError: `promotion_code_invalid`, with the reason at its place.
        InvalidRequestError: there is no such shipping method for this cart.
    """
    cart = changed.cart
    _require_codes(
        changed.found, changes, [code for code in cart.promotion_codes if code not in before.promotion_codes]
    )
    if "shipping_method" in changes.model_fields_set and cart.shipping_method is not None:
        _require_method(changed, cart.shipping_method)


async def shipping_methods(session: AsyncSession, cart: CartRow) -> list[ShippingMethod]:
    """List the ways in which a cart can be sent to its address, with what each costs this cart."""
    rows = [row for row in await carts.lines(session, cart) if row.sellable]
    return list(_methods(await price_rules.of_cart(session, cart, rows), rows))


def _require_method(changed: Explained, chosen: str) -> None:
    if chosen not in {method.code for method in _methods(changed.found, changed.sellable)}:
        raise InvalidRequestError("This cart can not be sent in this way", "body", "shipping_method")


def _methods(found: CartRules, rows: Sequence[CartLineRow]) -> Iterator[ShippingMethod]:
    lines = found.lines(rows)
    for method in found.rules.methods:
        price = found.rules.price(lines, found.cart.currency, Choice(found.cart.promotion_codes, method.code))
        if price.shipping_problem is None:
            yield ShippingMethod(code=method.code, name=method.name, price=Money.model_validate(price.quote.shipping))


def _require_codes(found: CartRules, changes: CartChanges, new: list[str]) -> None:
    refused = [
        (place, problem)
        for place, code in enumerate(changes.promotion_codes or ())
        if code in new and (problem := found.rules.standing(code, found.cart.currency)) is not None
    ]
    if refused:
        errors = [
            {"loc": ["body", "promotion_codes", place], "msg": _SAID[problem], "reason": problem}
            for place, problem in refused
        ]
        raise ProblemError("promotion_code_invalid", _SAID[refused[0][1]], errors=errors)
