"""Products, their variants (what is sold, by SKU) and prices."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Text, desc, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from domain.pricing.lines import STANDARD
from models.columns import identifier, moment, one_of


class ProductStatus(StrEnum):
    """Whether a product is shown and sold."""

    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class AttributeType(StrEnum):
    """What kind of value an attribute has."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    """One or several different texts, in the order of their letters."""


def _json(empty: type[list[Any]] | type[dict[str, Any]]) -> Any:
    default = text(f"'{empty()}'")
    return Field(sa_type=JSONB, nullable=False, sa_column_kwargs={"server_default": default}, default_factory=empty)


def _version() -> Any:
    return Field(default=1, sa_column_kwargs={"server_default": text("1")})


def _empty() -> Any:
    return Field(default="", sa_type=Text, sa_column_kwargs={"server_default": text("''")})


class Category(SQLModel, table=True):
    """A place in the category tree."""

    __tablename__ = "categories"

    id: UUID = identifier()
    slug: str = Field(sa_type=Text, unique=True)
    name: str = Field(sa_type=Text)
    parent_id: UUID | None = Field(default=None, foreign_key="categories.id", index=True)
    version: int = _version()


class Attribute(SQLModel, table=True):
    """A property that products may have, and the kind of its values."""

    __tablename__ = "attributes"
    __table_args__ = (one_of("type", AttributeType, "attributes_type"),)

    name: str = Field(sa_type=Text, primary_key=True)
    type: str = Field(sa_type=Text)


class Product(SQLModel, table=True):
    """Something that is listed; its variants are what is sold.

    `options` names in which ways variants differ, `attributes` maps names to values of their types, `images` lists
    `{url, alt}`. `version` grows with every edit of the product, of its variants and of their prices.
    """

    __tablename__ = "products"
    __table_args__ = (
        one_of("status", ProductStatus, "products_status"),
        Index(
            "products_attributes",
            "attributes",
            postgresql_using="gin",
            postgresql_ops={"attributes": "jsonb_path_ops"},
        ),
        Index(
            "products_by_status",
            "status",
            desc("created_at"),
            desc("id"),
            postgresql_where=text("status <> 'active'"),
        ),
    )

    id: UUID = identifier()
    slug: str = Field(sa_type=Text, unique=True)
    title: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    status: str = Field(default=ProductStatus.ACTIVE, sa_type=Text)
    category_id: UUID | None = Field(default=None, foreign_key="categories.id", index=True)
    created_at: datetime = moment()
    updated_at: datetime = moment()
    version: int = _version()
    vendor: str = _empty()
    options: list[str] = _json(list)
    attributes: dict[str, Any] = _json(dict)
    images: list[dict[str, str]] = _json(list)
    seo_title: str = _empty()
    seo_description: str = _empty()


class SlugRedirect(SQLModel, table=True):
    """A slug that a product had before, so that old links still lead to it."""

    __tablename__ = "slug_redirects"

    slug: str = Field(sa_type=Text, primary_key=True)
    product_id: UUID = Field(foreign_key="products.id", index=True, ondelete="CASCADE")


class Variant(SQLModel, table=True):
    """One article, named by its case-sensitive SKU.

    `options` are its values by the names of its product's options; `weight` is in grams.
    """

    __tablename__ = "variants"
    __table_args__ = (
        CheckConstraint("weight >= 0", name="variants_weight"),
        Index("variants_differ", "product_id", "options", unique=True, postgresql_where=text("options <> '{}'::jsonb")),
    )

    sku: str = Field(sa_type=Text, primary_key=True)
    product_id: UUID = Field(foreign_key="products.id", index=True)
    title: str = Field(default="", sa_type=Text)
    position: int = Field(default=0)
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    options: dict[str, str] = _json(dict)
    weight: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    tax_category: str = Field(
        default=STANDARD, sa_type=Text, sa_column_kwargs={"server_default": text(f"'{STANDARD}'")}
    )
    barcode: str = _empty()
    image: str = _empty()


class Price(SQLModel, table=True):
    """What a variant costs in one currency, in minor units; `compare_at_amount` is what it is said to have cost."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="prices_amount"),
        CheckConstraint("compare_at_amount >= 0", name="prices_compare_at"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="prices_currency"),
    )

    sku: str = Field(sa_type=Text, primary_key=True, foreign_key="variants.sku")
    currency: str = Field(sa_type=Text, primary_key=True)
    amount: int = Field(sa_type=BigInteger)
    compare_at_amount: int | None = Field(default=None, sa_type=BigInteger)


class PriceChange(SQLModel, table=True):
    """One change of a price: from what to what (none where there was none, or is none any more), and who made it."""

    __tablename__ = "price_changes"
    __table_args__ = (Index("price_changes_of", "sku", "id"),)

    id: int | None = Field(default=None, sa_type=BigInteger, primary_key=True, sa_column_args=(Identity(always=True),))
    sku: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    previous: int | None = Field(default=None, sa_type=BigInteger)
    amount: int | None = Field(default=None, sa_type=BigInteger)
    actor: str = Field(sa_type=Text)
    created_at: datetime = moment()
