"""Products as the shop shows them. PostgreSQL writes their JSON itself: one statement finds a page and writes it.

Lists follow an index of `listings` or `listed_prices` that begins with the category, so that a page costs the same at
any depth and in a shop of any size. Where filters narrow a list, the next `NEAR` products are looked at one by one. If
they do not fill the page, matches are rare, and all of them are collected, up to `FEW`, and sorted. If they are more,
the index is followed as far as it takes, which is then not far.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from db.product_filters import (
    HAS_ATTRIBUTES,
    IN_CATEGORY,
    IN_STOCK,
    PRICE_WITHIN,
    PRICED,
    RANKED,
    SELLS,
    SOLD_OUT,
    Condition,
    ProductFilter,
    in_turn,
)
from db.reads import Reader, fetch
from models.catalog import ProductStatus

NEAR = 2_000
"""Products of a list that are looked at in turn before its matches are collected."""

FEW = 5_000
"""Matches that are collected and sorted."""

_MOST_RANKED = 500
"""Matches of a search that are ranked; who looks for something so common has to say more."""
_BEFORE_ALL = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class Document:
    """A product as it is shown, in JSON, and its version."""

    version: int
    json: str


@dataclass(frozen=True, slots=True)
class Found:
    """One product of a list: what it was sorted by, its id, and its document in JSON."""

    key: "SortKey"
    id: UUID
    json: str


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
    """A part of a list; `after` is the sort key and id of the last product of the part before."""

    wanted: ProductFilter
    sort: ProductSort = ProductSort.NEWEST
    after: tuple[SortKey, UUID] | None = None
    limit: int = 20


_DOCUMENT = f"""CAST(json_build_object(
    'id', p.id, 'slug', p.slug, 'title', p.title, 'description', p.description, 'status', p.status,
    'category', (SELECT slug FROM categories WHERE id = p.category_id),
    'vendor', p.vendor, 'options', p.options, 'attributes', p.attributes, 'images', p.images,
    'seo_title', p.seo_title, 'seo_description', p.seo_description, 'version', p.version,
    'variants', (
        SELECT coalesce(json_agg(json_build_object(
            'sku', v.sku, 'title', v.title, 'active', v.active, 'options', v.options,
            'prices', coalesce(x.prices, '[]'), 'compare_at', coalesce(x.compare_at, '[]'),
            'weight', v.weight, 'tax_category', v.tax_category, 'barcode', v.barcode, 'image', v.image,
            'available', (
                SELECT coalesce(sum(on_hand - reserved), 0) FROM stock_levels WHERE sku = v.sku AND {SELLS}
            )
        ) ORDER BY v.position, v.sku), '[]')
        FROM variants v LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object('amount', amount, 'currency', currency) ORDER BY currency) AS prices,
                   json_agg(json_build_object('amount', compare_at_amount, 'currency', currency) ORDER BY currency)
                       FILTER (WHERE compare_at_amount IS NOT NULL) AS compare_at
            FROM prices WHERE sku = v.sku
        ) x ON true
        WHERE v.product_id = p.id AND (v.active OR CAST(:everything AS boolean))
    )
) AS text)"""  # noqa: S608 - our own words

_BY_ID = text(f"""
SELECT p.version, {_DOCUMENT} AS document FROM products p
WHERE p.id = :id AND (p.status = 'active' OR CAST(:everything AS boolean))
""")  # noqa: S608 - the document is a constant above

_BY_SLUG = text(f"""
SELECT p.version, {_DOCUMENT} AS document FROM products p
WHERE p.slug = :slug AND (p.status = 'active' OR CAST(:everything AS boolean))
""")  # noqa: S608 - as above

_REDIRECTED = text("""
SELECT p.slug FROM slug_redirects r JOIN products p ON p.id = r.product_id
WHERE r.slug = :slug AND (p.status = 'active' OR CAST(:everything AS boolean))
""")

_UNSOLD = text(f"""
SELECT p.created_at AS key, p.id, {_DOCUMENT} AS document FROM products p
WHERE p.status = CAST(:status AS text) AND (p.created_at, p.id) < (CAST(:key AS timestamptz), CAST(:id AS uuid))
ORDER BY p.created_at DESC, p.id DESC
LIMIT :limit
""")  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class _Order:
    """A sort: the table whose index it follows, the key there, its type, and its direction."""

    table: str
    key: str
    type: str
    descending: bool = False


_LISTINGS = "listings"
_PRICES = "listed_prices"
_OF_STOCK = (IN_STOCK, SOLD_OUT)
_ORDERS = {
    ProductSort.NEWEST: _Order(_LISTINGS, "l.created_at", "timestamptz", descending=True),
    ProductSort.TITLE: _Order(_LISTINGS, "l.title", "text"),
    ProductSort.PRICE: _Order(_PRICES, "l.price", "bigint"),
    ProductSort.PRICE_DESC: _Order(_PRICES, "l.price", "bigint", descending=True),
    ProductSort.RELEVANCE: _Order(_LISTINGS, "r.rank", "bigint", descending=True),
}


async def find(reader: Reader, id_or_slug: UUID | str, *, everything: bool = False) -> Document | None:
    """Look up a product by its id or its slug: what is on sale, or for editors `everything`."""
    if isinstance(id_or_slug, UUID):
        rows = await fetch(reader, _BY_ID, {"id": id_or_slug, "everything": everything})
    else:
        rows = await fetch(reader, _BY_SLUG, {"slug": id_or_slug, "everything": everything})
    return Document(*rows[0]) if rows else None


async def redirect(reader: Reader, slug: str, *, everything: bool = False) -> str | None:
    """Return the slug of the product that once had this one."""
    rows = await fetch(reader, _REDIRECTED, {"slug": slug, "everything": everything})
    return str(rows[0][0]) if rows else None


async def search(reader: Reader, search: ProductSearch) -> list[Found]:
    """List products on sale that match everything asked for, in one statement."""
    return [Found(*row) for row in await fetch(reader, _statement(_shape(search)), _values(search))]


async def unsold(
    reader: Reader, status: ProductStatus, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Found]:
    """List drafts or archived products, newest first, for editors."""
    key, last = after or _BEFORE_ALL
    values = {"status": status, "everything": True, "limit": limit, "key": key, "id": last}
    return [Found(*row) for row in await fetch(reader, _UNSOLD, values)]


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
def _statement(shape: _Shape) -> TextClause:
    """Write the statement for a shape of search out of constants."""
    order = _ORDERS[shape.sort]
    if shape.text:
        parts = _looked_up(order, shape)
    elif _filters(shape, order):
        parts = _narrowed(order, shape)
    else:
        parts = [f"page AS ({_page(order, f'{order.table} l', [*_scope(shape, order), *_later(shape, order)])})"]
    direction = _direction(order)
    return text(f"""WITH {", ".join(parts)}
SELECT page.key, p.id, {_DOCUMENT} AS document
FROM page JOIN products p ON p.id = page.product_id
ORDER BY page.key{direction}, p.id{direction}""")  # noqa: S608 - all of it is constants of this module


def _looked_up(order: _Order, shape: _Shape) -> list[str]:
    """Find the words first, then each product in the list that it has to be in."""
    listed = f"SELECT * FROM {order.table} l WHERE l.product_id = r.product_id AND {' AND '.join(_scope(shape, order))}"  # noqa: S608 - constants
    source = f"ranked r CROSS JOIN LATERAL ({listed} LIMIT 1) l"
    return [RANKED, f"page AS ({_page(order, source, [*_later(shape, order), in_turn(_filters(shape, order))])})"]


def _narrowed(order: _Order, shape: _Shape) -> list[str]:
    """Look at what is near; if it does not fill the page, collect what is rare; if it is not rare, follow the index."""
    table, filters = f"{order.table} l", _filters(shape, order)
    within = [*_scope(shape, order), *_later(shape, order)]
    rare = [condition.joined for condition in filters if condition not in _OF_STOCK]
    stock = in_turn([condition for condition in filters if condition in _OF_STOCK])
    collected = _Order("few", "l.key", order.type, order.descending)
    is_enough = f"((SELECT count(*) >= :limit FROM near) OR (SELECT count(*) < {NEAR} FROM next))"  # noqa: S608 - as above
    are_all = f"(SELECT count(*) <= {FEW} FROM few)"  # noqa: S608 - as above
    return [
        f"next AS MATERIALIZED ({_page(order, table, within, str(NEAR), 'l.category_id')})",
        f"near AS MATERIALIZED ({_page(collected, 'next l', [in_turn(filters)])})",
        (
            f"few AS MATERIALIZED (SELECT l.product_id, {order.key} AS key FROM {table}"  # noqa: S608 - as above
            f" WHERE {' AND '.join([f'NOT {is_enough}', *within, *rare, stock])} LIMIT {FEW + 1})"
        ),
        (
            f"page AS ((SELECT product_id, key FROM near WHERE {is_enough})"  # noqa: S608 - as above
            f" UNION ALL ({_page(collected, 'few l', [f'NOT {is_enough}', are_all])})"
            f" UNION ALL ({_page(order, table, [f'NOT {are_all}', *within, in_turn(filters)])}))"
        ),
    ]


def _page(order: _Order, source: str, conditions: list[str], limit: str = ":limit", also: str = "") -> str:
    direction = _direction(order)
    columns = ", ".join(filter(None, ["l.product_id", f"{order.key} AS key", also]))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT {columns} FROM {source}{where}"  # noqa: S608 - as above
        f" ORDER BY {order.key}{direction}, l.product_id{direction} LIMIT {limit}"
    )


def _direction(order: _Order) -> str:
    return " DESC" if order.descending else ""


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
    later = f"({order.key}, l.product_id) {sign} (CAST(:key AS {order.type}), CAST(:id AS uuid))"
    return [later] if shape.later else []


def _filters(shape: _Shape, order: _Order) -> list[Condition]:
    """Return the conditions that each product has to be looked at for, the cheapest first."""
    conditions = []
    if shape.priced and order.table != _PRICES:
        conditions.append(PRICED)
    if shape.attributes:
        conditions.append(HAS_ATTRIBUTES)
    if shape.in_stock is not None:
        conditions.append(IN_STOCK if shape.in_stock else SOLD_OUT)
    return conditions


def _values(search: ProductSearch) -> dict[str, Any]:
    key, last = search.after or (None, None)
    own = {
        "most_ranked": _MOST_RANKED if search.sort is ProductSort.RELEVANCE else FEW,
        "key": key,
        "id": last,
        "limit": search.limit,
        "everything": False,
    }
    return search.wanted.values() | own
