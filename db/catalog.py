"""Products as the shop shows them. PostgreSQL writes their JSON itself: one statement finds a page and writes it.

Lists follow an index of `listings` or `listed_prices` that begins with the category, so that a page costs the same at
any depth and in a shop of any size. Where filters narrow a list, up to `FEW` matches are collected first: when that is
all of them they are sorted, and otherwise matches are so frequent that following the index finds a page at once.
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

FEW = 5_000
"""Matches that are sorted one by one."""

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


_DOCUMENT = """CAST(json_build_object(
    'id', p.id, 'slug', p.slug, 'title', p.title, 'description', p.description, 'status', p.status,
    'category', (SELECT slug FROM categories WHERE id = p.category_id),
    'vendor', p.vendor, 'options', p.options, 'attributes', p.attributes, 'images', p.images,
    'seo_title', p.seo_title, 'seo_description', p.seo_description, 'version', p.version,
    'variants', (
        SELECT coalesce(json_agg(json_build_object(
            'sku', v.sku, 'title', v.title, 'active', v.active, 'options', v.options,
            'prices', coalesce(x.prices, '[]'), 'compare_at', coalesce(x.compare_at, '[]'),
            'weight', v.weight, 'tax_category', v.tax_category, 'barcode', v.barcode, 'image', v.image,
            'available', (SELECT coalesce(sum(on_hand - reserved), 0) FROM stock_levels WHERE sku = v.sku)
        ) ORDER BY v.position, v.sku), '[]')
        FROM variants v LEFT JOIN LATERAL (
            SELECT json_agg(json_build_object('amount', amount, 'currency', currency) ORDER BY currency) AS prices,
                   json_agg(json_build_object('amount', compare_at_amount, 'currency', currency) ORDER BY currency)
                       FILTER (WHERE compare_at_amount IS NOT NULL) AS compare_at
            FROM prices WHERE sku = v.sku
        ) x ON true
        WHERE v.product_id = p.id AND (v.active OR CAST(:everything AS boolean))
    )
) AS text)"""

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

    source: str
    key: str
    type: str
    descending: bool = False


_LISTINGS = "listings l"
_PRICED = "listed_prices l"
_RANKED = "listings l JOIN ranked r ON r.product_id = l.product_id"
_ORDERS = {
    ProductSort.NEWEST: _Order(_LISTINGS, "l.created_at", "timestamptz", descending=True),
    ProductSort.TITLE: _Order(_LISTINGS, "l.title", "text"),
    ProductSort.PRICE: _Order(_PRICED, "l.price", "bigint"),
    ProductSort.PRICE_DESC: _Order(_PRICED, "l.price", "bigint", descending=True),
    ProductSort.RELEVANCE: _Order(_RANKED, "r.rank", "bigint", descending=True),
}

_MATCHES = """
ranked AS MATERIALIZED (
    SELECT product_id, CAST(ts_rank(words, query) * 1000000 AS bigint) AS rank
    FROM (
        SELECT w.product_id, w.words, q.query
        FROM search_query(:text) AS q (query), product_words w
        WHERE w.words @@ q.query
        LIMIT :most_ranked
    ) matching
)"""

_WITH_PRICE = (
    " JOIN listed_prices x ON x.product_id = l.product_id AND x.category_id = l.category_id AND x.currency = :currency"
)

_IN_STOCK = """EXISTS (
    SELECT FROM variants v JOIN stock_levels s ON s.sku = v.sku
    WHERE v.product_id = l.product_id AND v.active AND s.on_hand > s.reserved
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
    joined, filters = _filters(shape, order)
    parts = [_MATCHES] if shape.text else []
    if order.source == _RANKED or not filters:
        return _with_documents(parts, _page(order, _scope(order) + filters, shape, joined), order)
    where = " AND ".join(_scope(order) + filters)
    few = (
        f"few AS MATERIALIZED (SELECT l.product_id, {order.key} AS key"  # noqa: S608 - constants of this module
        f" FROM {order.source}{joined} WHERE {where} LIMIT {FEW + 1})"
    )
    are_all = f"(SELECT count(*) <= {FEW} FROM few)"  # noqa: S608 - as above
    sorted_out = _page(_Order("few l", "l.key", order.type, order.descending), [are_all], shape)
    followed = _page(order, [f"NOT {are_all}", *_scope(order), *filters], shape, joined)
    return _with_documents([*parts, few], f"({sorted_out}) UNION ALL ({followed})", order)


def _with_documents(parts: list[str], page: str, order: _Order) -> TextClause:
    direction = " DESC" if order.descending else ""
    return text(f"""WITH {", ".join([*parts, f"page AS ({page})"])}
SELECT page.key, p.id, {_DOCUMENT} AS document
FROM page JOIN products p ON p.id = page.product_id
ORDER BY page.key{direction}, p.id{direction}""")  # noqa: S608 - all of it is constants of this module


def _page(order: _Order, conditions: list[str], shape: _Shape, joined: str = "") -> str:
    direction, sign = (" DESC", "<") if order.descending else ("", ">")
    later = [f"({order.key}, l.product_id) {sign} (CAST(:key AS {order.type}), CAST(:id AS uuid))"]
    where = " AND ".join(conditions + (later if shape.later else []))
    return (
        f"SELECT l.product_id, {order.key} AS key FROM {order.source}{joined} WHERE {where}"  # noqa: S608 - as above
        f" ORDER BY {order.key}{direction}, l.product_id{direction} LIMIT :limit"
    )


def _scope(order: _Order) -> list[str]:
    category = "l.category_id = coalesce((SELECT id FROM categories WHERE slug = :category), CAST(:otherwise AS uuid))"
    return [category, "l.currency = :currency"] if order.source == _PRICED else [category]


def _filters(shape: _Shape, order: _Order) -> tuple[str, list[str]]:
    """Return what has to be joined to narrow a list, and the conditions that do."""
    joined, conditions = "", []
    if shape.text and order.source != _RANKED:
        conditions.append("l.product_id IN (SELECT product_id FROM ranked)")
    if shape.priced:
        joined = "" if order.source == _PRICED else _WITH_PRICE
        conditions.append(f"{'x' if joined else 'l'}.price BETWEEN :min_price AND :max_price")
    if shape.in_stock is not None:
        conditions.append(_IN_STOCK if shape.in_stock else f"NOT {_IN_STOCK}")
    if shape.attributes:
        conditions.append("l.product_id IN (SELECT id FROM products WHERE attributes @> CAST(:attributes AS jsonb))")
    return joined, conditions


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
