"""What a cart looks like at today's prices."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import InvalidRequestError
from api.explaining import Explained, explain
from api.line_problems import problems_of, skus_to_look_up
from api.schemas.carts import Cart, CartLine, LineProblem, OpenedCart
from api.schemas.money import Money as ShownMoney
from db import stock
from db.carts import CartLineRow, CartRow
from domain.money import MOST_MONEY, Money
from domain.pricing import QuotedLine


async def show(session: AsyncSession, cart: CartRow) -> Cart:
    """Show a cart with its lines, what stands in their way, and what those that can be sold cost together.

    It takes three statements, however many the lines are.
    """
    return await show_explained(session, await explain(session, cart))


async def show_explained(session: AsyncSession, explained: Explained) -> Cart:
    """Show a cart that was priced already, in one statement more."""
    return Cart.model_validate(await _looked_up(session, explained))


async def show_opened(session: AsyncSession, explained: Explained, token: str | None) -> OpenedCart:
    """Show a cart with the secret that opens it."""
    return OpenedCart.model_validate(await _looked_up(session, explained) | {"token": token})


def require_payable(cart: Cart) -> None:
    """Refuse a cart that costs more than can be said exactly.

    Raises:
        InvalidRequestError: it does.
    """
    if cart.total.amount > MOST_MONEY:
        raise InvalidRequestError("The total would be larger than an amount can be", "body")


async def _looked_up(session: AsyncSession, explained: Explained) -> dict[str, Any]:
    cart = explained.cart
    skus = skus_to_look_up(cart, explained.rows)
    country = cart.shipping_address["country"] if cart.shipping_address else None
    return _described(explained, await stock.sellable(session, skus, country) if skus else {})


def _described(explained: Explained, sellable: Mapping[str, int]) -> dict[str, Any]:
    cart, rows, price, parts = explained.cart, explained.rows, explained.price.quote, explained.parts()
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
        "shipping_method": cart.shipping_method,
        "promotion_codes": cart.promotion_codes,
        "lines": [
            _line(row, cart.currency, problems, parts.get(row.line_id))
            for row, problems in zip(rows, problems_of(cart, rows, sellable), strict=True)
        ],
        "subtotal": price.subtotal,
        "discount": price.discount,
        "shipping": price.shipping,
        "tax": price.tax,
        "tax_included": price.tax_included,
        "total": price.total,
        "adjustments": explained.adjustments,
    }


def _line(row: CartLineRow, currency: str, problems: list[LineProblem], quoted: QuotedLine | None) -> CartLine:
    unit_price = row.unit_price
    nothing = Money.zero(currency)
    return CartLine(
        line_id=row.line_id,
        sku=row.sku,
        title=row.title,
        quantity=row.quantity,
        unit_price=None if unit_price is None else ShownMoney(amount=unit_price, currency=currency),
        total=None if unit_price is None else ShownMoney(amount=unit_price * row.quantity, currency=currency),
        discount=ShownMoney.model_validate(quoted.discount if quoted else nothing),
        tax=ShownMoney.model_validate(quoted.tax_added if quoted else nothing),
        tax_included=ShownMoney.model_validate(quoted.tax_included if quoted else nothing),
        problems=problems,
    )
