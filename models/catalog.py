"""Products, their variants (what is sold, by SKU) and prices."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Text
from sqlmodel import Field, SQLModel

from models.columns import identifier, moment, one_of


class ProductStatus(StrEnum):
    """Whether a product is shown and sold."""

    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class Category(SQLModel, table=True):
    """A place in the category tree."""

    __tablename__ = "categories"

    id: UUID = identifier()
    slug: str = Field(sa_type=Text, unique=True)
    name: str = Field(sa_type=Text)
    parent_id: UUID | None = Field(default=None, foreign_key="categories.id", index=True)


class Product(SQLModel, table=True):
    """Something that is listed; its variants are what is sold."""

    __tablename__ = "products"
    __table_args__ = (one_of("status", ProductStatus, "products_status"),)

    id: UUID = identifier()
    slug: str = Field(sa_type=Text, unique=True)
    title: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    status: str = Field(default=ProductStatus.ACTIVE, sa_type=Text)
    category_id: UUID | None = Field(default=None, foreign_key="categories.id", index=True)
    created_at: datetime = moment()
    updated_at: datetime = moment()


class Variant(SQLModel, table=True):
    """One article, named by its case-sensitive SKU."""

    __tablename__ = "variants"

    sku: str = Field(sa_type=Text, primary_key=True)
    product_id: UUID = Field(foreign_key="products.id", index=True)
    title: str = Field(default="", sa_type=Text)
    position: int = Field(default=0)


class Price(SQLModel, table=True):
    """What a variant costs in one currency, in minor units."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="prices_amount"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="prices_currency"),
    )

    sku: str = Field(sa_type=Text, primary_key=True, foreign_key="variants.sku")
    currency: str = Field(sa_type=Text, primary_key=True)
    amount: int = Field(sa_type=BigInteger)
