import asyncio
from typing import Any

import httpx2
import pytest

from tests.api.answers import body, locations, problem
from tests.support.shop import Shop
from tests.support.stock import hold, orders

ANY = {"If-Match": "*"}


async def test_everybody_sees_what_is_available_and_staff_where_it_lies(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable("A/B", stock=None)
    await shop.stock(sku, on_hand=10, reserved=4)
    path = f"/v1/stock/{sku.replace('/', '%2F')}"

    for_staff = ("on_hand", "reserved", "sold_unshipped", "backordered", "backorder_limit", "low_stock_at", "locations")
    assert body(await guest.get(path)) == {"sku": sku, "available": 6, "backorderable": 0, **dict.fromkeys(for_staff)}
    assert body(await staff.get(path)) == {
        "sku": sku,
        "available": 6,
        "backorderable": 0,
        "on_hand": 10,
        "reserved": 4,
        "sold_unshipped": 0,
        "backordered": 0,
        "backorder_limit": 0,
        "low_stock_at": None,
        "locations": [{"location": "main", "on_hand": 10, "reserved": 4, "available": 6, "active": True}],
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
        "active": True,
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
    problem(await guest.patch("/v1/locations/main", json={"active": False}), 401, "unauthenticated")
    problem(await guest.get("/v1/locations/main"), 401, "unauthenticated")
    move = {"from": "main", "to": "x", "quantity": 1, "reason": "x"}
    problem(await guest.post(f"/v1/stock/{sku}/transfers", json=move), 401, "unauthenticated")
    assert await shop.contents() == before


async def test_a_location_is_added_once_changed_and_listed_by_code(staff: httpx2.AsyncClient) -> None:
    north = {"code": "north", "name": "Northern warehouse", "priority": 7, "countries": ["GB", "IE"], "active": True}
    added = await staff.post("/v1/locations", json=north)
    north["version"] = 1
    assert (body(added, 201), added.headers["Location"]) == (north, "/v1/locations/north")
    shown = await staff.get("/v1/locations/north")
    assert (body(shown), shown.headers["ETag"]) == (north, added.headers["ETag"])
    problem(await staff.get("/v1/locations/south"), 404, "not_found")
    del north["version"]
    problem(await staff.post("/v1/locations", json=north | {"name": "Another"}), 409, "conflict")
    first = body(await staff.get("/v1/locations", params={"limit": 1}))
    rest = body(await staff.get("/v1/locations", params={"cursor": first["next_cursor"]}))
    main = {"code": "main", "name": "Main warehouse", "priority": 100, "countries": [], "active": True, "version": 1}
    assert first["items"] == [main]
    assert rest == {"items": [north | {"version": 1}], "next_cursor": None}

    read = {"If-Match": added.headers["ETag"]}
    closed = await staff.patch("/v1/locations/north", json={"active": False, "countries": []}, headers=read)
    assert body(closed) == north | {"active": False, "countries": [], "version": 2}
    read = {"If-Match": closed.headers["ETag"]}
    assert body(await staff.patch("/v1/locations/north", json={}, headers=read)) == closed.json() | {"version": 3}
    problem(await staff.patch("/v1/locations/south", json={"active": False}, headers=read), 404, "not_found")


async def test_of_two_edits_of_a_place_or_a_policy_the_second_is_refused_and_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable()
    await staff.post("/v1/locations", json={"code": "loft", "name": "Loft"})
    for path, edit, edits in (
        ("/v1/locations/loft", staff.patch, [{"priority": number} for number in range(1, 5)]),
        (f"/v1/stock/{sku}/policy", staff.put, [{"backorder_limit": number} for number in range(1, 5)]),
    ):
        for _ in range(2):  # of a policy that is not there yet, and of one that is
            read = await staff.get(path)
            mine = {"If-Match": read.headers["ETag"]}
            problem(await edit(path, json=edits[0]), 428, "precondition_required")
            assert body(await staff.get(path)) == read.json()
            answers = await asyncio.gather(*(edit(path, json=one, headers=mine) for one in edits))
            assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
            [changed] = [answer.json() for answer in answers if answer.status_code == 200]
            assert body(await staff.get(path)) == changed
            assert changed["version"] == read.json()["version"] + 1


async def test_what_is_sold_does_not_change_the_version_of_a_policy(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku = await shop.buyable(stock=0)
    decided = await staff.put(f"/v1/stock/{sku}/policy", json={"backorder_limit": 5}, headers=ANY)
    [order] = await orders(shop, 1)
    await hold(shop, order, (sku, 2))
    shown = await staff.get(f"/v1/stock/{sku}/policy")
    assert (body(shown), shown.headers["ETag"]) == (decided.json(), decided.headers["ETag"])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"countries": ["XX"]}, "countries"),
        ({"countries": ["gb"]}, "countries"),
        ({"priority": -1}, "priority"),
        ({"priority": 10**9}, "priority"),
        ({"name": " "}, "name"),
        ({"code": "other"}, "code"),
    ],
)
async def test_a_change_of_a_location_that_is_not_valid_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop, change: dict[str, Any], name: str
) -> None:
    before = await shop.contents()
    refused = problem(await staff.patch("/v1/locations/main", json=change, headers=ANY), 422, "validation_error")
    assert locations(refused)[0][:2] == ["body", name]
    assert await shop.contents() == before


async def test_a_transfer_moves_goods_once_and_is_explained_at_both_ends(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku = await shop.buyable(stock=None)
    await staff.post("/v1/locations", json={"code": "attic", "name": "Attic", "active": False})
    await staff.post(f"/v1/stock/{sku}/adjustments", json={"delta": 10, "reason": "receipt"})
    move = {"from": "main", "to": "attic", "quantity": 4, "reason": "out of season"}
    key = {"Idempotency-Key": f"move-{sku}"}

    moved = body(await staff.post(f"/v1/stock/{sku}/transfers", json=move, headers=key), 201)
    again = await staff.post(f"/v1/stock/{sku}/transfers", json=move, headers=key)

    level = {"reserved": 0}
    assert moved == {
        "from": level | {"location": "main", "on_hand": 6, "available": 6, "active": True},
        "to": level | {"location": "attic", "on_hand": 4, "available": 4, "active": False},
    }
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", moved)
    page = body(await staff.get(f"/v1/stock/{sku}/movements", params={"limit": 2}))
    assert {(one["location"], one["delta"], one["reason"], one["note"]) for one in page["items"]} == {
        ("main", -4, "transfer", "out of season"),
        ("attic", 4, "transfer", "out of season"),
    }
    seen = body(await staff.get(f"/v1/stock/{sku}"))
    assert (seen["available"], seen["on_hand"]) == (6, 10)


async def test_a_transfer_of_what_orders_hold_is_refused_and_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable(stock=None)
    await shop.stock(sku, on_hand=10, reserved=4)
    await staff.post("/v1/locations", json={"code": "depot", "name": "Depot"})
    before = await shop.contents()
    path, move = f"/v1/stock/{sku}/transfers", {"from": "main", "to": "depot", "quantity": 7, "reason": "x"}
    problem(await staff.post(path, json=move), 409, "insufficient_stock")
    back = move | {"from": "depot", "to": "main", "quantity": 1}
    problem(await staff.post(path, json=back), 409, "insufficient_stock")
    assert await shop.contents() == before


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"to": "main"}, "to"),
        ({"to": "nowhere"}, "to"),
        ({"from": "nowhere"}, "from"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": 10**12}, "quantity"),
        ({"reason": ""}, "reason"),
        ({"delta": 1}, "delta"),
    ],
)
async def test_a_transfer_that_is_not_valid_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop, wrong: dict[str, Any], name: str
) -> None:
    sku = await shop.buyable()
    await staff.post("/v1/locations", json={"code": "shed", "name": "Shed"})
    before = await shop.contents()
    move = {"from": "main", "to": "shed", "quantity": 1, "reason": "x"} | wrong
    refused = problem(await staff.post(f"/v1/stock/{sku}/transfers", json=move), 422, "validation_error")
    assert locations(refused) == [["body", name]]
    assert await shop.contents() == before


async def test_what_may_be_backordered_is_decided_by_sku_and_shown_to_everybody(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable(stock=1)
    policy = {"backorder_limit": 5, "low_stock_at": 3}
    problem(await guest.put(f"/v1/stock/{sku}/policy", json=policy), 401, "unauthenticated")
    decided = body(await staff.put(f"/v1/stock/{sku}/policy", json=policy, headers=ANY))
    assert decided == policy | {"version": 1}

    seen = body(await guest.get(f"/v1/stock/{sku}"))
    assert (seen["available"], seen["backorderable"], seen["backorder_limit"]) == (1, 5, None)
    assert body(await staff.get(f"/v1/stock/{sku}"))["low_stock_at"] == 3

    path = f"/v1/stock/{sku}/policy"
    problem(await staff.put("/v1/stock/no-such-sku/policy", json=policy, headers=ANY), 404, "not_found")
    problem(await staff.get("/v1/stock/no-such-sku/policy"), 404, "not_found")
    problem(await guest.get(path), 401, "unauthenticated")
    problem(await staff.put(path, json={"backorder_limit": -1}, headers=ANY), 422, "validation_error")
    nothing = {"backorder_limit": 0, "low_stock_at": None, "version": 2}
    assert body(await staff.put(path, json={}, headers=ANY)) == nothing
    assert body(await guest.get(f"/v1/stock/{sku}"))["backorderable"] == 0


async def test_alerts_tell_staff_alone_when_little_is_left_newest_first(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    first, second = [await shop.buyable(stock=5) for _ in range(2)]
    for sku in (first, second):
        await staff.put(f"/v1/stock/{sku}/policy", json={"low_stock_at": 3}, headers=ANY)
        await staff.post(f"/v1/stock/{sku}/adjustments", json={"delta": -3, "reason": "broken"})

    problem(await guest.get("/v1/stock/alerts"), 401, "unauthenticated")
    page = body(await staff.get("/v1/stock/alerts", params={"limit": 1}))
    rest = body(await staff.get("/v1/stock/alerts", params={"limit": 1, "cursor": page["next_cursor"]}))
    told = [(one["sku"], one["low_stock_at"], one["available"]) for one in page["items"] + rest["items"]]
    assert told == [(second, 3, 2), (first, 3, 2)]


async def test_products_are_in_stock_where_it_is_sold_or_when_they_may_be_backordered(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    category = await shop.category("Lamps")
    [(slug,)] = await shop.run("SELECT slug FROM categories WHERE id = :id", id=category)
    sold, shut, to_come = [shop.sku(stem) for stem in ("SOLD", "SHUT", "COME")]
    await staff.post("/v1/locations", json={"code": "cellar", "name": "Cellar", "active": False})
    for sku in (sold, shut, to_come):
        await shop.product(sku, stock=None, category=category)
    await shop.stock(sold, 2)
    await shop.stock(shut, 5, location="cellar")
    await staff.put(f"/v1/stock/{to_come}/policy", json={"backorder_limit": 1}, headers=ANY)

    async def listed(in_stock: bool) -> dict[str, int]:
        query = {"category": str(slug), "in_stock": str(in_stock).lower()}
        items = body(await guest.get("/v1/products", params=query))["items"]
        return {variant["sku"]: variant["available"] for item in items for variant in item["variants"]}

    assert await listed(in_stock=True) == {sold: 2, to_come: 0}
    assert await listed(in_stock=False) == {shut: 0}
