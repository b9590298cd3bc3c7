"""What products are looked for, as conditions on `l`, a row of `listings` or `listed_prices`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.listings import EVERYTHING, NOWHERE, SHARES

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

    @property
    def narrows(self) -> bool:
        """Tell whether anything is asked for but words."""
        return self.category is not None or self.priced or self.attributes is not None or self.in_stock is not None

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
    """What each product is looked at for: `holds` is never null.

    `reads` is the column of `l` that it looks at, if any. `products` is a statement of the products of the whole shop
    for which it holds; `{most}` of them are enough.
    """

    holds: str
    products: str = ""
    reads: str = ""


def _somewhere(*places: str) -> str:
    """Tell whether one of several places has a row.

    It is written so that the planner has to look each row up by itself, and so never reads a whole table.
    """
    return " OR ".join(f"(SELECT true FROM {place} LIMIT 1) IS NOT NULL" for place in places)  # noqa: S608 - ours


PRICED = Condition(
    "coalesce(CAST(l.prices -> CAST(:currency AS text) AS bigint) BETWEEN :min_price AND :max_price, false)",
    products=(
        "SELECT product_id FROM listed_prices l"  # noqa: S608 - ours
        f" WHERE {IN_CATEGORY} AND l.currency = :currency AND {PRICE_WITHIN}"
    ),
    reads="prices",
)

_WANTED = "(SELECT traits(CAST(:attributes AS jsonb)))"
"""Looked up once a statement: the bits that a product with these attributes has, perhaps among others."""

MAY_HAVE_ATTRIBUTES = Condition(f"l.traits & {_WANTED} = {_WANTED}", reads="traits")
"""Leaves out most of what has not the attributes, at hardly any cost: to be asked before anything else."""

HAS_ATTRIBUTES = Condition(
    _somewhere("products a WHERE a.id = l.product_id AND a.attributes @> CAST(:attributes AS jsonb)"),
    products="SELECT id FROM products_with(CAST(:attributes AS jsonb), {most}) AS p (id) WHERE true",
)

STOCKED = (
    f"variants v JOIN stock_levels s ON s.sku = v.sku WHERE v.active AND s.on_hand > s.reserved AND {SELLS}",
    "variants v JOIN stock_policies p ON p.sku = v.sku WHERE v.active AND p.backorder_limit > p.backordered",
)
"""The variants that may be sold: there is some, or it may be backordered."""

IN_STOCK = Condition(_somewhere(*(f"{place} AND v.product_id = l.product_id" for place in STOCKED)))
"""What may be backordered is in stock as well."""
SOLD_OUT = Condition(f"NOT ({IN_STOCK.holds})")


def _worded(*matching: str) -> str:
    """Look for what matches, one share of the products after the other, until enough is found.

    Each look collects all of its share before the first is taken, so that the small ones come first.
    """
    looks = (
        f"SELECT w.product_id, w.words FROM asked a, product_words w WHERE {share} AND {words}"  # noqa: S608 - ours
        for words in matching
        for share in SHARES
    )
    return f"worded AS MATERIALIZED (SELECT * FROM ({' UNION ALL '.join(looks)}) looks LIMIT :most_ranked)"  # noqa: S608 - ours


_ASKED = """
asked AS MATERIALIZED (
    SELECT q.begun, CAST(replace(CAST(q.begun AS text), ':*', '') AS tsquery) AS whole,
           strpos(CAST(q.begun AS text), ':*') > 0 AS is_open
    FROM search_query(:text) AS q (begun)
)"""

RANKED = f"""
{_ASKED},
{_worded("w.words @@ a.whole", "a.is_open AND w.words @@ a.begun AND NOT w.words @@ a.whole")},
ranked AS MATERIALIZED (
    SELECT worded.product_id, CAST(ts_rank(worded.words, asked.begun) * 1000000 AS bigint) AS rank
    FROM asked, worded
    ORDER BY rank DESC, product_id DESC
)"""  # noqa: S608 - ours
"""What a search finds, the most relevant first. What only begins with its words is looked for where whole words leave
room."""

UNRANKED = f"""
{_ASKED},
{_worded("w.words @@ a.begun")},
ranked AS (SELECT product_id FROM worded)"""  # noqa: S608 - ours
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
    whens = " ".join(f"WHEN NOT ({condition.holds}) THEN false" for condition in conditions)
    return f"CASE {whens} ELSE true END" if whens else "true"
