"""Facets: of what kinds the products are that somebody looks for, counted in one statement that writes their JSON."""

from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text

from db.product_filters import (
    HAS_ATTRIBUTES,
    IN_CATEGORY,
    IN_STOCK,
    MAY_HAVE_ATTRIBUTES,
    PRICED,
    SOLD_OUT,
    UNRANKED,
    Condition,
    ProductFilter,
    in_turn,
    rare,
)
from db.product_lists import FAR, FEW
from db.reads import Reader, fetch

MOST_COUNTED = 10_000
"""Matches that are counted; of more, these are a sample, and every count is a lower bound."""

_MOST_VALUES = 50
_BANDS = 5

_CATEGORIES = """
SELECT json_agg(json_build_object('slug', slug, 'name', name, 'count', count) ORDER BY count DESC, slug)
FROM (
    SELECT c.slug, c.name, count(*) FROM matches m
    JOIN listings l ON l.product_id = m.product_id JOIN categories c ON c.id = l.category_id
    WHERE c.parent_id IS NOT DISTINCT FROM (SELECT id FROM categories WHERE slug = :category)
    GROUP BY c.slug, c.name
) counted"""

_ATTRIBUTES = f"""
SELECT json_agg(json_build_object('name', name, 'values', of_it) ORDER BY name)
FROM (
    SELECT name, json_agg(json_build_object('value', value, 'count', count) ORDER BY count DESC, value) AS of_it
    FROM (
        SELECT name, value, count(*), row_number() OVER (PARTITION BY name ORDER BY count(*) DESC, value) AS place
        FROM matches m JOIN products p ON p.id = m.product_id, jsonb_each(p.attributes) AS held (name, one_or_more),
            jsonb_array_elements(
                CASE jsonb_typeof(one_or_more) WHEN 'array' THEN one_or_more ELSE jsonb_build_array(one_or_more) END
            ) AS value
        GROUP BY name, value
    ) counted
    WHERE place <= {_MOST_VALUES}
    GROUP BY name
) named"""  # noqa: S608 - a number of ours

# Bands are equally wide; the dearest product belongs to the last.
_PRICES = f"""
SELECT json_agg(json_build_object('min', min, 'max', max, 'count', count) ORDER BY min)
FROM (
    SELECT min(price), max(price), count(*)
    FROM (
        SELECT price, least({_BANDS}, width_bucket(price, min(price) OVER (), max(price) OVER () + 1, {_BANDS})) AS band
        FROM (SELECT CAST(prices -> CAST(:currency AS text) AS bigint) AS price FROM matches) m
        WHERE price IS NOT NULL
    ) priced
    GROUP BY band
) bands"""  # noqa: S608 - numbers of ours


async def count(reader: Reader, wanted: ProductFilter) -> str:
    """Count the products that match everything asked for, by category below, attribute, price and stock: JSON."""
    [[counted]] = await fetch(reader, *asked(wanted))
    return str(counted)


def asked(wanted: ProductFilter) -> tuple[TextClause, dict[str, Any]]:
    """Return the statement that counts, and its parameters."""
    statement = _statement(wanted.text is not None, wanted.priced, wanted.attributes is not None, wanted.in_stock)
    return statement, wanted.values() | {"most_ranked": MOST_COUNTED + 1}


@lru_cache(maxsize=64)
def _statement(looked_for: bool, priced: bool, attributes: bool, in_stock: bool | None) -> TextClause:
    stock = {None: [], True: [IN_STOCK], False: [SOLD_OUT]}[in_stock]
    filters = [MAY_HAVE_ATTRIBUTES] * attributes + [PRICED] * priced + [HAS_ATTRIBUTES] * attributes + stock
    found = _looked_up(filters) if looked_for else _looked_at(filters)
    known = {None: IN_STOCK.holds, True: "true", False: "false"}[in_stock]
    return text(f"""
WITH {", ".join(found)}, matches AS MATERIALIZED (
    SELECT product_id, prices FROM found LIMIT {MOST_COUNTED}
), available AS (
    SELECT count(*) FILTER (WHERE {known}) AS of_them FROM matches l
)
SELECT CAST(json_build_object(
    'total', (SELECT count(*) FROM matches),
    'exact', (SELECT count(*) <= {MOST_COUNTED} FROM found) AND (SELECT count(*) <= {FAR} FROM looked_at),
    'categories', coalesce(({_CATEGORIES}), '[]'),
    'attributes', coalesce(({_ATTRIBUTES}), '[]'),
    'currency', CAST(:currency AS text),
    'prices', coalesce(({_PRICES}), '[]'),
    'in_stock', (SELECT of_them FROM available),
    'sold_out', (SELECT count(*) FROM matches) - (SELECT of_them FROM available)
) AS text)""")  # noqa: S608 - all of it is constants


def _looked_up(filters: list[Condition]) -> list[str]:
    """Find the words first, then each product in the list that it has to be in."""
    matching = f"ranked r CROSS JOIN LATERAL ({_LISTED}) l WHERE {in_turn(filters)}"
    return [
        UNRANKED,
        "looked_at AS MATERIALIZED (SELECT product_id FROM ranked LIMIT 0)",
        f"found AS MATERIALIZED (SELECT l.product_id, l.prices, l.traits FROM {matching} LIMIT {MOST_COUNTED + 1})",  # noqa: S608 - as above
    ]


def _looked_at(filters: list[Condition]) -> list[str]:
    """Look at what a filter leaves of the whole shop if that is few, else at the newest products of the list."""
    parts, are_few = rare(filters, "true", FEW)
    most = FAR if filters else MOST_COUNTED
    return [
        *parts,
        (
            "looked_at AS MATERIALIZED (SELECT l.product_id, l.prices, l.traits FROM listings l"  # noqa: S608 - as above
            f" WHERE NOT {are_few} AND {IN_CATEGORY} ORDER BY l.created_at DESC, l.product_id DESC LIMIT {most + 1})"
        ),
        (
            "found AS MATERIALIZED (SELECT * FROM ("  # noqa: S608 - as above
            f"SELECT l.product_id, l.prices, l.traits FROM rare r CROSS JOIN LATERAL ({_LISTED}) l"
            f" UNION ALL SELECT * FROM looked_at) l WHERE {in_turn(filters)} LIMIT {MOST_COUNTED + 1})"
        ),
    ]


_LISTED = f"SELECT * FROM listings l WHERE l.product_id = r.product_id AND {IN_CATEGORY} LIMIT 1"  # noqa: S608 - as above
