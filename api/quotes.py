"""What a cart looks like at today's prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import InvalidRequestError
from api.line_problems import problems_of, skus_to_look_up
from api.schemas.adjustments import Adjustment, AdjustmentPart
from api.schemas.carts import Cart, CartLine, LineProblem, OpenedCart
from api.schemas.money import Money as ShownMoney
from db import carts, price_rules, stock
from db.carts import CartLineRow, CartRow
from domain.money import MOST_MONEY, Money
from domain.pricing import Quote, QuotedLine, explaining
from domain.pricing.rules import ExplainedQuote


async def show(session: AsyncSession, cart: CartRow, rows: Sequence[CartLineRow] | None = None) -> Cart:
    """Show a cart with its lines, what stands in their way, and what those that can be sold cost together.

    It takes three statements, however many the lines are; two where they were read already (`rows`).
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
    country = cart.shipping_address["country"] if cart.shipping_address else None
    sellable = await stock.sellable(session, skus, country) if skus else {}
    price = await explain(session, cart, [row for row in found if row.sold and row.unit_price is not None])
    return _described(cart, found, sellable, price)


async def explain(session: AsyncSession, cart: CartRow, priced: Sequence[CartLineRow]) -> "Explained":
    """Price lines by the rules of this moment; a cart without any costs nothing, whatever the rules are."""
    rules = await price_rules.of_cart(session, cart, priced) if priced else price_rules.none(cart)
    return Explained(priced, rules.price(priced))


@dataclass(frozen=True, slots=True)
class Explained:
    """Lines with their price."""

    rows: Sequence[CartLineRow]
    price: ExplainedQuote

    @property
    def adjustments(self) -> list[Adjustment]:
        """Show what the total consists of."""
        return [self._shown(each) for each in self.price.adjustments]

    def parts(self) -> dict[UUID, QuotedLine]:
        """Return what each line costs, by its id."""
        return {row.line_id: line for row, line in zip(self.rows, self.price.quote.lines, strict=True)}

    def _shown(self, each: explaining.Adjustment) -> Adjustment:
        by_line = zip(self.rows, each.by_line, strict=True) if each.by_line else ()
        return Adjustment(
            type=each.type,
            code=each.code,
            label=each.label,
            amount=ShownMoney.model_validate(each.amount),
            lines=[
                AdjustmentPart(line_id=row.line_id, amount=ShownMoney(amount=amount, currency=each.amount.currency))
                for row, amount in by_line
                if amount
            ],
            problem=each.problem,
        )


def _described(
    cart: CartRow, rows: Sequence[CartLineRow], sellable: Mapping[str, int], explained: Explained
) -> dict[str, Any]:
    price, parts = explained.price.quote, explained.parts()
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
            _line(row, cart.currency, problems, parts.get(row.line_id), included=price.tax_included.amount > 0)
            for row, problems in zip(rows, problems_of(cart, rows, sellable), strict=True)
        ],
        **totals(price),
        "adjustments": explained.adjustments,
    }


def totals(price: Quote) -> dict[str, Money]:
    """Return the parts of a total by their names."""
    parts = ("subtotal", "discount", "shipping", "tax", "tax_included", "total")
    return {part: getattr(price, part) for part in parts}


def _line(
    row: CartLineRow, currency: str, problems: list[LineProblem], quoted: QuotedLine | None, *, included: bool
) -> CartLine:
    unit_price = row.unit_price
    nothing = Money.zero(currency)
    tax = quoted.tax if quoted else nothing
    return CartLine(
        line_id=row.line_id,
        sku=row.sku,
        title=row.title,
        quantity=row.quantity,
        unit_price=None if unit_price is None else ShownMoney(amount=unit_price, currency=currency),
        total=None if unit_price is None else ShownMoney(amount=unit_price * row.quantity, currency=currency),
        discount=ShownMoney.model_validate(quoted.discount if quoted else nothing),
        tax=ShownMoney.model_validate(nothing if included else tax),
        tax_included=ShownMoney.model_validate(tax if included else nothing),
        problems=problems,
    )
