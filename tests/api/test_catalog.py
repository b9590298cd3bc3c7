from typing import Any

import httpx2
import pytest

from tests.api.answers import body, gbp, locations, problem
from tests.support.shop import Shop


@pytest.fixture(autouse=True)
async def emptied(shop: Shop) -> None:
    await shop.run("TRUNCATE products, categories CASCADE")


async def titles(guest: httpx2.AsyncClient, **params: Any) -> list[str]:
    page = body(await guest.get("/v1/products", params=params))
    assert page["next_cursor"] is None
    return [product["title"] for product in page["items"]]


async def test_a_product_is_shown_by_id_and_by_slug(guest: httpx2.AsyncClient, shop: Shop) -> None:
    kitchen = await shop.category("Kitchen")
    [(slug,)] = await shop.run("SELECT slug FROM categories")
    product = await shop.product("MUG", title="Mug", prices={"GBP": 1250, "EUR": 1500}, stock=None, category=kitchen)
    await shop.stock("MUG", on_hand=10, reserved=4)

    shown = body(await guest.get(f"/v1/products/{product}"))
    assert shown == {
        "id": str(product),
        "slug": f"p-{product.hex}",
        "title": "Mug",
        "description": "Made for a test",
        "status": "active",
        "category": slug,
        "vendor": "",
        "options": [],
        "attributes": {},
        "images": [],
        "seo_title": "",
        "seo_description": "",
        "version": 1,
        "variants": [
            {
                "sku": "MUG",
                "title": "",
                "active": True,
                "options": {},
                "prices": [{"amount": 1500, "currency": "EUR"}, gbp(1250)],
                "compare_at": [],
                "weight": 0,
                "tax_category": "standard",
                "barcode": "",
                "image": "",
                "available": 6,
            }
        ],
    }
    assert shown == body(await guest.get(f"/v1/products/p-{product.hex}"))
    assert shown == body(await guest.get("/v1/products"))["items"][0]


@pytest.mark.parametrize("status", ["draft", "archived"])
async def test_a_product_that_is_not_on_sale_is_not_there(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, status: str
) -> None:
    product = await shop.product("MUG", status=status)
    for name in (product, f"p-{product.hex}"):
        problem(await guest.get(f"/v1/products/{name}"), 404, "not_found")
        assert body(await staff.get(f"/v1/products/{name}"))["status"] == status
    for client in (guest, staff):
        assert body(await client.get("/v1/products"))["items"] == []
    problem(await guest.get("/v1/products/no-such-product"), 404, "not_found")


async def test_a_list_is_narrowed_and_sorted(guest: httpx2.AsyncClient, shop: Shop) -> None:
    kitchen = await shop.category("Kitchen")
    [(slug,)] = await shop.run("SELECT slug FROM categories")
    await shop.product("A", title="Apron", prices={"GBP": 3000}, category=kitchen)
    await shop.product("B", title="Bowl", prices={"GBP": 1000, "EUR": 5000}, category=kitchen, stock=0)
    await shop.product("C", title="Candle", prices={"GBP": 2000})

    assert await titles(guest) == ["Candle", "Bowl", "Apron"]
    assert await titles(guest, sort="title") == ["Apron", "Bowl", "Candle"]
    assert await titles(guest, sort="price") == ["Bowl", "Candle", "Apron"]
    assert await titles(guest, sort="price_desc") == ["Apron", "Candle", "Bowl"]
    assert await titles(guest, sort="price_desc", currency="EUR") == ["Bowl"]
    assert await titles(guest, category=slug, sort="title") == ["Apron", "Bowl"]
    assert await titles(guest, q="BOW") == ["Bowl"]
    assert await titles(guest, min_price=1001, max_price=2000) == ["Candle"]
    assert await titles(guest, in_stock="true", sort="title") == ["Apron", "Candle"]
    assert await titles(guest, in_stock="false") == ["Bowl"]
    assert await titles(guest, q="%") == []


@pytest.mark.parametrize("sort", ["newest", "title", "price", "price_desc"])
async def test_pages_follow_each_other_to_the_end(guest: httpx2.AsyncClient, shop: Shop, sort: str) -> None:
    for number in range(5):
        await shop.product(f"SKU-{number}", title=f"Title {number % 2}", prices={"GBP": number % 3})
    whole = [item["id"] for item in body(await guest.get("/v1/products", params={"sort": sort}))["items"]]

    walked: list[str] = []
    params: dict[str, Any] = {"sort": sort, "limit": 2}
    while True:
        page = body(await guest.get("/v1/products", params=params))
        assert len(page["items"]) <= 2
        walked += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert walked == whole
    assert len(whole) == 5


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "ä"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "WyJ0aXRsZSIsIlx1MDAwMCIsIjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJd"}, "cursor"),
        ({"cursor": "x" * 2001}, "cursor"),
        ({"sort": "random()"}, "sort"),
        ({"q": "\x00"}, "q"),
        ({"q": "x" * 201}, "q"),
        ({"category": "a\x00"}, "category"),
        ({"currency": "PENCE"}, "currency"),
        ({"min_price": -1}, "min_price"),
        ({"max_price": 2**53}, "max_price"),
        ({"max_price": "1.5"}, "max_price"),
        ({"in_stock": "perhaps"}, "in_stock"),
    ],
)
async def test_a_question_that_is_not_valid_is_refused(
    guest: httpx2.AsyncClient, params: dict[str, Any], name: str
) -> None:
    refused = problem(await guest.get("/v1/products", params=params), 422, "validation_error")
    assert locations(refused) == [["query", name]]


async def test_a_cursor_of_another_order_is_refused(guest: httpx2.AsyncClient, shop: Shop) -> None:
    for number in range(2):
        await shop.product(f"SKU-{number}")
    page = body(await guest.get("/v1/products", params={"limit": 1, "sort": "title"}))
    other = {"limit": 1, "sort": "price", "cursor": page["next_cursor"]}
    problem(await guest.get("/v1/products", params=other), 422, "validation_error")


async def test_categories_are_listed_by_slug(guest: httpx2.AsyncClient, shop: Shop) -> None:
    for name in ("Kitchen", "Garden"):
        await shop.category(name)
    first = body(await guest.get("/v1/categories", params={"limit": 1}))
    rest = body(await guest.get("/v1/categories", params={"limit": 1, "cursor": first["next_cursor"]}))
    assert [item["name"] for item in first["items"] + rest["items"]] == ["Garden", "Kitchen"]
    assert rest["next_cursor"] is None
    assert set(first["items"][0]) == {"id", "slug", "name", "parent", "version"}
    problem(await guest.get("/v1/categories", params={"cursor": "WzFd"}), 422, "validation_error")
