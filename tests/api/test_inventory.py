import asyncio
from typing import Any

import httpx2
import pytest

from tests.api.answers import body, locations, problem
from tests.support.shop import Shop


async def test_everybody_sees_what_is_available_and_staff_where_it_lies(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable("A/B", stock=None)
    await shop.stock(sku, on_hand=10, reserved=4)
    path = f"/v1/stock/{sku.replace('/', '%2F')}"

    assert body(await guest.get(path)) == {"sku": sku, "available": 6, "locations": None}
    assert body(await staff.get(path)) == {
        "sku": sku,
        "available": 6,
        "locations": [{"location": "main", "on_hand": 10, "reserved": 4, "available": 6}],
    }


@pytest.mark.in_process("nginx itself refuses a NUL in an address")
async def test_stock_of_an_unknown_sku_is_not_found(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    problem(await guest.get("/v1/stock/no-such-sku"), 404, "not_found")
    problem(await staff.get("/v1/stock/no-such-sku/movements"), 404, "not_found")
    problem(await staff.post("/v1/stock/x/adjustments", json={"delta": 1, "reason": "receipt"}), 404, "not_found")
    problem(await guest.get("/v1/stock/%00"), 422, "validation_error")


async def test_an_adjustment_changes_the_level_and_is_explained_by_a_movement(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable(stock=None)
    path = f"/v1/stock/{sku}/adjustments"
    received = {"location": "main", "delta": 12, "reason": "receipt"}
    assert body(await staff.post(path, json=received), 201) == {
        "location": "main",
        "on_hand": 12,
        "reserved": 0,
        "available": 12,
    }
    broken = {"location": "main", "delta": -2, "reason": "two were broken"}
    assert body(await staff.post(path, json=broken), 201)["on_hand"] == 10

    page = body(await staff.get(f"/v1/stock/{sku}/movements", params={"limit": 1}))
    rest = body(await staff.get(f"/v1/stock/{sku}/movements", params={"limit": 1, "cursor": page["next_cursor"]}))
    assert rest["next_cursor"] is None
    told = ("sku", "location", "delta", "reason", "note", "order_id", "actor")
    assert [tuple(item[name] for name in told) for item in page["items"] + rest["items"]] == [
        (sku, "main", -2, "adjustment", "two were broken", None, "service"),
        (sku, "main", 12, "receipt", "", None, "service"),
    ]


async def test_an_adjustment_below_what_orders_hold_changes_nothing(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    await shop.stock(sku, on_hand=10, reserved=4)
    before = await shop.contents()
    too_much = {"location": "main", "delta": -7, "reason": "adjustment"}
    problem(await staff.post(f"/v1/stock/{sku}/adjustments", json=too_much), 409, "insufficient_stock")
    assert await shop.contents() == before


async def test_thirty_adjustments_at_once_leave_exactly_what_is_held(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    await shop.stock(sku, on_hand=24, reserved=4)
    one = {"location": "main", "delta": -1, "reason": "adjustment"}
    answers = await asyncio.gather(*(staff.post(f"/v1/stock/{sku}/adjustments", json=one) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 10
    assert body(await staff.get(f"/v1/stock/{sku}"))["locations"][0]["on_hand"] == 4


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"delta": 0, "reason": "receipt"}, "delta"),
        ({"delta": 1.5, "reason": "receipt"}, "delta"),
        ({"delta": "1", "reason": "receipt"}, "delta"),
        ({"delta": True, "reason": "receipt"}, "delta"),
        ({"delta": 10**30, "reason": "receipt"}, "delta"),
        ({"delta": 1}, "reason"),
        ({"delta": 1, "reason": "\x00"}, "reason"),
        ({"delta": 1, "reason": " "}, "reason"),
        ({"delta": 1, "reason": "receipt", "location": "no-such-place"}, "location"),
        ({"delta": 1, "reason": "receipt", "location": "a b"}, "location"),
        ({"delta": 1, "reason": "receipt", "on_hand": 5}, "on_hand"),
    ],
)
async def test_an_adjustment_that_is_not_valid_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop, wanted: dict[str, Any], name: str
) -> None:
    sku = await shop.buyable()
    before = await shop.contents()
    refused = problem(await staff.post(f"/v1/stock/{sku}/adjustments", json=wanted), 422, "validation_error")
    assert locations(refused) == [["body", name]]
    assert await shop.contents() == before


async def test_only_staff_sees_and_changes_where_stock_lies(guest: httpx2.AsyncClient, shop: Shop) -> None:
    sku = await shop.buyable()
    before = await shop.contents()
    adjustment = {"location": "main", "delta": 1, "reason": "receipt"}
    problem(await guest.post(f"/v1/stock/{sku}/adjustments", json=adjustment), 401, "unauthenticated")
    problem(await guest.get(f"/v1/stock/{sku}/movements"), 401, "unauthenticated")
    problem(await guest.get("/v1/locations"), 401, "unauthenticated")
    problem(await guest.post("/v1/locations", json={"code": "x", "name": "X"}), 401, "unauthenticated")
    assert await shop.contents() == before


async def test_a_location_is_added_once_and_listed_by_code(staff: httpx2.AsyncClient) -> None:
    north = {"code": "north", "name": "Northern warehouse"}
    assert body(await staff.post("/v1/locations", json=north), 201) == north
    problem(await staff.post("/v1/locations", json=north | {"name": "Another"}), 409, "conflict")
    first = body(await staff.get("/v1/locations", params={"limit": 1}))
    rest = body(await staff.get("/v1/locations", params={"cursor": first["next_cursor"]}))
    assert first["items"] == [{"code": "main", "name": "Main warehouse"}]
    assert rest == {"items": [north], "next_cursor": None}
