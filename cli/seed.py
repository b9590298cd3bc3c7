"""The demo catalogue into the database; what it holds stands in `demo_catalogue.toml`."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api import rule_changes
from api.schemas.price_rules import PromotionContent, TaxRuleContent
from db import promotions, tax_rules
from db.engine import create_engine, create_sessions
from db.stocking import (
    NewCategory,
    NewProduct,
    NewVariant,
    Receipt,
    add_categories,
    add_products,
    one_at_a_time,
    receive,
)
from domain.errors import TakenError
from domain.money import Money
from models.pricing import RuleAction, RuleKind

DELIVERY = "demo catalogue"
"""How the movements of its stock are noted: what was received once is not received again."""

_ACTOR = "seed"
_FILE = Path(__file__).with_name("demo_catalogue.toml")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Categories, products, what of each SKU is received, promotions and taxes."""

    categories: tuple[NewCategory, ...]
    products: tuple[NewProduct, ...]
    receipts: tuple[Receipt, ...]
    promotions: tuple[PromotionContent, ...]
    taxes: tuple[TaxRuleContent, ...]


async def seed(database_url: str) -> int:
    """Load the demo catalogue and return how many products it has. A second run changes nothing, stock included.

    Promotions and taxes come with the first products: those that staff has removed since stay away.
    """
    catalogue = demo_catalogue()
    engine = create_engine(database_url, pool_size=1, application="everorder-seed")
    try:
        async with create_sessions(engine).begin() as session:
            await one_at_a_time(session)
            await add_categories(session, catalogue.categories)
            if await add_products(session, catalogue.products):
                await _add_rules(session, catalogue)
            await receive(session, catalogue.receipts, note=DELIVERY)
    finally:
        await engine.dispose()
    return len(catalogue.products)


def demo_catalogue() -> Catalogue:
    """Read the demo catalogue."""
    file = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return Catalogue(
        categories=tuple(NewCategory(**category) for category in file["categories"]),
        products=tuple(_product(product) for product in file["products"]),
        receipts=tuple(
            Receipt(variant["sku"], variant["stock"]) for product in file["products"] for variant in product["variants"]
        ),
        promotions=tuple(PromotionContent.model_validate(promotion) for promotion in file["promotions"]),
        taxes=tuple(TaxRuleContent.model_validate(tax) for tax in file["taxes"]),
    )


async def _add_rules(session: AsyncSession, catalogue: Catalogue) -> None:
    """Add promotions and taxes, but for those in whose place the shop has its own."""
    for promotion in catalogue.promotions:
        with suppress(TakenError):
            id_ = await promotions.create(session, promotion.columns(), promotion.target.categories)
            await rule_changes.note(session, RuleKind.PROMOTION, id_, RuleAction.CREATED, body=promotion, actor=_ACTOR)
    for tax in catalogue.taxes:
        with suppress(TakenError):
            id_ = await tax_rules.create(session, tax.columns())
            await rule_changes.note(session, RuleKind.TAX_RULE, id_, RuleAction.CREATED, body=tax, actor=_ACTOR)


def _product(product: Mapping[str, Any]) -> NewProduct:
    return NewProduct(
        slug=product["slug"],
        title=product["title"],
        description=product["description"],
        category=product["category"],
        variants=tuple(
            NewVariant(variant["sku"], variant["title"], _prices(variant.get("prices", product["prices"])))
            for variant in product["variants"]
        ),
    )


def _prices(amounts: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple(Money(amount, currency) for currency, amount in amounts.items())
