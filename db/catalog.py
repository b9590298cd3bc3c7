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
from sqlalchemy.ext.asyncio import AsyncSession

from models.catalog import ProductStatus
from models.listings import EVERYTHING

NEAR = 2_000
"""Products of a list that are looked at in turn before its matches are collected."""

FEW = 5_000
"""Matches that are collected and sorted."""

_MOST_RANKED = 1_000
"""Matches of a search that are ranked; who looks for something so common has to say more."""
_DEAREST = 2**62
_NOWHERE = UUID(int=1)
"""Stands for a category that does not exist."""
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
class ProductFilter:
    """What is looked for. Prices are minor units of `currency`; `attributes` have to have just these values."""

    currency: str
    text: str | None = None
    category: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    attributes: str | None = None


@dataclass(frozen=True, slots=True)
class ProductSearch:
    """A part of a list; `after` is the sort key and id of the last product of the part before."""

    wanted: ProductFilter
    sort: ProductSort = ProductSort.NEWEST
    after: tuple[SortKey, UUID] | None = None
    limit: int = 20


_SELLS = "location = ANY (ARRAY(SELECT code FROM locations WHERE active))"
"""Holds for the levels at places that sell."""

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
                SELECT coalesce(sum(on_hand - reserved), 0) FROM stock_levels WHERE sku = v.sku AND {_SELLS}
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
WHERE r.slug = :slug AND (p.status = 'active' OR :everything)
""")

_UNSOLD = text(f"""
SELECT p.created_at AS key, p.id, {_DOCUMENT} AS document FROM products p
WHERE p.status = :status AND (p.created_at, p.id) < (CAST(:key AS timestamptz), CAST(:id AS uuid))
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


_ORDERS = {
    ProductSort.NEWEST: _Order("listings", "l.created_at", "timestamptz", descending=True),
    ProductSort.TITLE: _Order("listings", "l.title", "text"),
    ProductSort.PRICE: _Order("listed_prices", "l.price", "bigint"),
    ProductSort.PRICE_DESC: _Order("listed_prices", "l.price", "bigint", descending=True),
    ProductSort.RELEVANCE: _Order("listings", "r.rank", "bigint", descending=True),
}

_RANKED = """
ranked AS MATERIALIZED (
    SELECT product_id, CAST(ts_rank(words, query) * 1000000 AS bigint) AS rank
    FROM (
        SELECT w.product_id, w.words, q.query
        FROM search_query(:text) AS q (query), product_words w
        WHERE w.words @@ q.query
        LIMIT :most_ranked
    ) matching
)"""

_IN_CATEGORY = "l.category_id = coalesce((SELECT id FROM categories WHERE slug = :category), CAST(:otherwise AS uuid))"

# What may be backordered is in stock as well.
_IN_STOCK = f"""(EXISTS (
    SELECT FROM variants v JOIN stock_levels s ON s.sku = v.sku
    WHERE v.product_id = l.product_id AND v.active AND s.on_hand > s.reserved AND {_SELLS}
) OR EXISTS (
    SELECT FROM variants v JOIN stock_policies p ON p.sku = v.sku
    WHERE v.product_id = l.product_id AND v.active AND p.backorder_limit > p.backordered
))"""  # noqa: S608 - our own words

_PRICED = """EXISTS (
    SELECT FROM listed_prices x
    WHERE x.product_id = l.product_id AND x.category_id = l.category_id AND x.currency = :currency
      AND x.price BETWEEN :min_price AND :max_price
)"""

_HAS_ATTRIBUTES = """EXISTS (
    SELECT FROM products a WHERE a.id = l.product_id AND a.attributes @> CAST(:attributes AS jsonb)
)"""


async def find(session: AsyncSession, id_or_slug: UUID | str, *, everything: bool = False) -> Document | None:
    """Look up a product by its id or its slug: what is on sale, or for editors `everything`."""
    if isinstance(id_or_slug, UUID):
        rows = await session.execute(_BY_ID, {"id": id_or_slug, "everything": everything})
    else:
        rows = await session.execute(_BY_SLUG, {"slug": id_or_slug, "everything": everything})
    row = rows.one_or_none()
    return None if row is None else Document(row.version, row.document)


async def redirect(session: AsyncSession, slug: str, *, everything: bool = False) -> str | None:
    """Return the slug of the product that once had this one."""
    found: str | None = await session.scalar(_REDIRECTED, {"slug": slug, "everything": everything})
    return found


async def search(session: AsyncSession, search: ProductSearch) -> list[Found]:
    """List products on sale that match everything asked for, in one statement."""
    rows = await session.execute(_statement(_shape(search)), _values(search))
    return [Found(*row) for row in rows]


async def unsold(
    session: AsyncSession, status: ProductStatus, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Found]:
    """List drafts or archived products, newest first, for editors."""
    key, last = after or _BEFORE_ALL
    values = {"status": status, "everything": True, "limit": limit, "key": key, "id": last}
    return [Found(*row) for row in await session.execute(_UNSOLD, values)]


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
        priced=wanted.min_price is not None or wanted.max_price is not None,
        in_stock=wanted.in_stock,
        attributes=wanted.attributes is not None,
        later=search.after is not None,
    )


@lru_cache(maxsize=256)
def _statement(shape: _Shape) -> TextClause:
    """Write the statement for a shape of search out of constants."""
    order = _ORDERS[shape.sort]
    scope, filters = _scope(shape, order), _filters(shape, order)
    if shape.text:
        source = f"ranked r JOIN {order.table} l ON l.product_id = r.product_id"
        parts = [_RANKED, f"page AS ({_page(order, source, [*scope, *_later(shape, order), *filters])})"]
    elif filters:
        parts = _narrowed(order, scope, _later(shape, order), filters)
    else:
        parts = [f"page AS ({_page(order, f'{order.table} l', [*scope, *_later(shape, order)])})"]
    direction = _direction(order)
    return text(f"""WITH {", ".join(parts)}
SELECT page.key, p.id, {_DOCUMENT} AS document
FROM page JOIN products p ON p.id = page.product_id
ORDER BY page.key{direction}, p.id{direction}""")  # noqa: S608 - all of it is constants of this module


def _narrowed(order: _Order, scope: list[str], later: list[str], filters: list[str]) -> list[str]:
    """Look at what is near; if it does not fill the page, collect what is rare; if it is not rare, follow the index."""
    table = f"{order.table} l"
    in_turn = [_in_turn(filters)]
    collected = _Order("few", "l.key", order.type, order.descending)
    is_enough = f"(SELECT count(*) >= :limit FROM near) OR (SELECT count(*) < {NEAR} FROM next)"  # noqa: S608 - constants
    are_all = f"(SELECT count(*) <= {FEW} FROM few)"  # noqa: S608 - as above
    return [
        f"next AS MATERIALIZED ({_page(order, table, [*scope, *later], str(NEAR), 'l.category_id')})",
        f"near AS MATERIALIZED ({_page(collected, 'next l', in_turn)})",
        (
            f"few AS MATERIALIZED (SELECT l.product_id, {order.key} AS key FROM {table}"  # noqa: S608 - as above
            f" WHERE NOT ({is_enough}) AND {' AND '.join([*scope, *later, *filters])} LIMIT {FEW + 1})"
        ),
        (
            f"page AS ((SELECT product_id, key FROM near WHERE {is_enough})"  # noqa: S608 - as above
            f" UNION ALL ({_page(collected, 'few l', [f'NOT ({is_enough}) AND {are_all}'])})"
            f" UNION ALL ({_page(order, table, [f'NOT {are_all}', *scope, *later, *in_turn])}))"
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
    conditions = [_IN_CATEGORY]
    if order.table == "listed_prices":
        conditions.append("l.currency = :currency")
        if shape.priced:
            conditions.append("l.price BETWEEN :min_price AND :max_price")
    if shape.in_stock:
        conditions.append("NOT l.sold_out")
    return conditions


def _later(shape: _Shape, order: _Order) -> list[str]:
    sign = "<" if order.descending else ">"
    later = f"({order.key}, l.product_id) {sign} (CAST(:key AS {order.type}), CAST(:id AS uuid))"
    return [later] if shape.later else []


def _filters(shape: _Shape, order: _Order) -> list[str]:
    """Return the conditions that each product has to be looked at for, the cheapest first."""
    conditions = []
    if shape.priced and order.table != "listed_prices":
        conditions.append(_PRICED)
    if shape.attributes:
        conditions.append(_HAS_ATTRIBUTES)
    if shape.in_stock is not None:
        conditions.append(_IN_STOCK if shape.in_stock else f"NOT {_IN_STOCK}")
    return conditions


def _in_turn(conditions: list[str]) -> str:
    """Have conditions checked for one product after the other, each only if those before it hold.

    Inside CASE they stay what they are; elsewhere the planner may turn them into joins that read a whole table.
    """
    whens = " ".join(f"WHEN NOT {condition} THEN false" for condition in conditions)
    return f"CASE {whens} ELSE true END"


def _values(search: ProductSearch) -> dict[str, Any]:
    wanted = search.wanted
    key, last = search.after or (None, None)
    return {
        "category": wanted.category,
        "otherwise": EVERYTHING if wanted.category is None else _NOWHERE,
        "currency": wanted.currency,
        "text": wanted.text,
        "most_ranked": _MOST_RANKED if search.sort is ProductSort.RELEVANCE else FEW,
        "min_price": wanted.min_price or 0,
        "max_price": _DEAREST if wanted.max_price is None else wanted.max_price,
        "attributes": wanted.attributes,
        "key": key,
        "id": last,
        "limit": search.limit,
        "everything": False,
    }
