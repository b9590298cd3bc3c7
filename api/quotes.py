"""What a cart looks like at today's prices."""

from collections.abc import Sequence
from typing import Any

from api.errors import InvalidRequestError
from api.schemas.carts import Cart, CartLine, OpenedCart
from api.schemas.money import Money as ShownMoney
from db.carts import CartLineRow, CartRow
from domain.errors import CurrencyUnavailableError, UnknownSkuError
from domain.money import MOST_MONEY, Money
from domain.pricing import PricedLine, quote


def show(cart: CartRow, rows: Sequence[CartLineRow]) -> Cart:
    """Show a cart with its lines, and what those that can be sold cost together."""
    return Cart.model_validate(_described(cart, rows))


def show_opened(cart: CartRow, rows: Sequence[CartLineRow], token: str | None) -> OpenedCart:
    """Show a cart with the secret that opens it."""
    return OpenedCart.model_validate(_described(cart, rows) | {"token": token})


def require_payable(cart: Cart) -> None:
    """Refuse a cart that costs more than can be said exactly.

    Raises:
        InvalidRequestError: it does.
    """
    if cart.total.amount > MOST_MONEY:
        raise InvalidRequestError("The total would be larger than an amount can be", "body")


def _described(cart: CartRow, rows: Sequence[CartLineRow]) -> dict[str, Any]:
    priced = [
        PricedLine(row.sku, row.quantity, Money(row.unit_price, cart.currency))
        for row in rows
        if row.sold and row.unit_price is not None
    ]
    price = quote(priced, cart.currency)
    return {
        "id": cart.id,
        "reference": cart.reference,
        "status": cart.status,
        "currency": cart.currency,
        "checkout_attempt": cart.checkout_attempt,
        "email": cart.email,
        "phone": cart.phone,
        "shipping_address": cart.shipping_address,
        "billing_address": cart.billing_address,
        "lines": [_line(row, cart.currency) for row in rows],
        "subtotal": price.subtotal,
        "discount": price.discount,
        "shipping": price.shipping,
        "tax": price.tax,
        "total": price.total,
    }


def _line(row: CartLineRow, currency: str) -> CartLine:
    unit_price = row.unit_price
    return CartLine(
        line_id=row.line_id,
        sku=row.sku,
        title=row.title,
        quantity=row.quantity,
        unit_price=None if unit_price is None else ShownMoney(amount=unit_price, currency=currency),
        total=None if unit_price is None else ShownMoney(amount=unit_price * row.quantity, currency=currency),
        problem=_problem(row),
    )


def _problem(row: CartLineRow) -> str | None:
    if not row.sold:
        return UnknownSkuError.code
    return CurrencyUnavailableError.code if row.unit_price is None else None
