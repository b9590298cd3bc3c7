"""The price of a cart by the rules of the moment, and what it consists of."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.adjustments import Adjustment, AdjustmentPart
from api.schemas.money import Money
from db import price_rules
from db.carts import CartLineRow, CartRow
from domain.pricing import QuotedLine, explaining
from domain.pricing.rules import ExplainedQuote


@dataclass(frozen=True, slots=True)
class Explained:
    """The lines of a cart that can be sold, with their price."""

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
            amount=Money.model_validate(each.amount),
            lines=[
                AdjustmentPart(line_id=row.line_id, amount=Money(amount=amount, currency=each.amount.currency))
                for row, amount in by_line
                if amount
            ],
            problem=each.problem,
        )


async def explain(session: AsyncSession, cart: CartRow, rows: Sequence[CartLineRow]) -> Explained:
    """Price what can be sold of a cart's lines, in one statement; in none where there is nothing to price or tell."""
    priced = [row for row in rows if row.sold and row.unit_price is not None]
    chosen = bool(cart.promotion_codes) or cart.shipping_method is not None
    rules = await price_rules.of_cart(session, cart, priced) if priced or chosen else price_rules.none(cart)
    return Explained(priced, rules.price(priced))
