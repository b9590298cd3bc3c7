"""Promotions, taxes and shipping as the staff edits them, and what carts make of them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from settings import Settings
from tests.api.answers import body, gbp, problem
from tests.api.buyer import ADDRESS, Buyer, ready_buyer
from tests.api.conftest import SERVICE_TOKEN
from tests.api.door import Door
from tests.api.shops import shop_app
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

pytestmark = pytest.mark.in_process("its rules hold for every cart of the database, so it has one of its own")

NOBODY = "/01a208c6-9647-7b10-8b5c-4d1f1e3f0000"
PERCENT = {"code": "spring-10", "label": "Spring", "effect": {"type": "percent", "basis_points": 1000}}
VAT = {"country": "GB", "name": "VAT", "rates": {"standard": 200_000}}
PARCEL = {
    "code": "parcel",
    "currency": "GBP",
    "name": "Parcel",
    "bands": [{"up_to": 5000, "price": 399}, {"price": 0}],
}
ISLES = {"name": "British Isles", "countries": ["GB", "IE"], "methods": [PARCEL]}
KINDS = [("promotions", PERCENT), ("tax-rules", VAT), ("shipping-zones", ISLES)]


@pytest.fixture(scope="module")
def alone(settings: Settings, postgres: PostgresForTests) -> Settings:
    """A database of its own: rules hold for every cart there is."""
    return settings.model_copy(update={"database_url": postgres.migrated()})


@pytest.fixture(scope="module")
async def shop(alone: Settings) -> AsyncIterator[Shop]:
    async with opened_shop(alone.database_url) as shop:
        yield shop


@pytest.fixture(scope="module")
async def door(alone: Settings) -> AsyncIterator[Door]:
    app = shop_app(alone)
    async with app.router.lifespan_context(app):
        yield Door("http://shop.example", app)


@pytest.fixture(scope="module")
async def guest(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with door.client() as client:
        yield client


@pytest.fixture
async def staff(door: Door, shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    """Staff, in a shop without rules."""
    async with door.client(Authorization=f"Bearer {SERVICE_TOKEN}") as client:
        yield client
    for table in ("promotion_redemptions", "promotions", "tax_rules", "shipping_zones"):
        await shop.run(f"DELETE FROM {table}")


@pytest.fixture
async def buyer(guest: httpx2.AsyncClient, shop: Shop) -> Buyer:
    """Two of one SKU at 10.00 GBP, to be sent to Great Britain."""
    return await ready_buyer(guest, shop)


async def change(buyer: Buyer, **changes: Any) -> httpx2.Response:
    return await buyer.client.patch(buyer.path, headers=buyer.headers, json=changes)


def explained(cart: dict[str, Any]) -> list[tuple[str, str, int, str | None]]:
    return [(each["type"], each["code"], each["amount"]["amount"], each["problem"]) for each in cart["adjustments"]]


@pytest.mark.parametrize(("kind", "content"), KINDS)
async def test_rule_is_created_read_replaced_and_removed_by_its_version(
    staff: httpx2.AsyncClient, kind: str, content: dict[str, Any]
) -> None:
    created = await staff.post(f"/v1/{kind}", json=content)
    rule = body(created, 201)
    path = created.headers["location"]
    assert path == f"/v1/{kind}/{rule['id']}"
    read = await staff.get(path)
    assert (body(read), read.headers["etag"]) == (rule, created.headers["etag"])
    assert body(await staff.get(f"/v1/{kind}"))["items"] == [rule]

    problem(await staff.put(path, json=content), 428, "precondition_required")
    known = {"If-Match": read.headers["etag"]}
    replaced = body(await staff.put(path, json=content, headers=known))
    assert replaced == rule | {"version": 2}
    problem(await staff.put(path, json=content, headers=known), 412, "precondition_failed")
    problem(await staff.delete(path, headers=known), 412, "precondition_failed")

    assert (await staff.delete(path, headers={"If-Match": '"2"'})).status_code == 204
    problem(await staff.get(path), 404, "not_found")
    problem(await staff.delete(path, headers={"If-Match": "*"}), 404, "not_found")
    trail = body(await staff.get(f"{path}/changes"))["items"]
    assert [(each["action"], each["actor"]) for each in trail] == [
        ("removed", "service"),
        ("changed", "service"),
        ("created", "service"),
    ]
    assert [each["content"] is None for each in trail] == [True, False, False]
    problem(await staff.get(f"/v1/{kind}{NOBODY}/changes"), 404, "not_found")


@pytest.mark.parametrize(("kind", "content"), KINDS)
async def test_same_rule_twice_is_a_name_that_is_taken(
    staff: httpx2.AsyncClient, kind: str, content: dict[str, Any]
) -> None:
    body(await staff.post(f"/v1/{kind}", json=content), 201)
    problem(await staff.post(f"/v1/{kind}", json=content), 409, "name_taken")
    assert len(body(await staff.get(f"/v1/{kind}"))["items"]) == 1


async def test_lists_go_on_where_the_page_before_ended(staff: httpx2.AsyncClient) -> None:
    for code in ("B", "A", "C"):
        body(await staff.post("/v1/promotions", json=PERCENT | {"code": code}), 201)
    for region in ("", "new york", "CA"):
        body(await staff.post("/v1/tax-rules", json=VAT | {"country": "US", "region": region}), 201)
    for kind, key, expected in (("promotions", "code", ["A", "B", "C"]), ("tax-rules", "region", ["", "CA", "NY"])):
        first = body(await staff.get(f"/v1/{kind}?limit=2"))
        rest = body(await staff.get(f"/v1/{kind}?limit=2&cursor={first['next_cursor']}"))
        assert [each[key] for each in first["items"] + rest["items"]] == expected
        assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("kind", "content", "loc"),
    [
        ("promotions", PERCENT | {"code": "no spaces"}, ["body", "code"]),
        ("promotions", PERCENT | {"effect": {"type": "percent", "basis_points": 0}}, ["percent", "basis_points"]),
        ("promotions", PERCENT | {"effect": {"type": "gift"}}, ["body", "effect"]),
        ("promotions", PERCENT | {"automatic": True, "use_limit": 5}, ["body"]),
        ("promotions", PERCENT | {"starts_at": "2026-11-24T00:00:00Z", "ends_at": "2026-11-23T00:00:00Z"}, ["body"]),
        ("promotions", PERCENT | {"target": {"categories": ["nowhere"]}}, ["body", "target", "categories", 0]),
        ("tax-rules", VAT | {"country": "XX"}, ["body", "country"]),
        ("tax-rules", VAT | {"rates": {"standard": 1_000_001}}, ["rates", "standard"]),
        ("tax-rules", VAT | {"rates": {"standard": 0.2}}, ["rates", "standard"]),
        ("shipping-zones", ISLES | {"methods": [PARCEL | {"bands": []}]}, ["methods", 0, "bands"]),
        ("shipping-zones", ISLES | {"methods": [PARCEL, PARCEL]}, ["body"]),
        (
            "shipping-zones",
            ISLES | {"methods": [PARCEL | {"bands": [{"up_to": 9, "price": 1}, {"up_to": 9, "price": 2}]}]},
            ["methods", 0],
        ),
    ],
)
async def test_rule_that_makes_no_sense_is_refused_at_its_place_and_nothing_is_written(
    staff: httpx2.AsyncClient, shop: Shop, kind: str, content: dict[str, Any], loc: list[str | int]
) -> None:
    refused = problem(await staff.post(f"/v1/{kind}", json=content), 422, "validation_error")
    assert refused["errors"][0]["loc"][-len(loc) :] == loc
    assert body(await staff.get(f"/v1/{kind}"))["items"] == []


async def test_country_belongs_to_one_zone_and_everywhere_else_too(staff: httpx2.AsyncClient) -> None:
    body(await staff.post("/v1/shipping-zones", json=ISLES), 201)
    problem(await staff.post("/v1/shipping-zones", json={"name": "Ireland", "countries": ["IE"]}), 409, "name_taken")
    body(await staff.post("/v1/shipping-zones", json={"name": "World"}), 201)
    problem(await staff.post("/v1/shipping-zones", json={"name": "Rest"}), 409, "name_taken")
    zones = body(await staff.get("/v1/shipping-zones"))["items"]
    assert [(zone["name"], zone["countries"]) for zone in zones] == [("British Isles", ["GB", "IE"]), ("World", [])]


async def test_promotion_that_orders_use_keeps_its_count_and_can_not_be_removed(
    staff: httpx2.AsyncClient, buyer: Buyer, shop: Shop
) -> None:
    created = await staff.post("/v1/promotions", json=PERCENT | {"use_limit": 9})
    path, any_version = created.headers["location"], {"If-Match": "*"}
    order = await buyer.has_order()
    await shop.run(
        "INSERT INTO promotion_redemptions (promotion_id, order_id, state) VALUES (:p, :o, 'live')",
        p=body(created, 201)["id"],
        o=order,
    )
    await shop.run("UPDATE promotions SET uses = 2")

    problem(await staff.delete(path, headers=any_version), 409, "in_use")
    problem(await staff.put(path, json=PERCENT | {"use_limit": 1}, headers=any_version), 409, "conflict")
    problem(await staff.put(path, json=PERCENT | {"automatic": True}, headers=any_version), 409, "conflict")
    kept = body(await staff.put(path, json=PERCENT | {"use_limit": 2, "active": False}, headers=any_version))
    assert (kept["uses"], kept["use_limit"], kept["active"]) == (2, 2, False)


async def test_category_that_a_promotion_is_about_is_renamed_with_it_and_not_removed(
    staff: httpx2.AsyncClient,
) -> None:
    category = await staff.post("/v1/categories", json={"slug": "cups", "name": "Cups"})
    about = PERCENT | {"target": {"skus": [], "categories": ["cups"]}}
    created = await staff.post("/v1/promotions", json=about)
    path = created.headers["location"]
    assert body(created, 201)["target"] == about["target"]

    problem(await staff.delete("/v1/categories/cups", headers={"If-Match": "*"}), 409, "in_use")
    renamed = await staff.patch(
        "/v1/categories/cups", json={"slug": "mugs"}, headers={"If-Match": category.headers["etag"]}
    )
    body(renamed)
    assert body(await staff.get(path))["target"] == {"skus": [], "categories": ["mugs"]}

    body(await staff.put(path, json=PERCENT, headers={"If-Match": "*"}))
    assert (await staff.delete("/v1/categories/mugs", headers={"If-Match": "*"})).status_code == 204


async def test_cart_explains_every_part_of_its_total_and_of_its_lines(staff: httpx2.AsyncClient, buyer: Buyer) -> None:
    for kind, content in KINDS:
        body(await staff.post(f"/v1/{kind}", json=content), 201)

    cart = body(await change(buyer, promotion_codes=["Spring-10"], shipping_method="parcel"))

    assert (cart["promotion_codes"], cart["shipping_method"]) == (["SPRING-10"], "parcel")
    parts = ("subtotal", "discount", "shipping", "tax", "tax_included", "total")
    assert [cart[part] for part in parts] == [gbp(n) for n in (2000, 200, 399, 440, 0, 2639)]
    [line] = cart["lines"]
    assert (line["total"], line["discount"], line["tax"]) == (gbp(2000), gbp(200), gbp(360))
    of_line = {"line_id": line["line_id"]}
    assert cart["adjustments"] == [
        {
            "type": "discount",
            "code": "SPRING-10",
            "label": "Spring",
            "amount": gbp(200),
            "lines": [of_line | {"amount": gbp(200)}],
            "problem": None,
        },
        {
            "type": "shipping",
            "code": "parcel",
            "label": "Parcel",
            "amount": gbp(399),
            "lines": [],
            "problem": None,
        },
        {
            "type": "tax",
            "code": "standard",
            "label": "VAT 20%",
            "amount": gbp(440),
            "lines": [of_line | {"amount": gbp(360)}],
            "problem": None,
        },
    ]
    assert body(await buyer.client.get(buyer.path, headers=buyer.headers)) == cart


async def test_code_that_can_not_be_used_is_refused_at_its_place_and_changes_nothing(
    staff: httpx2.AsyncClient, buyer: Buyer
) -> None:
    body(await staff.post("/v1/promotions", json=PERCENT), 201)
    body(await staff.post("/v1/promotions", json=PERCENT | {"code": "GONE", "use_limit": 0}), 201)
    body(await staff.post("/v1/promotions", json=PERCENT | {"code": "PAST", "ends_at": "2020-01-01T00:00:00Z"}), 201)
    body(await staff.post("/v1/promotions", json=PERCENT | {"code": "ITSELF", "automatic": True, "active": False}), 201)

    codes = ["SPRING-10", "GONE", "PAST", "NEVER", "ITSELF"]
    refused = problem(await change(buyer, promotion_codes=codes, phone="+442079460000"), 422, "promotion_code_invalid")

    assert [(error["loc"], error["reason"]) for error in refused["errors"]] == [
        (["body", "promotion_codes", 1], "used_up"),
        (["body", "promotion_codes", 2], "expired"),
        (["body", "promotion_codes", 3], "unknown_code"),
        (["body", "promotion_codes", 4], "unknown_code"),
    ]
    cart = body(await buyer.client.get(buyer.path, headers=buyer.headers))
    assert (cart["promotion_codes"], cart["phone"], cart["total"]) == ([], None, gbp(2000))


async def test_code_that_runs_out_later_says_so_and_the_cart_goes_on(staff: httpx2.AsyncClient, buyer: Buyer) -> None:
    created = await staff.post("/v1/promotions", json=PERCENT)
    body(await staff.post("/v1/promotions", json=PERCENT | {"code": "OTHER"}), 201)
    assert body(await change(buyer, promotion_codes=["SPRING-10"]))["total"] == gbp(1800)

    ended = PERCENT | {"ends_at": "2020-01-01T00:00:00Z"}
    body(await staff.put(created.headers["location"], json=ended, headers={"If-Match": "*"}))

    cart = body(await buyer.client.get(buyer.path, headers=buyer.headers))
    assert (explained(cart), cart["total"]) == ([("discount", "SPRING-10", 0, "expired")], gbp(2000))
    cart = body(await change(buyer, promotion_codes=["SPRING-10", "OTHER"]))
    assert explained(cart) == [("discount", "OTHER", 200, None), ("discount", "SPRING-10", 0, "expired")]
    assert body(await change(buyer, promotion_codes=None))["promotion_codes"] == []


async def test_empty_cart_keeps_what_was_chosen_and_says_that_nothing_applies_yet(
    staff: httpx2.AsyncClient, buyer: Buyer
) -> None:
    body(await staff.post("/v1/promotions", json=PERCENT), 201)
    body(await staff.post("/v1/shipping-zones", json=ISLES), 201)
    body(await change(buyer, promotion_codes=["SPRING-10"], shipping_method="parcel"))

    cart = body(await buyer.client.delete(f"{buyer.path}/lines/{buyer.sku}", headers=buyer.headers))

    assert (cart["promotion_codes"], cart["shipping_method"], cart["total"]) == (["SPRING-10"], "parcel", gbp(0))
    assert explained(cart) == [("discount", "SPRING-10", 0, "not_applicable")]


async def test_cart_lists_the_ways_to_its_address_with_what_each_costs_it(
    staff: httpx2.AsyncClient, buyer: Buyer, shop: Shop
) -> None:
    light = PARCEL | {"code": "letter", "name": "Letter", "measure": "weight", "bands": [{"up_to": 100, "price": 85}]}
    euro = PARCEL | {"code": "euro", "currency": "EUR"}
    body(await staff.post("/v1/shipping-zones", json=ISLES | {"methods": [light, PARCEL, euro]}), 201)
    methods = f"{buyer.path}/shipping-methods"

    assert body(await buyer.client.get(methods, headers=buyer.headers))["items"] == [
        {"code": "letter", "name": "Letter", "price": gbp(85)},
        {"code": "parcel", "name": "Parcel", "price": gbp(399)},
    ]
    await shop.run("UPDATE carts SET shipping_address = NULL WHERE id = :id", id=buyer.cart_id)
    assert body(await buyer.client.get(methods, headers=buyer.headers))["items"] == []
    body(await change(buyer, shipping_address=ADDRESS))
    await shop.run("UPDATE variants SET weight = 51 WHERE sku = :sku", sku=buyer.sku)
    listed = body(await buyer.client.get(methods, headers=buyer.headers))["items"]
    assert [each["code"] for each in listed] == ["parcel"]

    cart = body(await buyer.client.get(buyer.path, headers=buyer.headers))
    assert explained(cart) == [("shipping", "", 0, "shipping_method_required")]
    for impossible in ("letter", "euro", "drone"):
        refused = problem(await change(buyer, shipping_method=impossible), 422, "validation_error")
        assert refused["errors"][0]["loc"] == ["body", "shipping_method"]
    assert body(await change(buyer, shipping_method="parcel"))["shipping"] == gbp(399)

    paris = {"name": "Ada", "line1": "1 Rue", "city": "Paris", "postal_code": "75001", "country": "FR"}
    moved = body(await change(buyer, shipping_address=paris))
    assert explained(moved) == [("shipping", "parcel", 0, "shipping_unavailable")]
    problem(await change(buyer, shipping_method="parcel"), 422, "validation_error")


async def test_nothing_is_started_for_a_cart_without_a_method_in_a_shop_that_ships(
    staff: httpx2.AsyncClient, buyer: Buyer, shop: Shop
) -> None:
    body(await staff.post("/v1/shipping-zones", json=ISLES), 201)
    before = await shop.contents()

    problem(await buyer.check_out(), 409, "shipping_method_required")

    assert await shop.contents() == before
    body(await change(buyer, shipping_method="parcel"))
    # Now it is asked for: the double of Temporal reaches nobody.
    problem(await buyer.check_out(), 503, "temporarily_unavailable")


async def test_everybody_but_price_editors_is_kept_out(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    for kind, content in KINDS:
        problem(await guest.post(f"/v1/{kind}", json=content), 401, "unauthenticated")
        problem(await guest.get(f"/v1/{kind}"), 401, "unauthenticated")
        assert body(await staff.get(f"/v1/{kind}"))["items"] == []
