"""What lists and searches of products read. The database keeps it true itself (migration 0008): nobody writes it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, Text, desc, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlmodel import Field, SQLModel

from models.columns import moment

EVERYTHING = UUID(int=0)
"""Stands for the category above all others."""

NOWHERE = UUID(int=1)
"""Stands for a category that does not exist."""

_DRAWN = "get_byte(uuid_send(product_id), 15)"
SHARES = (f"{_DRAWN} = 0", f"{_DRAWN} BETWEEN 1 AND 7", f"{_DRAWN} BETWEEN 8 AND 63", f"{_DRAWN} >= 64")
"""The products in four shares, drawn by a byte of their ids: a 256th of them, and each time eight times as many."""


def _sold_out() -> Any:
    return Field(default=False, sa_column_kwargs={"server_default": text("false")})


def _traits() -> Any:
    return Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


_LEFT = text("NOT sold_out")
_GONE = text("sold_out")


class Listing(SQLModel, table=True):
    """An active product in one of the categories that it is below of: its own, those above, and `EVERYTHING`.

    `prices` are those that it is listed at, by currency. `traits` has one bit of 64 for each of its attributes, drawn
    by name and value: a product that lacks a bit of what is wanted does not have it. The indices have both, so that a
    list that filters looks at hardly a row that it leaves out.
    `sold_out` is a hint that a chore keeps (`db/availability.py`): it may be late, and only saves a look at the stock.
    """

    __tablename__ = "listings"
    __table_args__ = tuple(
        Index(f"{name}{suffix}", *columns, postgresql_include=["prices", "traits"], postgresql_where=among)
        for name, columns in (
            ("listings_newest", ("category_id", desc("created_at"), desc("product_id"))),
            ("listings_title", ("category_id", "title", "product_id")),
        )
        for suffix, among in (("", None), ("_left", _LEFT), ("_gone", _GONE))
    )

    product_id: UUID = Field(primary_key=True, foreign_key="products.id", ondelete="CASCADE")
    category_id: UUID = Field(primary_key=True)
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    title: str = Field(sa_type=Text)
    prices: dict[str, int] = Field(sa_type=JSONB, nullable=False, sa_column_kwargs={"server_default": text("'{}'")})
    traits: int = _traits()
    sold_out: bool = _sold_out()


class ListedPrice(SQLModel, table=True):
    """The lowest price of a listed product's active variants in one currency; the rest is as in its listing."""

    __tablename__ = "listed_prices"
    __table_args__ = tuple(
        Index(
            name,
            "category_id",
            "currency",
            "price",
            "product_id",
            postgresql_include=["traits"],
            postgresql_where=among,
        )
        for name, among in (
            ("listed_prices_by_price", None),
            ("listed_prices_left", _LEFT),
            ("listed_prices_gone", _GONE),
        )
    )

    product_id: UUID = Field(primary_key=True, foreign_key="products.id", ondelete="CASCADE")
    category_id: UUID = Field(primary_key=True)
    currency: str = Field(sa_type=Text, primary_key=True)
    price: int = Field(sa_type=BigInteger)
    traits: int = _traits()
    sold_out: bool = _sold_out()


class ProductDocument(SQLModel, table=True):
    """What a list shows of an active product, as JSON but for its end: `head` and, for each of `skus`, `variants`.

    The slug of its category and what is available are put behind them when it is listed (`db/product_documents.py`).
    """

    __tablename__ = "product_documents"

    product_id: UUID = Field(primary_key=True, foreign_key="products.id", ondelete="CASCADE")
    category_id: UUID | None
    head: str = Field(sa_type=Text)
    skus: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    variants: list[str] = Field(sa_type=ARRAY(Text), nullable=False)


class MovedCategory(SQLModel, table=True):
    """A category that was moved with more products than are listed anew at once: lists follow it, in `newest` order.

    `last_created_at` and `last_id` are of the last product that is listed where it belongs. Until it is its turn, each
    product is listed where the category was.
    """

    __tablename__ = "moved_categories"

    category_id: UUID = Field(primary_key=True, foreign_key="categories.id", ondelete="CASCADE")
    moved_at: datetime = moment()
    last_created_at: datetime = Field(
        sa_type=DateTime(timezone=True), nullable=False, sa_column_kwargs={"server_default": text("'infinity'")}
    )
    last_id: UUID = Field(sa_column_kwargs={"server_default": text("'ffffffff-ffff-ffff-ffff-ffffffffffff'")})


class ProductWords(SQLModel, table=True):
    """The words by which an active product is found: title, then SKUs and vendor, then description.

    An index of words collects all matches before the first is taken: with one for each of the shares, a search for a
    frequent word ends where it has found enough.
    """

    __tablename__ = "product_words"
    __table_args__ = tuple(
        Index(f"product_words_{number}", "words", postgresql_using="gin", postgresql_where=text(share))
        for number, share in enumerate(SHARES)
    )

    product_id: UUID = Field(primary_key=True, foreign_key="products.id", ondelete="CASCADE")
    words: Any = Field(sa_type=TSVECTOR, nullable=False)


class KnownWord(SQLModel, table=True):
    """A word that some product is or was found by; of one with digits only what is before them, and a 0.

    With those that are `named`, in a title or as a vendor, a mistyped word is compared.
    """

    __tablename__ = "known_words"
    __table_args__ = (
        Index("known_words_begin", "word", postgresql_ops={"word": "text_pattern_ops"}),
        Index(
            "known_words_alike",
            "word",
            postgresql_using="gin",
            postgresql_ops={"word": "gin_trgm_ops"},
            postgresql_where=text("named"),
        ),
    )

    word: str = Field(sa_type=Text, primary_key=True)
    named: bool
