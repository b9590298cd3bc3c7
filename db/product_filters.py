"""What products are looked for, as conditions on `l`, a row of `listings` or `listed_prices`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.listings import EVERYTHING, NOWHERE

SELLS = "location = ANY (ARRAY(SELECT code FROM locations WHERE active))"
"""Holds for the levels at places that sell."""

IN_CATEGORY = "l.category_id = coalesce((SELECT id FROM categories WHERE slug = :category), CAST(:otherwise AS uuid))"

PRICE_WITHIN = "l.price BETWEEN :min_price AND :max_price"
_DEAREST = 2**62


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

    @property
    def priced(self) -> bool:
        """Tell whether the price matters."""
        return self.min_price is not None or self.max_price is not None

    def values(self) -> dict[str, Any]:
        """Return the parameters of the conditions."""
        return {
            "category": self.category,
            "otherwise": EVERYTHING if self.category is None else NOWHERE,
            "currency": self.currency,
            "text": self.text,
            "min_price": self.min_price or 0,
            "max_price": _DEAREST if self.max_price is None else self.max_price,
            "attributes": self.attributes,
        }


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds if a row is there in one of several places, or, not `wanted`, in none.

    `products` is a statement of the products of the whole shop for which it holds; `{most}` of them are enough.
    """

    places: tuple[str, ...]
    wanted: bool = True
    products: str = ""

    @property
    def in_turn(self) -> str:
        """Write it so that the planner has to look each row up by itself, and so never reads a whole table."""
        parts = (f"(SELECT true FROM {place} LIMIT 1) IS NOT NULL" for place in self.places)  # noqa: S608 - ours
        return f"{'' if self.wanted else 'NOT '}({' OR '.join(parts)})"


PRICED = Condition(
    (
        """
        listed_prices x
        WHERE x.product_id = l.product_id AND x.category_id = l.category_id AND x.currency = :currency
          AND x.price BETWEEN :min_price AND :max_price
        """,
    ),
    products=(
        "SELECT product_id FROM listed_prices l"  # noqa: S608 - ours
        f" WHERE {IN_CATEGORY} AND l.currency = :currency AND {PRICE_WITHIN}"
    ),
)

HAS_ATTRIBUTES = Condition(
    ("products a WHERE a.id = l.product_id AND a.attributes @> CAST(:attributes AS jsonb)",),
    products="SELECT id FROM products_with(CAST(:attributes AS jsonb), {most}) AS p (id) WHERE true",
)

STOCKED = (
    f"variants v JOIN stock_levels s ON s.sku = v.sku WHERE v.active AND s.on_hand > s.reserved AND {SELLS}",
    "variants v JOIN stock_policies p ON p.sku = v.sku WHERE v.active AND p.backorder_limit > p.backordered",
)
"""The variants that may be sold: there is some, or it may be backordered."""

_STOCKED = tuple(f"{place} AND v.product_id = l.product_id" for place in STOCKED)
IN_STOCK = Condition(_STOCKED)
"""What may be backordered is in stock as well."""
SOLD_OUT = Condition(_STOCKED, wanted=False)

RANKED = """
asked AS MATERIALIZED (
    SELECT q.begun, CAST(replace(CAST(q.begun AS text), ':*', '') AS tsquery) AS whole
    FROM search_query(:text) AS q (begun)
),
whole AS MATERIALIZED (
    SELECT w.product_id, w.words FROM asked, product_words w WHERE w.words @@ asked.whole LIMIT :most_ranked
),
begun AS MATERIALIZED (
    SELECT w.product_id, w.words FROM asked, product_words w
    WHERE (SELECT count(*) < :most_ranked FROM whole) AND w.words @@ asked.begun AND NOT w.words @@ asked.whole
    LIMIT :most_ranked
),
ranked AS MATERIALIZED (
    SELECT found.product_id, CAST(ts_rank(found.words, asked.begun) * 1000000 AS bigint) AS rank
    FROM asked, (SELECT * FROM whole UNION ALL SELECT * FROM begun LIMIT :most_ranked) found
)"""
"""What a search finds. An index finds whole words much sooner than all words that begin as they do, which are looked
for only where the whole ones leave room."""

UNRANKED = """
ranked AS MATERIALIZED (
    SELECT w.product_id, 0 AS rank
    FROM search_query(:text) AS q (query), product_words w
    WHERE w.words @@ q.query
    LIMIT :most_ranked
)"""
"""The same where nobody asks what of it is more relevant, and many more are wanted."""


def rare(conditions: Sequence[Condition], needed: str, few: int) -> tuple[list[str], str]:
    """Write CTEs that end with `rare`, the products that one of the conditions leaves if they are few.

    Return them and an expression that tells whether they are. Nothing is read unless it is `needed`.
    """
    parts, fewer = [], list[str]()
    for number, condition in enumerate(one for one in conditions if one.products):
        found = f"rare_{number}"
        where = " AND ".join([needed, *(f"NOT {other}" for other in fewer)])
        limit = f"{few + 1}"
        parts.append(f"{found} AS MATERIALIZED ({condition.products.format(most=limit)} AND {where} LIMIT {limit})")
        fewer.append(f"({where} AND (SELECT count(*) <= {few} FROM {found}))")  # noqa: S608 - ours
    chosen = [f"SELECT * FROM rare_{number} WHERE {one}" for number, one in enumerate(fewer)]  # noqa: S608 - ours
    nothing = "SELECT CAST(NULL AS uuid) WHERE false"
    return [
        *parts,
        f"rare (product_id) AS ({' UNION ALL '.join(chosen) or nothing})",
    ], f"({' OR '.join(fewer) or 'false'})"


def in_turn(conditions: Sequence[Condition]) -> str:
    """Have conditions checked for one product after the other, each only if those before it hold."""
    whens = " ".join(f"WHEN NOT ({condition.in_turn}) THEN false" for condition in conditions)
    return f"CASE {whens} ELSE true END" if whens else "true"
