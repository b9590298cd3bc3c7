"""The demo catalogue into the database; what it holds stands in `demo_catalogue.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from domain.money import Money

DELIVERY = "demo catalogue"
"""How the movements of its stock are noted: what was received once is not received again."""

_FILE = Path(__file__).with_name("demo_catalogue.toml")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Categories, products, and what of each SKU is received."""

    categories: tuple[NewCategory, ...]
    products: tuple[NewProduct, ...]
    receipts: tuple[Receipt, ...]


async def seed(database_url: str) -> int:
    """Load the demo catalogue and return how many products it has. A second run changes nothing, stock included."""
    catalogue = demo_catalogue()
    engine = create_engine(database_url, pool_size=1, application="everorder-seed")
    try:
        async with create_sessions(engine).begin() as session:
            await one_at_a_time(session)
            await add_categories(session, catalogue.categories)
            await add_products(session, catalogue.products)
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
    )


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
