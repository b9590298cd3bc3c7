"""What a shop must list and have on the shelf so that a day of invoices sells it out exactly."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from cli.retail.day import SaleRow
from cli.retail.invoices import CURRENCY
from db.stocking import NewCategory, NewProduct, NewVariant, Receipt
from domain.money import Money

_T = TypeVar("_T")

CATEGORY = NewCategory("retail", "Retail")

_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True)
class _Article:
    titles: Counter[str] = field(default_factory=Counter)
    prices: Counter[int] = field(default_factory=Counter)
    sold: int = 0


@dataclass(frozen=True, slots=True)
class Assortment:
    """One product a stock code, and as many of each as were sold."""

    products: tuple[NewProduct, ...]
    receipts: tuple[Receipt, ...]


def assortment(sales: Iterable[SaleRow]) -> Assortment:
    """Gather the articles: each has its most frequent description and price, the first of them where several are."""
    articles: dict[str, _Article] = {}
    for row in sales:
        article = articles.setdefault(row.sale.sku, _Article())
        article.sold += row.sale.quantity
        article.prices[row.sale.unit_price] += 1
        if row.description:
            article.titles[row.description] += 1
    return Assortment(
        products=tuple(_product(sku, article) for sku, article in articles.items()),
        receipts=tuple(Receipt(sku, article.sold) for sku, article in articles.items()),
    )


def slug_of(sku: str, title: str) -> str:
    """Name a product's page by its title and SKU; SKUs that differ in case or punctuation only get different slugs."""
    words = _NOT_IN_A_SLUG.sub("-", title.lower()).strip("-")
    code = _NOT_IN_A_SLUG.sub("-", sku.lower()).strip("-")
    if code.upper() != sku:
        code = f"{code}-{sha256(sku.encode()).hexdigest()[:6]}"
    return f"{words}-{code}".strip("-")


def _product(sku: str, article: _Article) -> NewProduct:
    title = _most_frequent(article.titles, sku)
    price = Money(_most_frequent(article.prices, 0), CURRENCY)
    return NewProduct(slug_of(sku, title), title, "", CATEGORY.slug, (NewVariant(sku, "", (price,)),))


def _most_frequent(counted: Counter[_T], otherwise: _T) -> _T:
    return next((value for value, _ in counted.most_common(1)), otherwise)
