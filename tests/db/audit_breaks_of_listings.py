"""Ways to break I12: lists and searches. Triggers have to be kept from mending them at once."""

from tests.db.audited_shop import breaking

_ONE = "product_id = (SELECT product_id FROM listings ORDER BY product_id LIMIT 1)"
_QUIET = "SET LOCAL session_replication_role = replica"

BREAKS = [
    breaking(
        "listed_where_it_belongs",
        f"UPDATE listings SET title = 'Something else' WHERE {_ONE}",
        title="Something else",
        should_not_be_listed=False,
    ),
    breaking(
        "listed_where_it_belongs",
        f"DELETE FROM listings WHERE {_ONE}",
        should_not_be_listed=False,
        also="listed_at_its_price",
    ),
    breaking(
        "listed_where_it_belongs",
        _QUIET,
        f"UPDATE products SET status = 'archived' WHERE id = (SELECT product_id FROM listings WHERE {_ONE})",
        should_not_be_listed=True,
        also="listed_at_its_price found_by_its_title shown_as_it_is",
    ),
    breaking("listed_at_its_price", f"UPDATE listed_prices SET price = 7 WHERE {_ONE}", currency="GBP", listed=7),
    breaking(
        "listed_at_its_price", f"UPDATE listings SET prices = '{{\"XTS\": 7}}' WHERE {_ONE}", currency="XTS", told=7
    ),
    breaking("listed_at_its_price", f"UPDATE listed_prices SET traits = ~traits WHERE {_ONE}", currency="GBP"),
    breaking(
        "listed_where_it_belongs",
        _QUIET,
        f"UPDATE products SET attributes = '{{\"size\": 7}}' WHERE id = (SELECT product_id FROM listings WHERE {_ONE})",
        should_not_be_listed=False,
        also="shown_as_it_is",
    ),
    breaking(
        "moved_is_listed",
        "WITH lamps AS (INSERT INTO categories (id, slug, name) VALUES (gen_random_uuid(), 'l', 'Lamps') RETURNING id)"
        " INSERT INTO moved_categories (category_id, moved_at) SELECT id, now() - interval '61 minutes' FROM lamps",
    ),
    breaking("shown_as_it_is", f"UPDATE product_documents SET skus[1] = 'GONE' WHERE {_ONE}"),
    breaking("shown_as_it_is", f"DELETE FROM product_documents WHERE {_ONE}", listed=None),
    breaking("found_by_its_title", f"UPDATE product_words SET words = '' WHERE {_ONE}"),
]
