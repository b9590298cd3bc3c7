"""The price of a cart by the rules of the moment, and what it consists of."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.adjustments import Adjustment, AdjustmentPart
from api.schemas.money import Money
from db import carts, price_rules
from db.carts import CartLineRow, CartRow
from db.price_rules import CartRules
from domain.pricing import QuotedLine, explaining
from domain.pricing.rules import ExplainedQuote


@dataclass(frozen=True, slots=True)
class Explained:
    """A cart with all its lines (`rows`), what prices it (`found`), and the price of those that can be sold."""

    cart: CartRow
    rows: Sequence[CartLineRow]
    found: CartRules
    price: ExplainedQuote

    @property
    def sellable(self) -> Sequence[CartLineRow]:
        """Return the lines that are priced."""
        return [row for row in self.rows if row.sellable]

    @property
    def adjustments(self) -> list[Adjustment]:
        """Show what the total consists of."""
        rows = self.sellable
        return [_shown(each, rows) for each in self.price.adjustments]

    def parts(self) -> dict[UUID, QuotedLine]:
        """Return what each line costs, by its id."""
        return {row.line_id: line for row, line in zip(self.sellable, self.price.quote.lines, strict=True)}


def _shown(each: explaining.Adjustment, rows: Sequence[CartLineRow]) -> Adjustment:
    by_line = zip(rows, each.by_line, strict=True) if each.by_line else ()
    return Adjustment(
        type=each.type,
        code=each.code,
        label=each.label,
        amount=Money.model_validate(each.amount),
        lines=[
            AdjustmentPart(line_id=row.line_id, amount=Money(amount=amount, currency=each.amount.currency))
            for row, amount in by_line
            if amount
        ],
        problem=each.problem,
    )


def empty(cart: CartRow) -> Explained:
    """Price a cart that was opened just now: there is nothing to read."""
    found = price_rules.none(cart)
    return Explained(cart, (), found, found.price(()))


async def explain(session: AsyncSession, cart: CartRow) -> Explained:
    """Read a cart's lines and price what can be sold of them, in two statements.

    It takes one where there is nothing to price or tell.
    """
    rows = await carts.lines(session, cart)
    sellable = [row for row in rows if row.sellable]
    chosen = bool(cart.promotion_codes) or cart.shipping_method is not None
    found = await price_rules.of_cart(session, cart, sellable) if sellable or chosen else price_rules.none(cart)
    return Explained(cart, rows, found, found.price(sellable))
