"""What a cart looks like at today's prices."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import InvalidRequestError
from api.line_problems import problems_of, skus_to_look_up
from api.schemas.carts import Cart, CartLine, LineProblem, OpenedCart
from api.schemas.money import Money as ShownMoney
from db import carts, stock
from db.carts import CartLineRow, CartRow
from domain.money import MOST_MONEY, Money
from domain.pricing import PricedLine, quote


async def show(session: AsyncSession, cart: CartRow, rows: Sequence[CartLineRow] | None = None) -> Cart:
    """Show a cart with its lines, what stands in their way, and what those that can be sold cost together.

    It takes two statements, however many the lines are; one where they were read already (`rows`).
    """
    return Cart.model_validate(await _looked_up(session, cart, rows))


async def show_opened(session: AsyncSession, cart: CartRow, token: str | None) -> OpenedCart:
    """Show a cart with the secret that opens it."""
    return OpenedCart.model_validate(await _looked_up(session, cart, None) | {"token": token})


def require_payable(cart: Cart) -> None:
    """Refuse a cart that costs more than can be said exactly.

    Raises:
        InvalidRequestError: it does.
    """
    if cart.total.amount > MOST_MONEY:
        raise InvalidRequestError("The total would be larger than an amount can be", "body")


async def _looked_up(session: AsyncSession, cart: CartRow, rows: Sequence[CartLineRow] | None) -> dict[str, Any]:
    found = await carts.lines(session, cart) if rows is None else rows
    skus = skus_to_look_up(cart, found)
    return _described(cart, found, await stock.sellable(session, skus) if skus else {})


def _described(cart: CartRow, rows: Sequence[CartLineRow], sellable: Mapping[str, int]) -> dict[str, Any]:
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
        "lines": [
            _line(row, cart.currency, problems)
            for row, problems in zip(rows, problems_of(cart, rows, sellable), strict=True)
        ],
        "subtotal": price.subtotal,
        "discount": price.discount,
        "shipping": price.shipping,
        "tax": price.tax,
        "total": price.total,
    }


def _line(row: CartLineRow, currency: str, problems: list[LineProblem]) -> CartLine:
    unit_price = row.unit_price
    return CartLine(
        line_id=row.line_id,
        sku=row.sku,
        title=row.title,
        quantity=row.quantity,
        unit_price=None if unit_price is None else ShownMoney(amount=unit_price, currency=currency),
        total=None if unit_price is None else ShownMoney(amount=unit_price * row.quantity, currency=currency),
        problems=problems,
    )
