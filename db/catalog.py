"""Products as the shop shows them: only active ones, with their variants, prices and what is available."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.money import Money
from models.catalog import ProductStatus


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One article: its prices by currency, and what may still be sold of it anywhere. `weight` is in grams."""

    sku: str
    title: str
    active: bool
    options: dict[str, str]
    prices: tuple[Money, ...]
    compare_at: tuple[Money, ...]
    weight: int
    tax_category: str
    barcode: str
    image: str
    available: int


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product; `price` is its lowest in the currency that the list was asked for."""

    id: UUID
    slug: str
    title: str
    description: str
    status: ProductStatus
    category: str | None
    created_at: datetime
    version: int
    vendor: str
    options: tuple[str, ...]
    attributes: dict[str, Any]
    images: tuple[dict[str, str], ...]
    seo_title: str
    seo_description: str
    price: int | None = None
    variants: tuple[VariantRow, ...] = ()


class ProductSort(StrEnum):
    """In which order products are listed."""

    NEWEST = "newest"
    TITLE = "title"
    PRICE = "price"
    PRICE_DESC = "price_desc"


SortKey = datetime | str | int


@dataclass(frozen=True, slots=True)
class ProductSearch:
    """What is looked for. Prices are minor units of `currency`; `after` is the sort key and id of the last one seen.

    Only editors ask for another `status` than active.
    """

    currency: str
    status: ProductStatus = ProductStatus.ACTIVE
    text: str | None = None
    category: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    sort: ProductSort = ProductSort.NEWEST
    after: tuple[SortKey, UUID] | None = None
    limit: int = 20


_PRODUCTS = SQLModel.metadata.tables["products"]
_P = _PRODUCTS.c
_V = SQLModel.metadata.tables["variants"].c
_PRICES = SQLModel.metadata.tables["prices"].c
_STOCK = SQLModel.metadata.tables["stock_levels"].c
_CATEGORIES = SQLModel.metadata.tables["categories"]
_CATEGORY = _CATEGORIES.c

_UNPRICED = {ProductSort.PRICE: 2**62, ProductSort.PRICE_DESC: -1}
"""Sorts products without a price in the currency behind all others."""

_VARIANTS = text("""
SELECT v.product_id, v.sku, v.title, v.active, v.options, v.weight, v.tax_category, v.barcode, v.image,
       coalesce(p.currencies, '{}') AS currencies, coalesce(p.amounts, '{}') AS amounts,
       coalesce(p.compare_at, '{}') AS compare_at,
       coalesce((SELECT sum(on_hand - reserved) FROM stock_levels WHERE sku = v.sku), 0)::bigint AS available
FROM variants v
LEFT JOIN LATERAL (
    SELECT array_agg(currency ORDER BY currency) AS currencies, array_agg(amount ORDER BY currency) AS amounts,
           array_agg(compare_at_amount ORDER BY currency) AS compare_at
    FROM prices WHERE sku = v.sku
) p ON true
WHERE v.product_id = ANY (:products) AND (v.active OR :everything)
ORDER BY v.product_id, v.position, v.sku
""")

_REDIRECTED = text("""
SELECT p.slug FROM slug_redirects r JOIN products p ON p.id = r.product_id
WHERE r.slug = :slug AND (p.status = 'active' OR :everything)
""")


async def search(session: AsyncSession, wanted: ProductSearch) -> list[ProductRow]:
    """List active products that match everything asked for, in two statements."""
    price = _lowest_price(wanted.currency)
    statement = _products().add_columns(price.label("price")).where(*_conditions(wanted))
    key, descending = _sort_key(wanted.sort, price)
    if wanted.after is not None:
        here = tuple_(key, _P.id)
        statement = statement.where(here < wanted.after if descending else here > wanted.after)
    order = (key.desc(), _P.id.desc()) if descending else (key, _P.id)
    rows = await session.execute(statement.order_by(*order).limit(wanted.limit))
    found = [_product(row, row.price) for row in rows]
    return await _with_variants(session, found, everything=wanted.status is not ProductStatus.ACTIVE)


async def find(session: AsyncSession, id_or_slug: UUID | str, *, everything: bool = False) -> ProductRow | None:
    """Look up a product by its id or its slug: what is on sale, or for editors `everything`."""
    named = _P.id == id_or_slug if isinstance(id_or_slug, UUID) else _P.slug == id_or_slug
    shown = [named] if everything else [named, _P.status == ProductStatus.ACTIVE]
    rows = await session.execute(_products().where(*shown))
    found = await _with_variants(session, [_product(row, None) for row in rows], everything=everything)
    return found[0] if found else None


async def redirect(session: AsyncSession, slug: str, *, everything: bool = False) -> str | None:
    """Return the slug of the product that once had this one."""
    found: str | None = await session.scalar(_REDIRECTED, {"slug": slug, "everything": everything})
    return found


def sort_key(product: ProductRow, sort: ProductSort) -> SortKey:
    """Return what a product is sorted by, for the cursor behind it."""
    match sort:
        case ProductSort.NEWEST:
            return product.created_at
        case ProductSort.TITLE:
            return product.title
        case ProductSort.PRICE | ProductSort.PRICE_DESC:
            return _UNPRICED[sort] if product.price is None else product.price


def _products() -> Select[*tuple[Any, ...]]:
    named = _CATEGORY.slug.label("category")
    return select(
        *(_P.id, _P.slug, _P.title, _P.description, _P.status, named, _P.created_at, _P.version, _P.vendor),
        *(_P.options, _P.attributes, _P.images, _P.seo_title, _P.seo_description),
    ).select_from(_PRODUCTS.outerjoin(_CATEGORIES, _CATEGORY.id == _P.category_id))


def _conditions(wanted: ProductSearch) -> list[ColumnElement[bool]]:
    conditions = [_P.status == wanted.status]
    if wanted.text:
        conditions.append(_matches(wanted.text))
    if wanted.category is not None:
        conditions.append(_CATEGORY.slug == wanted.category)
    if wanted.min_price is not None or wanted.max_price is not None:
        conditions.append(_priced_between(wanted))
    if wanted.in_stock is not None:
        conditions.append(_in_stock() if wanted.in_stock else ~_in_stock())
    return conditions


def _matches(words: str) -> ColumnElement[bool]:
    own = _V.product_id == _P.id
    return or_(
        _P.title.icontains(words, autoescape=True),
        _P.description.icontains(words, autoescape=True),
        exists().where(own, _V.sku.icontains(words, autoescape=True)),
    )


def _priced_between(wanted: ProductSearch) -> ColumnElement[bool]:
    bounds = [_PRICES.currency == wanted.currency]
    if wanted.min_price is not None:
        bounds.append(_PRICES.amount >= wanted.min_price)
    if wanted.max_price is not None:
        bounds.append(_PRICES.amount <= wanted.max_price)
    return exists().where(_V.product_id == _P.id, _PRICES.sku == _V.sku, and_(*bounds))


def _in_stock() -> ColumnElement[bool]:
    return exists().where(_V.product_id == _P.id, _STOCK.sku == _V.sku, _STOCK.on_hand > _STOCK.reserved)


def _lowest_price(currency: str) -> ColumnElement[int]:
    return (
        select(func.min(_PRICES.amount))
        .where(_V.product_id == _P.id, _PRICES.sku == _V.sku, _PRICES.currency == currency)
        .scalar_subquery()
    )


def _sort_key(sort: ProductSort, price: ColumnElement[int]) -> tuple[ColumnElement[object], bool]:
    match sort:
        case ProductSort.NEWEST:
            return _P.created_at, True
        case ProductSort.TITLE:
            return _P.title, False
        case ProductSort.PRICE | ProductSort.PRICE_DESC:
            return func.coalesce(price, _UNPRICED[sort]), sort is ProductSort.PRICE_DESC


def _product(row: Row[*tuple[Any, ...]], price: int | None) -> ProductRow:
    return ProductRow(
        id=row.id,
        slug=row.slug,
        title=row.title,
        description=row.description,
        status=ProductStatus(row.status),
        category=row.category,
        created_at=row.created_at,
        version=row.version,
        vendor=row.vendor,
        options=tuple(row.options),
        attributes=row.attributes,
        images=tuple(row.images),
        seo_title=row.seo_title,
        seo_description=row.seo_description,
        price=price,
    )


async def _with_variants(
    session: AsyncSession, products: Sequence[ProductRow], *, everything: bool
) -> list[ProductRow]:
    if not products:
        return []
    variants: dict[UUID, list[VariantRow]] = {product.id: [] for product in products}
    rows = await session.execute(_VARIANTS, {"products": list(variants), "everything": everything})
    for row in rows:
        variants[row.product_id].append(_variant(row))
    return [replace(product, variants=tuple(variants[product.id])) for product in products]


def _variant(row: Row[*tuple[Any, ...]]) -> VariantRow:
    return VariantRow(
        sku=row.sku,
        title=row.title,
        active=row.active,
        options=row.options,
        prices=_amounts(row.currencies, row.amounts),
        compare_at=_amounts(row.currencies, row.compare_at),
        weight=row.weight,
        tax_category=row.tax_category,
        barcode=row.barcode,
        image=row.image,
        available=row.available,
    )


def _amounts(currencies: Sequence[str], amounts: Sequence[int | None]) -> tuple[Money, ...]:
    return tuple(
        Money(amount, currency) for currency, amount in zip(currencies, amounts, strict=True) if amount is not None
    )
