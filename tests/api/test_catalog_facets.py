import json
from typing import Any

import httpx2
import pytest

from api.schemas.catalog import Facets
from db import product_facets
from tests.api.answers import body, locations, problem
from tests.support.shop import Shop


@pytest.fixture(autouse=True)
async def three_products(shop: Shop) -> dict[str, str]:
    """A mug and a sold-out bowl in the kitchen's cupboard, and a candle nowhere. Returns slugs by name."""
    await shop.run("TRUNCATE products, categories, attributes CASCADE")
    kitchen, cupboard = await shop.category("Kitchen"), await shop.category("Cupboard")
    await shop.run("UPDATE categories SET parent_id = :above WHERE id = :below", above=kitchen, below=cupboard)
    mug = await shop.product("MUG", title="Enamel mug", prices={"GBP": 1000, "EUR": 1200}, category=cupboard)
    bowl = await shop.product("BOWL", title="Enamel bowl", prices={"GBP": 2000}, category=cupboard, stock=0)
    candle = await shop.product("CANDLE", title="Candle", prices={"GBP": 6000})
    for product, attributes in (
        (mug, {"colour": "red", "size": 3}),
        (bowl, {"colour": "red", "tags": ["sale", "summer"]}),
        (candle, {"lit": True, "tags": ["summer"]}),
    ):
        await shop.run(
            "UPDATE products SET attributes = CAST(:attributes AS jsonb) WHERE id = :id",
            attributes=json.dumps(attributes),
            id=product,
        )
    await shop.run(
        "INSERT INTO attributes VALUES ('colour', 'text'), ('size', 'number'), ('lit', 'boolean'), ('tags', 'list')"
    )
    return {str(name): str(slug) for name, slug in await shop.run("SELECT name, slug FROM categories")}


async def facets(guest: httpx2.AsyncClient, **params: Any) -> Facets:
    return Facets.model_validate(body(await guest.get("/v1/products/facets", params=params)), strict=True)


async def test_the_whole_shop_is_counted_by_category_attribute_price_and_stock(
    guest: httpx2.AsyncClient, three_products: dict[str, str]
) -> None:
    assert (await facets(guest)).model_dump() == {
        "total": 3,
        "exact": True,
        "categories": [{"slug": three_products["Kitchen"], "name": "Kitchen", "count": 2}],
        "attributes": [
            {"name": "colour", "values": [{"value": "red", "count": 2}]},
            {"name": "lit", "values": [{"value": True, "count": 1}]},
            {"name": "size", "values": [{"value": 3, "count": 1}]},
            {"name": "tags", "values": [{"value": "summer", "count": 2}, {"value": "sale", "count": 1}]},
        ],
        "currency": "GBP",
        "prices": [{"min": 1000, "max": 2000, "count": 2}, {"min": 6000, "max": 6000, "count": 1}],
        "in_stock": 2,
        "sold_out": 1,
    }


async def test_a_category_is_counted_with_those_right_below_it(
    guest: httpx2.AsyncClient, three_products: dict[str, str]
) -> None:
    counted = await facets(guest, category=three_products["Kitchen"], currency="EUR")
    assert [(each.name, each.count) for each in counted.categories] == [("Cupboard", 2)]
    assert [each.model_dump() for each in counted.prices] == [{"min": 1200, "max": 1200, "count": 1}]


@pytest.mark.parametrize(
    ("params", "total", "in_stock"),
    [
        ({"q": "enamel"}, 2, 1),
        ({"q": "enamel", "min_price": 1500}, 1, 0),
        ({"attribute": "colour:red", "in_stock": "true"}, 1, 1),
        ({"in_stock": "false"}, 1, 0),
        ({"max_price": 1000}, 1, 1),
        ({"attribute": ["colour:red", "size:3"]}, 1, 1),
        ({"attribute": "tags:summer"}, 2, 1),
        ({"attribute": ["tags:summer", "tags:sale"]}, 1, 0),
        ({"attribute": ["tags:sale", "tags:red"]}, 0, 0),
        ({"attribute": ["colour:red", "tags:sale", "colour:red"]}, 1, 0),
        ({"attribute": "tags:sale, summer"}, 0, 0),
        ({"category": "no-such"}, 0, 0),
    ],
)
async def test_only_what_matches_is_counted(
    guest: httpx2.AsyncClient, params: dict[str, Any], total: int, in_stock: int
) -> None:
    counted = await facets(guest, **params)
    assert (counted.total, counted.in_stock, counted.sold_out) == (total, in_stock, total - in_stock)


async def test_beyond_the_limit_counts_are_said_to_be_lower_bounds(
    guest: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_facets, "MOST_COUNTED", 2)
    product_facets._statement.cache_clear()
    try:
        counted = await facets(guest)
        assert (counted.total, counted.exact) == (2, False)
    finally:
        product_facets._statement.cache_clear()


async def test_facets_are_cached_by_their_tag(guest: httpx2.AsyncClient, shop: Shop) -> None:
    tag = (await guest.get("/v1/products/facets")).headers["ETag"]
    assert (await guest.get("/v1/products/facets", headers={"If-None-Match": tag})).status_code == 304
    await shop.run("UPDATE stock_levels SET on_hand = 0, reserved = 0 WHERE sku = 'MUG'")
    assert (await guest.get("/v1/products/facets", headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize("attribute", ["taste:sweet", "size:large", "lit:1", "nothing"])
async def test_an_attribute_that_is_not_known_or_not_of_its_type_is_refused(
    guest: httpx2.AsyncClient, attribute: str
) -> None:
    problem(await guest.get("/v1/products/facets", params={"attribute": attribute}), 422, "validation_error")


async def test_two_values_of_what_has_one_are_refused(guest: httpx2.AsyncClient) -> None:
    refused = await guest.get("/v1/products", params={"attribute": ["colour:red", "colour:blue"]})
    assert locations(problem(refused, 422, "validation_error")) == [["query", "attribute"]]
