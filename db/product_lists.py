"""The statement that lists products: it finds a page and writes it, and looks at a bounded number of products.

Lists follow an index of `listings` or `listed_prices` that begins with the category, so that a page costs the same at
any depth and in a shop of any size. Where filters narrow a list, the next `NEAR` products are looked at one by one. If
they do not fill the page and a filter alone leaves few products of the whole shop, up to `FEW`, all of those are looked
at and sorted. If no filter does, the next `FAR` products are looked at, and what they hold is the page: it may be a
short one, with a row behind it that says where to go on.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from db.product_documents import LISTED_DOCUMENT
from db.product_filters import (
    HAS_ATTRIBUTES,
    IN_CATEGORY,
    IN_STOCK,
    MAY_HAVE_ATTRIBUTES,
    PRICE_WITHIN,
    PRICED,
    RANKED,
    SOLD_OUT,
    UNRANKED,
    Condition,
    ProductFilter,
    in_turn,
    rare,
)

NEAR = 2_000
"""Products of a list that are looked at in turn, whatever is asked for."""

FEW = 5_000
"""Products that a filter leaves of the whole shop, for all of them to be looked at."""

FAR = 20_000
"""Products of a list that are looked at in turn where no filter leaves few."""

_MOST_RANKED = 200
"""Matches of a search that are ranked; who looks for something so common has to say more, in words or by a filter.

Of a search that is narrowed `NEAR` are ranked, and looked at for the rest, the most relevant first.
"""


class ProductSort(StrEnum):
    """In which order products are listed. By price are only those that have one in the currency."""

    NEWEST = "newest"
    TITLE = "title"
    PRICE = "price"
    PRICE_DESC = "price_desc"
    RELEVANCE = "relevance"


SortKey = datetime | str | int


@dataclass(frozen=True, slots=True)
class ProductSearch:
    """A part of a list; `after` is the sort key and id that the part before says it begins after."""

    wanted: ProductFilter
    sort: ProductSort = ProductSort.NEWEST
    after: tuple[SortKey, UUID] | None = None
    limit: int = 20


def statement(search: ProductSearch) -> TextClause:
    """Return the statement of a search: rows of sort key, id and document, one more than its limit.

    One row may have no document: this is up to where products were looked at, and there may be more behind it.
    """
    return _statement(_shape(search), NEAR, FEW, FAR)


def values(search: ProductSearch) -> dict[str, Any]:
    """Return the parameters of the statement."""
    key, last = search.after or (None, None)
    own = {
        "most_ranked": _most_ranked(search),
        "key": key,
        "id": last,
        "limit": search.limit + 1,
    }
    return search.wanted.values() | own


def _most_ranked(search: ProductSearch) -> int:
    if search.sort is not ProductSort.RELEVANCE:
        return FEW
    return NEAR if search.wanted.narrows else _MOST_RANKED


@dataclass(frozen=True, slots=True)
class _Order:
    """A sort: the table whose index it follows, the key there, its type, its direction, and what decides of equals."""

    table: str
    key: str
    type: str
    descending: bool = False
    id: str = "l.product_id"

    @property
    def direction(self) -> str:
        return " DESC" if self.descending else ""


_LISTINGS = "listings"
_PRICES = "listed_prices"
_ORDERS = {
    ProductSort.NEWEST: _Order(_LISTINGS, "l.created_at", "timestamptz", descending=True),
    ProductSort.TITLE: _Order(_LISTINGS, "l.title", "text"),
    ProductSort.PRICE: _Order(_PRICES, "l.price", "bigint"),
    ProductSort.PRICE_DESC: _Order(_PRICES, "l.price", "bigint", descending=True),
    ProductSort.RELEVANCE: _Order(_LISTINGS, "r.rank", "bigint", descending=True, id="r.product_id"),
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a search decides about its statement, as opposed to its parameters."""

    sort: ProductSort
    text: bool
    priced: bool
    in_stock: bool | None
    attributes: bool
    later: bool


def _shape(search: ProductSearch) -> _Shape:
    wanted = search.wanted
    return _Shape(
        sort=search.sort,
        text=wanted.text is not None,
        priced=wanted.priced,
        in_stock=wanted.in_stock,
        attributes=wanted.attributes is not None,
        later=search.after is not None,
    )


@lru_cache(maxsize=256)
def _statement(shape: _Shape, near: int, few: int, far: int) -> TextClause:
    """Write the statement for a shape of search out of constants."""
    order = _ORDERS[shape.sort]
    if shape.text:
        parts = _looked_up(order, shape)
    elif _filters(shape, order):
        parts = _narrowed(order, shape, near, few, far)
    else:
        parts = [f"page AS ({_page(order, f'{order.table} l', [*_scope(shape, order), *_later(shape, order)])})"]
    shown = (
        f"SELECT page.key, d.product_id, {LISTED_DOCUMENT} AS document"  # noqa: S608 - constants
        " FROM page JOIN product_documents d USING (product_id)"
    )
    rest = " UNION ALL SELECT key, product_id, NULL FROM rest" if parts[-1].startswith("rest AS") else ""
    return text(f"WITH {', '.join(parts)} {shown}{rest} ORDER BY 1{order.direction}, 2{order.direction}")


def _looked_up(order: _Order, shape: _Shape) -> list[str]:
    """Find the words first, then each product in the list that it has to be in."""
    source = f"ranked r CROSS JOIN LATERAL ({_listed(order, shape)}) l"
    ranked = RANKED if shape.sort is ProductSort.RELEVANCE else UNRANKED
    return [ranked, f"page AS ({_page(order, source, [*_later(shape, order), in_turn(_filters(shape, order))])})"]


def _narrowed(order: _Order, shape: _Shape, near: int, few: int, far: int) -> list[str]:
    """Look at what is near, and, if that does not fill the page, either at what is rare or further on."""
    filters, within = _filters(shape, order), [*_scope(shape, order), *_later(shape, order)]
    noted = ["l.sold_out"] if shape.in_stock is False else []
    also = [f"l.{one.reads}" for one in filters if one.reads]
    is_enough = f"((SELECT count(*) >= :limit FROM near) OR (SELECT count(*) < {near} FROM next))"  # noqa: S608 - as above
    table, seen = f"{order.table} l", _Order("next", "l.key", order.type, order.descending)
    found, are_few = rare(filters, f"NOT {is_enough}", few)
    listed = f"rare r CROSS JOIN LATERAL ({_listed(order, shape)}) l"
    further = [f"NOT {is_enough}", f"NOT {are_few}", *within, *noted]
    is_short = "(SELECT count(*) < :limit FROM further)"
    return [
        f"next AS MATERIALIZED ({_page(order, table, within, str(near), *also)})",
        f"near AS MATERIALIZED ({_page(seen, 'next l', [in_turn(filters)])})",
        *found,
        f"next_further AS MATERIALIZED ({_page(order, table, further, str(far), *also)})",
        f"further AS MATERIALIZED ({_page(seen, 'next_further l', [in_turn(filters)])})",
        (
            f"page AS (SELECT product_id, key FROM near WHERE {is_enough}"  # noqa: S608 - as above
            f" UNION ALL ({_page(order, listed, [are_few, *_later(shape, order), in_turn(filters)])})"
            " UNION ALL SELECT product_id, key FROM further)"
        ),
        f"rest AS ({_page(seen, 'next_further l', [is_short], f'1 OFFSET {far - 1}')})",
    ]


def _listed(order: _Order, shape: _Shape) -> str:
    """Find `r`, a product, in the list that it has to be in."""
    conditions = ["l.product_id = r.product_id", *_scope(shape, order)]
    return f"SELECT * FROM {order.table} l WHERE {' AND '.join(conditions)} LIMIT 1"  # noqa: S608 - as above


def _page(order: _Order, source: str, conditions: list[str], limit: str = ":limit", *also: str) -> str:
    columns = ", ".join([order.id, f"{order.key} AS key", *also])
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT {columns} FROM {source}{where}"  # noqa: S608 - as above
        f" ORDER BY {order.key}{order.direction}, {order.id}{order.direction} LIMIT {limit}"
    )


def _scope(shape: _Shape, order: _Order) -> list[str]:
    """Return the conditions that an index of the order's table answers."""
    conditions = [IN_CATEGORY]
    if order.table == _PRICES:
        conditions.append("l.currency = :currency")
        if shape.priced:
            conditions.append(PRICE_WITHIN)
    if shape.in_stock:
        conditions.append("NOT l.sold_out")
    return conditions


def _later(shape: _Shape, order: _Order) -> list[str]:
    sign = "<" if order.descending else ">"
    later = f"({order.key}, {order.id}) {sign} (CAST(:key AS {order.type}), CAST(:id AS uuid))"
    return [later] if shape.later else []


def _filters(shape: _Shape, order: _Order) -> list[Condition]:
    """Return the conditions that each product has to be looked at for, the cheapest first."""
    conditions = [MAY_HAVE_ATTRIBUTES] if shape.attributes else []
    if shape.priced and order.table != _PRICES:
        conditions.append(PRICED)
    if shape.attributes:
        conditions.append(HAS_ATTRIBUTES)
    if shape.in_stock is not None:
        conditions.append(IN_STOCK if shape.in_stock else SOLD_OUT)
    return conditions
