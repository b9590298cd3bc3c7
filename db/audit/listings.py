"""I12: what lists and searches show is what the products are. Triggers keep it so; this looks whether they do."""

from db.audit.checks import Check, Invariant, Subject
from db.product_documents import LISTED_DOCUMENT, PUBLIC_DOCUMENT

_PLACED = """
WITH RECURSIVE above (product_id, category_id) AS (
    SELECT id, category_id FROM products WHERE status = 'active' AND category_id IS NOT NULL
    UNION
    SELECT a.product_id, c.parent_id FROM above a JOIN categories c ON c.id = a.category_id
    WHERE c.parent_id IS NOT NULL
), placed AS (
    SELECT product_id, category_id FROM above
    UNION ALL
    SELECT id, CAST('00000000-0000-0000-0000-000000000000' AS uuid) FROM products WHERE status = 'active'
)"""

# Lists follow a category that was moved with very many products: each is listed where it was until it is its turn.
_FOLLOWING = "SELECT FROM moved_categories m JOIN listings f ON f.category_id = m.category_id WHERE f.product_id"

_LISTED = f"""
{_PLACED}
SELECT product_id, category_id, coalesce(l.title, t.title) AS title, t.title IS NULL AS should_not_be_listed
FROM (SELECT product_id, category_id, title, created_at, traits FROM listings) l
FULL JOIN (
    SELECT d.product_id, d.category_id, p.title, p.created_at, traits(p.attributes) AS traits
    FROM placed d JOIN products p ON p.id = d.product_id
) t USING (product_id, category_id)
WHERE (l.title, l.created_at, l.traits) IS DISTINCT FROM (t.title, t.created_at, t.traits)
  AND NOT EXISTS ({_FOLLOWING} = coalesce(l.product_id, t.product_id))
"""  # noqa: S608 - a constant

_PRICED = f"""
{_PLACED}
SELECT product_id, category_id, currency, l.price AS listed, told.price AS told, t.price
FROM listed_prices l
FULL JOIN (
    SELECT product_id, category_id, currency, CAST(price AS bigint) AS price, traits
    FROM listings, jsonb_each(prices) AS each (currency, price)
) told USING (product_id, category_id, currency)
FULL JOIN (
    SELECT d.product_id, d.category_id, x.currency, min(x.amount) AS price
    FROM placed d JOIN variants v ON v.product_id = d.product_id AND v.active JOIN prices x ON x.sku = v.sku
    GROUP BY 1, 2, 3
) t USING (product_id, category_id, currency)
WHERE (l.price, told.price, l.traits) IS DISTINCT FROM (t.price, t.price, told.traits)
  AND NOT EXISTS ({_FOLLOWING} = coalesce(l.product_id, told.product_id, t.product_id))
"""  # noqa: S608 - as above

_FOUND = """
SELECT coalesce(p.id, w.product_id) AS product_id, p.title
FROM (SELECT id, title FROM products WHERE status = 'active') p
FULL JOIN product_words w ON w.product_id = p.id
WHERE p.id IS NULL OR w.words IS NULL OR NOT w.words @@ phraseto_tsquery('product_words', p.title)
"""

_SHOWN = f"""
SELECT product_id, d.listed, p.told
FROM (SELECT d.product_id, {LISTED_DOCUMENT} AS listed FROM product_documents d) d
FULL JOIN (SELECT p.id AS product_id, {PUBLIC_DOCUMENT} AS told FROM products p WHERE p.status = 'active') p
    USING (product_id)
WHERE d.listed IS DISTINCT FROM p.told
"""  # noqa: S608 - as above

LISTED_AS_IT_IS = Invariant(
    "I12",
    "Lists and searches show what the products are",
    (
        Check(
            "listed_where_it_belongs", "a product is listed in its category and all above", Subject.LISTINGS, _LISTED
        ),
        Check("listed_at_its_price", "a product is listed at its lowest price", Subject.LISTED_PRICES, _PRICED),
        Check("shown_as_it_is", "a list shows of a product what it is", Subject.PRODUCT_DOCUMENTS, _SHOWN),
        Check("found_by_its_title", "a product is found by its title", Subject.PRODUCT_WORDS, _FOUND),
    ),
)
