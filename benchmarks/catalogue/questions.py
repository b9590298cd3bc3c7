"""What is asked: five kinds of reads, each a list of different requests, the same in every run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from urllib.parse import urlencode

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.lists import encode
from db.product_lists import ProductSort
from models.listings import EVERYTHING

PAGE = 20
DEEP_PAGE = 10_000
_DIFFERENT = 100
_COLOURS = ("red", "blue", "green", "black", "white", "grey", "yellow", "brown")
_THINGS = ("mug", "lamp", "chair", "towel", "clock", "teapot", "blanket", "umbrella")


class Read(StrEnum):
    """A kind of read."""

    DETAIL = "detail"
    LIST = "list"
    FILTERED = "filtered list"
    SEARCH = "search"
    DEEP = "deep page"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a shop has, as far as requests have to know it."""

    slugs: Sequence[str]
    titles: Sequence[str]
    deep_cursor: str


Questions = dict[Read, list[str]]
"""Addresses by kind of read."""


async def sample(session: AsyncSession) -> Sample:
    """Look at products all over a shop, and at where its page 10,000 begins, or its last page if it has fewer."""
    rows = (await session.execute(_SAMPLE, {"most": _DIFFERENT})).all()
    offset = min(DEEP_PAGE * PAGE, await session.scalar(_COUNT, {"everything": EVERYTHING}) or 0) - PAGE - 1
    last = (await session.execute(_POSITION, {"everything": EVERYTHING, "offset": offset})).one()
    return Sample(
        [row.slug for row in rows],
        [row.title for row in rows],
        encode(ProductSort.NEWEST, last.created_at, last.product_id),
    )


def questions(of: Sample) -> Questions:
    """Draw requests of each kind."""
    draw = Random(7)
    return {
        Read.DETAIL: [f"/v1/products/{slug}" for slug in of.slugs],
        Read.LIST: _each(lambda: {"limit": PAGE, "category": _category(draw), "sort": draw.choice(_SORTS)}),
        Read.FILTERED: _each(lambda: _filters(draw)),
        Read.SEARCH: _each(lambda: {"limit": PAGE, "q": _words(draw, draw.choice(of.titles))}),
        Read.DEEP: [f"/v1/products?{urlencode({'limit': PAGE, 'cursor': of.deep_cursor})}"],
    }


_SORTS = [sort for sort in ProductSort if sort is not ProductSort.RELEVANCE]

_SAMPLE = text("""
SELECT slug, title FROM products
WHERE slug IN (
    SELECT 'product-' || 1 + n * (SELECT count(*) FROM products) / :most FROM generate_series(0, :most - 1) n
)
ORDER BY slug
""")
_COUNT = text("SELECT count(*) FROM listings WHERE category_id = :everything")
_POSITION = text("""
SELECT created_at, product_id FROM listings WHERE category_id = :everything
ORDER BY created_at DESC, product_id DESC OFFSET :offset LIMIT 1
""")


def _each(params: Callable[[], dict[str, object]]) -> list[str]:
    return [f"/v1/products?{urlencode(params())}" for _ in range(_DIFFERENT)]


def _category(draw: Random) -> str:
    return "-".join(["c", *(str(draw.randrange(8)) for _ in range(draw.randint(1, 2)))])


def _filters(draw: Random) -> dict[str, object]:
    least = draw.randrange(200, 12_000)
    return {
        "limit": PAGE,
        "category": _category(draw),
        "min_price": least,
        "max_price": least + 5_000,
        "in_stock": "true",
        "attribute": f"colour:{draw.choice(_COLOURS)}",
        "sort": draw.choice(_SORTS),
    }


def _words(draw: Random, title: str) -> str:
    """Type words of a title: one of very many, several, the beginning of one, or a name with two letters exchanged."""
    name, _, material, thing = title.split()
    return draw.choice(
        [
            draw.choice(_THINGS),
            f"{material} {thing}",
            f"{name[:5]}",
            f"{name} {thing}",
            f"{name[:3]}{name[4]}{name[3]}{name[5:]}",
        ]
    )
