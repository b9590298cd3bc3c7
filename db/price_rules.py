"""The promotions, taxes and shipping of one cart, read in one statement, and the price that follows from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from db.carts import CartLineRow, CartRow
from domain.money import Money
from domain.pricing import PricedLine
from domain.pricing.explaining import AdjustmentProblem
from domain.pricing.promotions import (
    AmountOff,
    BuyGet,
    Effect,
    FreeShipping,
    PercentOff,
    Promotion,
    Target,
)
from domain.pricing.rules import Choice, ExplainedQuote, Offer, PriceRules
from domain.pricing.shipping import Band, Measure, ShippingMethod
from domain.pricing.taxes import UNTAXED, Rounding, TaxRules
from models.columns import utc_now
from models.pricing import EffectKind

# What applies by itself has to be on; of a code that was typed the buyer is told why it is not. What an order of this
# very cart uses is free for it. A customer is the same one by account or by e-mail address. Categories are climbed
# from the cart's, and only if a promotion asks. Arrays come out of subqueries, so that PostgreSQL does not look into
# them when it plans: a plan for these very values would be made anew each time, which costs ten times the reading.
_RULES = text("""
WITH RECURSIVE offered AS (
    SELECT p.*,
           p.uses - (
               SELECT count(*) FROM orders o JOIN promotion_redemptions r ON r.order_id = o.id
               WHERE o.cart_id = :cart AND r.promotion_id = p.id AND r.state = 'live'
           ) AS used,
           CASE WHEN p.customer_limit IS NULL THEN 0 ELSE (
               SELECT count(*) FROM promotion_redemptions r JOIN orders o ON o.id = r.order_id
               WHERE r.promotion_id = p.id AND r.state = 'live' AND o.cart_id <> :cart
                 AND (o.customer_id = CAST(:customer AS uuid) OR lower(o.email) = lower(CAST(:email AS text)))
           ) END AS used_by_customer,
           ARRAY(SELECT c.category_id FROM promotion_categories c WHERE c.promotion_id = p.id) AS categories
    FROM promotions p
    WHERE p.automatic AND p.active AND (p.starts_at IS NULL OR p.starts_at <= now())
          AND (p.ends_at IS NULL OR now() < p.ends_at)
       OR NOT p.automatic AND p.code = ANY((SELECT CAST(:codes AS text[]))::text[])
), up AS (
    SELECT c.id AS category, c.id AS above, c.parent_id
    FROM categories c
    WHERE c.id = ANY((SELECT CAST(:categories AS uuid[]))::uuid[])
      AND EXISTS (SELECT FROM offered WHERE cardinality(categories) > 0)
    UNION
    SELECT up.category, c.id, c.parent_id FROM categories c JOIN up ON c.id = up.parent_id
)
SELECT now() AS at,
       (SELECT json_agg(o ORDER BY o.id) FROM offered o) AS offers,
       (SELECT json_agg(json_build_array(category, above)) FROM up) AS tree,
       (SELECT row_to_json(t) FROM tax_rules t
         WHERE t.country = :country AND t.region IN ('', :region) ORDER BY t.region DESC LIMIT 1) AS tax,
       EXISTS (SELECT FROM shipping_zones) AS ships,
       (SELECT json_agg(m ORDER BY m.position, m.code) FROM shipping_methods m
         WHERE m.currency = :currency AND m.zone_id = (
             SELECT zone_id FROM shipping_zone_countries
             WHERE country IN ('*', :country) AND CAST(:country AS text) <> '' ORDER BY country DESC LIMIT 1
         )) AS methods
""")


@dataclass(frozen=True, slots=True)
class CartRules:
    """What prices one cart. `above` tells which categories each category of the cart lies in, itself among them."""

    cart: CartRow
    rules: PriceRules
    above: Mapping[UUID, frozenset[str]]

    @property
    def choice(self) -> Choice:
        """Return what the cart's buyer has chosen."""
        return Choice(self.cart.promotion_codes, self.cart.shipping_method)

    def lines(self, rows: Iterable[CartLineRow]) -> list[PricedLine]:
        """Show lines that have a price to the engine."""
        return [
            PricedLine(
                row.sku,
                row.quantity,
                Money(row.unit_price, self.cart.currency),
                line_id=str(row.position),
                categories=frozenset() if row.category_id is None else self.above.get(row.category_id, frozenset()),
                tax_category=row.tax_category,
                weight=row.weight,
            )
            for row in rows
            if row.unit_price is not None
        ]

    def price(self, rows: Sequence[CartLineRow]) -> ExplainedQuote:
        """Price lines, none of them without a price; parts of lines are in their order."""
        return self.rules.price(self.lines(rows), self.cart.currency, self.choice)


async def of_cart(session: AsyncSession, cart: CartRow, rows: Iterable[CartLineRow]) -> CartRules:
    """Read what prices a cart with these lines."""
    address = cart.shipping_address or {}
    values = {
        "cart": cart.id,
        "customer": cart.customer_id,
        "email": cart.email,
        "codes": list(cart.promotion_codes),
        "categories": list({row.category_id for row in rows if row.category_id is not None}),
        "country": address.get("country") or "",
        "region": (address.get("region") or "").upper(),
        "currency": cart.currency,
    }
    row = (await session.execute(_RULES, values)).mappings().one()
    return CartRules(cart, _rules(row, cart.currency), _above(row["tree"]))


def none(cart: CartRow) -> CartRules:
    """Return no rules at all: what a cart without lines needs."""
    return CartRules(cart, PriceRules(utc_now()), {})


def method(document: Mapping[str, Any], currency: str) -> ShippingMethod:
    """Read a shipping method off its row."""
    return ShippingMethod(
        code=document["code"],
        name=document["name"],
        measure=Measure(document["measure"]),
        bands=tuple(Band(up_to, Money(amount, currency)) for up_to, amount in document["bands"]),
        tax_category=document["tax_category"],
    )


def _rules(row: RowMapping, currency: str) -> PriceRules:
    tax, at = row["tax"], row["at"]
    return PriceRules(
        at=at,
        offers=tuple(_offer(each, at) for each in row["offers"] or ()),
        tax=TaxRules(tax["rates"], tax["included"], Rounding(tax["rounding"])) if tax else UNTAXED,
        tax_name=tax["name"] if tax else "",
        methods=tuple(method(each, currency) for each in row["methods"] or ()),
        ships=row["ships"],
    )


def _offer(row: Mapping[str, Any], at: datetime) -> Offer:
    currency, minimum = row["currency"], row["minimum_amount"]
    promotion = Promotion(
        code=row["code"],
        effect=_effect(row),
        target=Target(frozenset(row["skus"]), frozenset(row["categories"])),
        automatic=row["automatic"],
        combines=row["combines"],
        priority=row["priority"],
        minimum=None if minimum is None else Money(minimum, currency),
        minimum_quantity=row["minimum_quantity"],
        starts_at=_moment(row["starts_at"]),
        ends_at=_moment(row["ends_at"]),
    )
    return Offer(UUID(row["id"]), row["label"], promotion, _problem(row, promotion, at))


def _effect(row: Mapping[str, Any]) -> Effect:
    match EffectKind(row["effect"]):
        case EffectKind.PERCENT:
            return PercentOff(row["basis_points"])
        case EffectKind.AMOUNT:
            return AmountOff(Money(row["amount"], row["currency"]))
        case EffectKind.BUY_GET:
            return BuyGet(row["buy"], row["get"], row["basis_points"])
        case EffectKind.FREE_SHIPPING:
            return FreeShipping()


def _problem(row: Mapping[str, Any], promotion: Promotion, at: datetime) -> AdjustmentProblem | None:
    if promotion.starts_at is not None and at < promotion.starts_at:
        return AdjustmentProblem.NOT_STARTED
    if not row["active"] or not promotion.is_on(at):
        return AdjustmentProblem.EXPIRED
    if row["use_limit"] is not None and row["used"] >= row["use_limit"]:
        return AdjustmentProblem.USED_UP
    if row["customer_limit"] is not None and row["used_by_customer"] >= row["customer_limit"]:
        return AdjustmentProblem.USED_BY_CUSTOMER
    return None


def _above(tree: Any) -> dict[UUID, frozenset[str]]:
    above: dict[UUID, set[str]] = {}
    for category, one in tree or ():
        above.setdefault(UUID(category), set()).add(one)
    return {category: frozenset(ones) for category, ones in above.items()}


def _moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)
