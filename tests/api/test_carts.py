import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.api.answers import body, gbp, locations, problem
from tests.support.shop import Shop

ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Square",
    "line2": None,
    "city": "London",
    "region": None,
    "postal_code": "SW1Y 4JH",
    "country": "GB",
    "phone": "+442079460958",
}


async def opened(guest: httpx2.AsyncClient, **wanted: Any) -> tuple[str, dict[str, str]]:
    """Open a cart; return its path and the header that opens it."""
    cart = body(await guest.post("/v1/carts", json=wanted), 201)
    return f"/v1/carts/{cart['id']}", {"X-Cart-Token": cart["token"]}


async def test_a_guest_opens_an_empty_cart_in_the_currency_of_the_shop(guest: httpx2.AsyncClient) -> None:
    response = await guest.post("/v1/carts")
    cart = body(response, 201)
    assert UUID(cart.pop("id")).version == 7
    assert len(cart.pop("token")) == 43
    assert cart == {
        "reference": None,
        "status": "open",
        "currency": "GBP",
        "checkout_attempt": 1,
        "email": None,
        "phone": None,
        "shipping_address": None,
        "billing_address": None,
        "shipping_method": None,
        "promotion_codes": [],
        "lines": [],
        "subtotal": gbp(0),
        "discount": gbp(0),
        "shipping": gbp(0),
        "tax": gbp(0),
        "tax_included": gbp(0),
        "total": gbp(0),
        "adjustments": [],
    }


async def test_the_secret_of_a_cart_is_stored_as_a_digest_only(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    [row] = await shop.run("SELECT * FROM carts WHERE id = :id", id=path.rpartition("/")[2])
    assert token["X-Cart-Token"] not in map(str, row)


async def test_a_cart_is_shown_to_who_has_its_secret_but_without_it(guest: httpx2.AsyncClient) -> None:
    path, token = await opened(guest, currency="EUR")
    shown = body(await guest.get(path, headers=token))
    assert shown["currency"] == "EUR"
    assert "token" not in shown


async def test_a_cart_is_not_there_for_anybody_else(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, _ = await opened(guest)
    _, foreign = await opened(guest)
    sku = await shop.buyable()
    before = await shop.contents()

    for headers in ({}, foreign, {"X-Cart-Token": ""}, {"X-Cart-Token": "ä" * 43}):
        raw = {name.encode(): value.encode() for name, value in headers.items()}
        problem(await guest.get(path, headers=raw), 404, "not_found")
        problem(await guest.get(f"{path}/shipping-methods", headers=raw), 404, "not_found")
        problem(await guest.patch(path, headers=raw, json={"email": "eve@example.com"}), 404, "not_found")
        problem(await guest.put(f"{path}/lines", headers=raw, json={"lines": []}), 404, "not_found")
        problem(await guest.put(f"{path}/lines/{sku}", headers=raw, json={"quantity": 1}), 404, "not_found")
        problem(await guest.delete(f"{path}/lines/{sku}", headers=raw), 404, "not_found")
    assert await shop.contents() == before


async def test_an_unknown_cart_looks_like_somebody_elses(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    path = f"/v1/carts/{uuid4()}"
    problem(await guest.get(path, headers={"X-Cart-Token": "a" * 43}), 404, "not_found")
    problem(await staff.get(path), 404, "not_found")
    problem(await staff.patch(path, json={}), 404, "not_found")
    malformed = problem(await staff.get("/v1/carts/drop-table"), 422, "validation_error")
    assert malformed["errors"] == [{"loc": ["path", "cart_id"], "msg": "Input should be a valid UUID"}]


async def test_the_service_token_opens_every_cart(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    path, _ = await opened(guest)
    assert body(await staff.get(path))["id"] == path.rpartition("/")[2]
    assert body(await staff.patch(path, json={"email": "ada@example.com"}))["email"] == "ada@example.com"


async def test_contact_and_addresses_are_written_kept_and_cleared(guest: httpx2.AsyncClient) -> None:
    path, token = await opened(guest)
    changes = {"email": "Ada@Example.com", "phone": "+442079460958", "shipping_address": ADDRESS}
    written = body(await guest.patch(path, headers=token, json=changes))
    assert written["email"] == "Ada@example.com"
    assert (written["phone"], written["shipping_address"]) == ("+442079460958", ADDRESS)

    kept = body(await guest.patch(path, headers=token, json={"billing_address": ADDRESS, "shipping_method": None}))
    assert (kept["email"], kept["shipping_address"], kept["billing_address"]) == (
        "Ada@example.com",
        ADDRESS,
        ADDRESS,
    )

    cleared = body(await guest.patch(path, headers=token, json={"phone": None, "shipping_address": None}))
    assert (cleared["phone"], cleared["shipping_address"]) == (None, None)
    assert cleared == body(await guest.get(path, headers=token))


def address(**changes: Any) -> dict[str, Any]:
    return {"shipping_address": ADDRESS | changes}


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"email": "no address"}, ["body", "email"]),
        ({"email": "a@b"}, ["body", "email"]),
        ({"email": "a" * 300 + "@example.com"}, ["body", "email"]),
        ({"email": "a\x00@example.com"}, ["body", "email"]),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, ["body", "email"]),
        ({"email": 7}, ["body", "email"]),
        ({"phone": "020 7946 0958"}, ["body", "phone"]),
        ({"phone": "+44207946095812345"}, ["body", "phone"]),
        ({"phone": "+٤٤٢٠٧٩٤٦٠٩٥٨"}, ["body", "phone"]),
        (address(name="\x00"), ["body", "shipping_address", "name"]),
        (address(name="Ada\x1b[2J"), ["body", "shipping_address", "name"]),
        (address(name="\ud800"), ["body", "shipping_address", "name"]),
        (address(name="  "), ["body", "shipping_address", "name"]),
        (address(line1="x" * 201), ["body", "shipping_address", "line1"]),
        (address(postal_code="x" * 65), ["body", "shipping_address", "postal_code"]),
        (address(country="UK"), ["body", "shipping_address", "country"]),
        (address(country="gb"), ["body", "shipping_address", "country"]),
        (address(country="GBR"), ["body", "shipping_address", "country"]),
        (address(city=None), ["body", "shipping_address", "city"]),
        (address(planet="Mars"), ["body", "shipping_address", "planet"]),
        ({"shipping_address": "London"}, ["body", "shipping_address"]),
        ({"shipping_address": {}}, ["body", "shipping_address", "name"]),
        ({"shipping_method": "drone"}, ["body", "shipping_method"]),
        ({"promotion_codes": ["SPRING 20"]}, ["body", "promotion_codes", 0]),
        ({"promotion_codes": ["A"] * 11}, ["body", "promotion_codes"]),
        ({"status": "ordered"}, ["body", "status"]),
        ({"currency": "EUR"}, ["body", "currency"]),
        ([], ["body"]),
    ],
)
async def test_a_change_that_is_not_valid_changes_nothing(
    guest: httpx2.AsyncClient, shop: Shop, changes: Any, loc: list[str]
) -> None:
    path, token = await opened(guest)
    before = await shop.contents()
    json_headers = token | {"Content-Type": "application/json"}
    answer = await guest.patch(path, headers=json_headers, content=json.dumps(changes))
    assert loc in locations(problem(answer, 422, "validation_error"))
    assert await shop.contents() == before


@pytest.mark.parametrize("currency", ["gbp", "XXX1", "ZZZ", "", "£", 826, "\x00\x00\x00"])
async def test_a_cart_in_no_currency_is_not_opened(guest: httpx2.AsyncClient, shop: Shop, currency: Any) -> None:
    before = await shop.contents()
    refused = problem(await guest.post("/v1/carts", json={"currency": currency}), 422, "validation_error")
    assert locations(refused) == [["body", "currency"]]
    assert await shop.contents() == before


async def test_a_guest_may_not_name_a_cart(guest: httpx2.AsyncClient, shop: Shop) -> None:
    before = await shop.contents()
    problem(await guest.post("/v1/carts", json={"reference": "INV-1"}), 403, "forbidden")
    assert await shop.contents() == before


async def test_the_same_reference_gives_the_same_cart_and_its_secret_only_once(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient
) -> None:
    reference = f"INV-{uuid4()}"
    first = body(await staff.post("/v1/carts", json={"reference": reference, "currency": "EUR"}), 201)
    again = body(await staff.post("/v1/carts", json={"reference": reference, "currency": "EUR"}), 200)
    unsaid = body(await staff.post("/v1/carts", json={"reference": reference}), 200)

    assert first["reference"] == reference
    assert again == unsaid == first | {"token": None}
    opened_by_secret = await guest.get(f"/v1/carts/{first['id']}", headers={"X-Cart-Token": first["token"]})
    assert body(opened_by_secret)["id"] == first["id"]


async def test_a_reference_in_another_currency_is_refused(staff: httpx2.AsyncClient) -> None:
    reference = f"INV-{uuid4()}"
    body(await staff.post("/v1/carts", json={"reference": reference, "currency": "EUR"}), 201)
    problem(await staff.post("/v1/carts", json={"reference": reference, "currency": "GBP"}), 422, "currency_mismatch")


async def test_twenty_who_name_a_cart_at_once_get_one(staff: httpx2.AsyncClient, shop: Shop) -> None:
    reference = f"INV-{uuid4()}"
    answers = await asyncio.gather(*(staff.post("/v1/carts", json={"reference": reference}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await shop.run("SELECT count(*) FROM carts WHERE reference = :reference", reference=reference) == [(1,)]


@pytest.mark.parametrize(
    ("status", "code"), [("frozen", "cart_in_checkout"), ("ordered", "cart_checked_out"), ("expired", "cart_expired")]
)
async def test_a_cart_that_is_not_open_can_be_seen_but_not_changed(
    guest: httpx2.AsyncClient, shop: Shop, status: str, code: str
) -> None:
    path, token = await opened(guest)
    sku = await shop.buyable()
    await shop.run("UPDATE carts SET status = :status WHERE id = :id", status=status, id=path.rpartition("/")[2])
    before = await shop.contents()

    assert body(await guest.get(path, headers=token))["status"] == status
    problem(await guest.patch(path, headers=token, json={"email": "ada@example.com"}), 409, code)
    problem(await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 1}), 409, code)
    problem(await guest.put(f"{path}/lines", headers=token, json={"lines": []}), 409, code)
    problem(await guest.delete(f"{path}/lines/{sku}", headers=token), 409, code)
    assert await shop.contents() == before


async def test_there_are_no_shipping_methods_yet(guest: httpx2.AsyncClient) -> None:
    path, token = await opened(guest)
    methods = body(await guest.get(f"{path}/shipping-methods", headers=token))
    assert methods == {"items": [], "next_cursor": None}
