"""Products and categories in answers, as `db.catalog` reads them."""

from uuid import UUID

from api.schemas.fields import Output
from api.schemas.money import Money


class Variant(Output):
    """An article, named by its case-sensitive SKU; `available` counts what may still be sold."""

    sku: str
    title: str
    prices: list[Money]
    available: int


class Product(Output):
    """Something that is listed, with the articles that are sold of it."""

    id: UUID
    slug: str
    title: str
    description: str
    status: str
    category: str | None
    variants: list[Variant]


class Category(Output):
    """A category; `parent` is the slug of the one above it."""

    id: UUID
    slug: str
    name: str
    parent: str | None
