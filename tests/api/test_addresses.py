"""Addresses that people keep, and those of carts: validated for their country, and nobody else's business."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from db.addresses import MOST_ADDRESSES
from models.columns import new_id
from tests.api.answers import body, problem
from tests.api.buyer import ready_buyer
from tests.support.people import People, Person
from tests.support.shop import Shop

PATH = "/v1/users/me/addresses"
YORK = {"name": "Ada Example", "line1": "1 High Street", "city": "York", "postal_code": "YO1 7HH", "country": "GB"}


@pytest.fixture
async def ada(people: People) -> Person:
    return await people.customer()


@pytest.fixture
async def eve(people: People) -> Person:
    return await people.customer()


async def kept(client: httpx2.AsyncClient, person: Person, **parts: Any) -> dict[str, Any]:
    return body(await client.post(PATH, headers=person.headers, json=YORK | parts), 201)


async def listed(client: httpx2.AsyncClient, person: Person, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = body(await client.get(PATH + query, headers=person.headers))["items"]
    return items


async def test_address_is_kept_shown_changed_and_forgotten(guest: httpx2.AsyncClient, ada: Person) -> None:
    added = await kept(guest, ada, phone="+441904123456")
    assert {part: added[part] for part in YORK} == YORK
    assert (added["line2"], added["region"], added["phone"]) == (None, None, "+441904123456")
    assert (added["default_shipping"], added["default_billing"]) == (False, False)
    where = f"{PATH}/{added['id']}"
    assert body(await guest.get(where, headers=ada.headers)) == added

    changed = body(await guest.patch(where, headers=ada.headers, json={"line2": "Flat 2", "phone": None}))
    assert changed == added | {"line2": "Flat 2", "phone": None, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > added["updated_at"]

    assert (await guest.delete(where, headers=ada.headers)).status_code == 204
    problem(await guest.get(where, headers=ada.headers), 404, "not_found")
    problem(await guest.delete(where, headers=ada.headers), 404, "not_found")
    assert await listed(guest, ada) == []


async def test_list_goes_page_by_page_and_holds_nobody_elses(
    guest: httpx2.AsyncClient, ada: Person, eve: Person
) -> None:
    mine = [(await kept(guest, ada, line1=f"{number} High Street"))["id"] for number in range(5)]
    await kept(guest, eve)

    first = body(await guest.get(f"{PATH}?limit=3", headers=ada.headers))
    rest = body(await guest.get(f"{PATH}?limit=3&cursor={first['next_cursor']}", headers=ada.headers))

    assert [item["id"] for item in first["items"] + rest["items"]] == mine
    assert rest["next_cursor"] is None
    problem(await guest.get(f"{PATH}?cursor=nonsense", headers=ada.headers), 422, "validation_error")


async def test_address_of_somebody_else_is_not_there_and_stays_as_it_is(
    guest: httpx2.AsyncClient, ada: Person, eve: Person
) -> None:
    hers = await kept(guest, ada)
    where = f"{PATH}/{hers['id']}"

    for answer in (
        await guest.get(where, headers=eve.headers),
        await guest.patch(where, headers=eve.headers, json={"line1": "Mine now"}),
        await guest.delete(where, headers=eve.headers),
        await guest.get(f"{PATH}/{uuid4()}", headers=eve.headers),
    ):
        problem(answer, 404, "not_found")

    assert body(await guest.get(where, headers=ada.headers)) == hers


async def test_new_default_takes_the_place_of_the_one_before(guest: httpx2.AsyncClient, ada: Person) -> None:
    first = await kept(guest, ada, default_shipping=True, default_billing=True)
    second = await kept(guest, ada, default_shipping=True)
    third = await kept(guest, ada)
    body(await guest.patch(f"{PATH}/{third['id']}", headers=ada.headers, json={"default_billing": True}))

    assert [(a["id"], a["default_shipping"], a["default_billing"]) for a in await listed(guest, ada)] == [
        (first["id"], False, False),
        (second["id"], True, False),
        (third["id"], False, True),
    ]
    body(await guest.patch(f"{PATH}/{third['id']}", headers=ada.headers, json={"default_billing": False}))
    assert [a["default_billing"] for a in await listed(guest, ada)] == [False, False, False]


async def test_of_sixty_addresses_at_once_fifty_are_kept_and_one_is_the_default(
    guest: httpx2.AsyncClient, ada: Person
) -> None:
    new = YORK | {"default_shipping": True}
    answers = await asyncio.gather(*(guest.post(PATH, headers=ada.headers, json=new) for _ in range(60)))

    assert sorted(answer.status_code for answer in answers) == [201] * MOST_ADDRESSES + [409] * 10
    items = await listed(guest, ada, "?limit=100")
    assert len(items) == MOST_ADDRESSES
    assert sum(item["default_shipping"] for item in items) == 1


@pytest.mark.parametrize(
    "address",
    [
        {"country": "GB", "city": "York", "postal_code": "yo1 7hh"},
        {"country": "US", "city": "Springfield", "region": "Illinois", "postal_code": "62701"},
        {"country": "US", "city": "Springfield", "region": "il", "postal_code": "62701-1234"},
        {"country": "DE", "city": "Köln", "postal_code": "50667"},
        {"country": "HK", "city": "Central", "region": "Hong Kong Island"},
        {"country": "AE", "city": "Dubai", "region": "Dubai"},
        {"country": "SG", "postal_code": "018956"},
        {"country": "IE", "city": "Dublin", "region": "Dublin"},
        {"country": "JP", "city": "渋谷区", "region": "東京都", "postal_code": "150-0002"},
    ],
    ids=lambda address: "-".join(address.values()),
)
async def test_address_that_its_country_delivers_to_is_kept(
    guest: httpx2.AsyncClient, ada: Person, address: dict[str, str]
) -> None:
    new = {"name": "Ada Example", "line1": "1 High Street", **address}
    added = body(await guest.post(PATH, headers=ada.headers, json=new), 201)
    assert added["postal_code"] == (address["postal_code"].upper() if "postal_code" in address else None)


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ({"country": "US", "city": "Springfield", "region": "Illinois", "postal_code": "62701"}, "IL"),
        ({"country": "US", "city": "Springfield", "region": " il", "postal_code": "62701"}, "IL"),
        ({"country": "CA", "city": "Laval", "region": "quebec", "postal_code": "H7A 1A1"}, "QC"),
        ({"country": "GB", "city": "York", "region": "Yorkshire", "postal_code": "YO1 7HH"}, "Yorkshire"),
    ],
    ids=lambda place: place if isinstance(place, str) else place["region"].strip(),
)
async def test_region_is_written_as_mail_writes_it_so_that_taxes_of_regions_are_found(
    guest: httpx2.AsyncClient, ada: Person, place: dict[str, str], written: str
) -> None:
    new = {"name": "Ada Example", "line1": "1 High Street", **place}
    assert body(await guest.post(PATH, headers=ada.headers, json=new), 201)["region"] == written


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ({"country": "GB", "city": "York"}, ["postal_code"]),
        ({"country": "GB"}, ["city", "postal_code"]),
        ({"country": "GB", "city": "York", "postal_code": "12345"}, ["postal_code"]),
        ({"country": "US", "city": "Springfield", "postal_code": "62701"}, ["region"]),
        ({"country": "US", "city": "Springfield", "region": "Yorkshire", "postal_code": "62701"}, ["region"]),
        ({"country": "US", "city": "Albany", "region": "NY", "postal_code": "94103"}, ["postal_code"]),
        ({"country": "DE", "city": "Köln", "postal_code": "5066"}, ["postal_code"]),
    ],
)
async def test_address_that_its_country_can_not_deliver_to_is_refused_part_by_part(
    guest: httpx2.AsyncClient, ada: Person, address: dict[str, str], wrong: list[str]
) -> None:
    new = {"name": "Ada Example", "line1": "1 High Street", **address}
    refused = problem(await guest.post(PATH, headers=ada.headers, json=new), 422, "validation_error")
    assert [error["loc"] for error in refused["errors"]] == [["body", part] for part in wrong]
    assert "Ada" not in str(refused)
    assert await listed(guest, ada) == []


@pytest.mark.parametrize(
    "part", [{"name": None}, {"country": None}, {"city": None}, {"country": "XX"}, {"phone": "0190"}, {"id": "x"}]
)
async def test_change_that_leaves_no_address_behind_is_refused(
    guest: httpx2.AsyncClient, ada: Person, part: dict[str, Any]
) -> None:
    added = await kept(guest, ada)
    answer = await guest.patch(f"{PATH}/{added['id']}", headers=ada.headers, json=part)
    assert problem(answer, 422, "validation_error")["errors"][0]["loc"] == ["body", *part]
    assert await listed(guest, ada) == [added]


async def test_account_that_is_to_be_erased_keeps_nothing_more(
    guest: httpx2.AsyncClient, ada: Person, shop: Shop
) -> None:
    added = await kept(guest, ada)
    await shop.run("INSERT INTO erasures (user_id) VALUES (:id)", id=ada.id)

    problem(await guest.post(PATH, headers=ada.headers, json=YORK), 401, "unauthenticated")
    answer = await guest.patch(f"{PATH}/{added['id']}", headers=ada.headers, json={"line2": "Flat 2"})
    problem(answer, 401, "unauthenticated")
    assert await shop.run("SELECT line2 FROM addresses WHERE user_id = :id", id=ada.id) == [(None,)]


async def test_guest_and_service_have_no_addresses(guest: httpx2.AsyncClient, staff: httpx2.AsyncClient) -> None:
    problem(await guest.get(PATH), 401, "unauthenticated")
    problem(await staff.get(PATH), 403, "forbidden")


@pytest.mark.parametrize("part", ["shipping_address", "billing_address"])
async def test_cart_takes_no_address_that_its_country_can_not_deliver_to(
    guest: httpx2.AsyncClient, shop: Shop, part: str
) -> None:
    buyer = await ready_buyer(guest, shop)
    before = body(await guest.get(buyer.path, headers=buyer.headers))
    nowhere = YORK | {"postal_code": "12345"}

    answer = await guest.patch(buyer.path, headers=buyer.headers, json={part: nowhere})

    assert problem(answer, 422, "validation_error")["errors"][0]["loc"] == ["body", part, "postal_code"]
    assert body(await guest.get(buyer.path, headers=buyer.headers)) == before
    body(await guest.patch(buyer.path, headers=buyer.headers, json={part: None}))


async def test_importer_may_send_what_another_system_has_kept(staff: httpx2.AsyncClient) -> None:
    cart = body(await staff.post("/v1/carts", json={"reference": f"invoice-{new_id()}"}), 201)
    odd = {"name": "Customer 17850", "line1": "unknown", "city": "unknown", "postal_code": "unknown", "country": "GB"}

    changed = body(await staff.patch(f"/v1/carts/{cart['id']}", json={"shipping_address": odd}))

    assert changed["shipping_address"] == odd | {"line2": None, "region": None, "phone": None}
