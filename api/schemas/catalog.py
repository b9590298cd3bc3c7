"""Products and categories in answers, as `db.catalog` reads them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from api.schemas.fields import Output
from api.schemas.money import Money
from models.catalog import AttributeType, ProductStatus


class Image(Output):
    """A picture, by its address."""

    url: str
    alt: str = ""


class Variant(Output):
    """An article, named by its case-sensitive SKU; `available` counts what may still be sold.

    `compare_at` is what it is said to have cost before, `weight` is in grams. Only editors see one that is not active.
    """

    sku: str
    title: str
    active: bool
    options: dict[str, str]
    prices: list[Money]
    compare_at: list[Money]
    weight: int
    tax_category: str
    barcode: str
    image: str
    available: int


class Product(Output):
    """Something that is listed, with the articles that are sold of it; `options` names in which ways those differ."""

    id: UUID
    slug: str
    title: str
    description: str
    status: ProductStatus
    category: str | None
    vendor: str
    options: list[str]
    attributes: dict[str, Any]
    images: list[Image]
    seo_title: str
    seo_description: str
    version: int
    variants: list[Variant]


class Category(Output):
    """A category; `parent` is the slug of the one above it."""

    id: UUID
    slug: str
    name: str
    parent: str | None
    version: int


class CategoryCount(Output):
    """How many of the products are in a category, or below it."""

    slug: str
    name: str
    count: int


class ValueCount(Output):
    """How many of the products have a value of an attribute."""

    value: bool | float | int | str
    count: int


class AttributeCounts(Output):
    """The most frequent values of an attribute."""

    name: str
    values: list[ValueCount]


class PriceBand(Output):
    """How many of the products begin at a price from `min` to `max`, in minor units."""

    min: int
    max: int
    count: int


class Facets(Output):
    """What kinds of products match; unless `exact`, there are more of them than are counted here."""

    total: int
    exact: bool
    categories: list[CategoryCount]
    attributes: list[AttributeCounts]
    currency: str
    prices: list[PriceBand]
    in_stock: int
    sold_out: int


class Attribute(Output):
    """A property that products may have, and the kind of its values."""

    name: str
    type: AttributeType


class PriceChange(Output):
    """A change of a price: from what (null: there was none) to what (null: there is none any more), and by whom."""

    currency: str
    previous: int | None
    amount: int | None
    actor: str
    created_at: datetime
