"""A guest who logs in has what was put as a guest in the cart of the account."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.api.answers import body, gbp, locations, problem
from tests.api.buyer import WHOLE_ADDRESS, Buyer, ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.support.people import People, Person
from tests.support.shop import Shop

MERGE = {"merge": True}
MILLION = 1_000_000


async def merge(buyer: Buyer, person: Person, **content: Any) -> httpx2.Response:
    headers = buyer.headers | person.headers
    return await buyer.client.post(f"{buyer.path}/claim", headers=headers, json=MERGE | content)


async def own_cart(client: httpx2.AsyncClient, person: Person, lines: dict[str, int], **wanted: Any) -> str:
    """Open a cart of an account and fill it; return its id."""
    cart: str = body(await client.post("/v1/carts", json=wanted, headers=person.headers), 201)["id"]
    many = {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]}
    body(await client.put(f"/v1/carts/{cart}/lines", json=many, headers=person.headers))
    return cart


async def guest_with(client: httpx2.AsyncClient, shop: Shop, lines: dict[str, int], **wanted: Any) -> Buyer:
    """Open a cart of a guest and fill it."""
    cart = body(await client.post("/v1/carts", json=wanted), 201)
    buyer = Buyer(client, shop, UUID(cart["id"]), {"X-Cart-Token": cart["token"]}, next(iter(lines), ""))
    many = {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]}
    body(await client.put(f"{buyer.path}/lines", json=many, headers=buyer.headers))
    return buyer


def quantities(cart: dict[str, Any]) -> list[tuple[str, int]]:
    return [(line["sku"], line["quantity"]) for line in cart["lines"]]


async def of_guest(shop: Shop, buyer: Buyer) -> tuple[object, ...]:
    """Tell what is left of the cart that a guest had."""
    [row] = await shop.run(
        "SELECT c.status, c.customer_id, c.token_digest, c.merged_into, c.email, c.shipping_address,"
        " (SELECT count(*) FROM cart_lines l WHERE l.cart_id = c.id) FROM carts c WHERE c.id = :id",
        id=buyer.cart_id,
    )
    return row


async def carts_of(shop: Shop, person: Person) -> dict[object, int]:
    rows = await shop.run("SELECT status FROM carts WHERE customer_id = :id", id=person.id)
    return {status: [one for (one,) in rows].count(status) for (status,) in rows}


async def test_lines_are_summed_and_those_of_the_guest_stand_after_those_of_the_account(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada = await people.customer()
    both, hers, guests, last = [await shop.buyable(amount=amount) for amount in (100, 10, 5, 1)]
    cart = await own_cart(guest, ada, {both: 2, hers: 1})
    buyer = await guest_with(guest, shop, {guests: 4, both: 3, last: 1})

    merged = body(await merge(buyer, ada))

    assert merged["id"] == cart
    assert quantities(merged) == [(both, 5), (hers, 1), (guests, 4), (last, 1)]
    assert merged["total"] == gbp(531)
    assert merged == body(await guest.get(f"/v1/carts/{cart}", headers=ada.headers))


async def test_the_guests_cart_is_over_and_its_secret_opens_nothing(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    cart = await own_cart(guest, ada, {})
    body(await merge(buyer, ada))

    assert await of_guest(shop, buyer) == ("expired", ada.id, None, UUID(cart), None, None, 0)
    problem(await guest.get(buyer.path, headers=buyer.headers), 404, "not_found")
    problem(await buyer.check_out(), 404, "not_found")
    line = await guest.put(f"{buyer.path}/lines/{buyer.sku}", headers=ada.headers, json={"quantity": 1})
    problem(line, 409, "cart_expired")
    late = await guest.post(
        f"{buyer.path}/checkout", headers=ada.headers, json={"payment_method": {"token": "pm_card_visa"}}
    )
    problem(late, 409, "cart_expired")


async def test_contact_and_addresses_fill_in_what_the_account_has_not_said(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    cart = await own_cart(guest, ada, {})
    body(await guest.patch(f"/v1/carts/{cart}", headers=ada.headers, json={"email": "hers@example.com"}))
    merged = body(await merge(buyer, ada))
    assert (merged["email"], merged["phone"], merged["billing_address"]) == ("hers@example.com", None, None)
    assert merged["shipping_address"] == WHOLE_ADDRESS


async def test_codes_are_added_to_those_of_the_account_each_once_and_no_more_than_a_cart_can_have(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    cart = await own_cart(guest, ada, {})
    hers, both, new = ["HERS"], ["BOTH"], [f"NEW-{number}" for number in range(9)]
    write = "UPDATE carts SET promotion_codes = :codes, shipping_method = :method WHERE id = :id"
    await shop.run(write, codes=hers + both, method=None, id=UUID(cart))
    await shop.run(write, codes=both + new, method="parcel", id=buyer.cart_id)

    merged = body(await merge(buyer, ada))

    assert merged["promotion_codes"] == hers + both + new[:8]
    assert merged["shipping_method"] == "parcel"


async def test_a_line_holds_no_more_than_a_line_can(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada, sku, other = await people.customer(), await shop.buyable(amount=1), await shop.buyable(amount=1)
    await own_cart(guest, ada, {sku: MILLION - 1})
    buyer = await guest_with(guest, shop, {sku: 2})
    twice = {"lines": [{"sku": sku, "quantity": 2}, *[{"sku": other, "quantity": MILLION}] * 2]}
    body(await guest.put(f"{buyer.path}/lines", headers=buyer.headers, json=twice))
    assert quantities(body(await merge(buyer, ada))) == [(sku, MILLION), (other, MILLION)]


async def test_the_price_that_was_seen_last_is_the_one_that_was_seen(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku, other = await people.customer(), await shop.buyable(amount=100), await shop.buyable(amount=100)
    await own_cart(guest, ada, {sku: 1, other: 1})
    for one in (sku, other):
        await shop.price(one, 120)
    buyer = await guest_with(guest, shop, {sku: 1})
    merged = body(await merge(buyer, ada))
    assert [[one["code"] for one in line["problems"]] for line in merged["lines"]] == [[], ["price_changed"]]


async def test_a_line_at_a_price_of_its_own_stays_a_line_of_its_own(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku = await people.customer(), await shop.buyable(amount=100)
    await own_cart(guest, ada, {sku: 1})
    buyer = await guest_with(guest, shop, {})
    lines = [{"sku": sku, "quantity": 2, "unit_price": gbp(80)}, {"sku": sku, "quantity": 3}]
    body(await staff.put(f"{buyer.path}/lines", json={"lines": lines}))
    merged = body(await merge(buyer, ada))
    assert [(line["quantity"], line["unit_price"]["amount"]) for line in merged["lines"]] == [(4, 100), (2, 80)]


async def test_merging_twice_is_merging_once(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada, sku = await people.customer(), await shop.buyable()
    cart = await own_cart(guest, ada, {sku: 1})
    buyer = await guest_with(guest, shop, {sku: 2})
    first = body(await merge(buyer, ada))
    assert (first["id"], quantities(first)) == (cart, [(sku, 3)])
    assert body(await merge(buyer, ada)) == first
    assert body(await guest.post(f"{buyer.path}/claim", headers=ada.headers)) == first
    await shop.run("UPDATE carts SET status = 'ordered' WHERE id = :id", id=UUID(cart))
    assert body(await merge(buyer, ada)) == first | {"status": "ordered"}


async def test_twenty_mergings_of_one_cart_at_once_are_one(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku = await people.customer(), await shop.buyable()
    cart = await own_cart(guest, ada, {sku: 1})
    buyer = await guest_with(guest, shop, {sku: 2})
    answers = [body(one) for one in await asyncio.gather(*(merge(buyer, ada) for _ in range(20)))]
    assert {answer["id"] for answer in answers} == {cart}
    assert {tuple(quantities(answer)) for answer in answers} == {((sku, 3),)}


async def test_carts_of_many_devices_that_log_in_at_once_become_one(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku = await people.customer(), await shop.buyable()
    buyers = [await guest_with(guest, shop, {sku: 1}) for _ in range(10)]
    answers = [body(one) for one in await asyncio.gather(*(merge(buyer, ada) for buyer in buyers))]
    assert len({answer["id"] for answer in answers}) == 1
    assert max(quantities(answer) for answer in answers) == [(sku, 10)]
    assert await carts_of(shop, ada) == {"open": 1, "expired": 9}


async def test_a_cart_that_changes_while_it_is_merged_loses_nothing(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, skus = await people.customer(), [await shop.buyable() for _ in range(10)]
    cart = await own_cart(guest, ada, {})
    buyer = await guest_with(guest, shop, {skus[0]: 1})
    put = [guest.put(f"/v1/carts/{cart}/lines/{sku}", headers=ada.headers, json={"quantity": 1}) for sku in skus[1:]]
    answers = await asyncio.gather(*put, merge(buyer, ada))
    assert {answer.status_code for answer in answers} == {200}
    merged = body(await guest.get(f"/v1/carts/{cart}", headers=ada.headers))
    assert sorted(quantities(merged)) == sorted((sku, 1) for sku in skus)


async def test_without_a_cart_to_go_into_a_guests_cart_is_the_accounts(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku = await people.customer(), await shop.buyable()
    buyer = await guest_with(guest, shop, {sku: 2})
    claimed = body(await merge(buyer, ada))
    assert (claimed["id"], claimed["status"], quantities(claimed)) == (str(buyer.cart_id), "open", [(sku, 2)])
    problem(await guest.get(buyer.path, headers=buyer.headers), 404, "not_found")
    assert await carts_of(shop, ada) == {"open": 1}


async def test_a_cart_goes_into_none_of_another_currency(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    ada, sku = await people.customer(), shop.sku()
    await shop.product(sku, prices={"GBP": 100, "EUR": 120})
    euros = await own_cart(guest, ada, {sku: 1}, currency="EUR")
    buyer = await guest_with(guest, shop, {sku: 2})
    assert body(await merge(buyer, ada))["id"] == str(buyer.cart_id)
    assert quantities(body(await guest.get(f"/v1/carts/{euros}", headers=ada.headers))) == [(sku, 1)]

    other = await guest_with(guest, shop, {sku: 5}, currency="EUR")
    merged = body(await merge(other, ada))
    assert (merged["id"], quantities(merged)) == (euros, [(sku, 6)])


@pytest.mark.parametrize("status", ["frozen", "ordered", "expired"])
async def test_a_cart_goes_into_none_that_is_not_open(
    guest: httpx2.AsyncClient, shop: Shop, people: People, status: str
) -> None:
    ada, sku = await people.customer(), await shop.buyable()
    busy = await own_cart(guest, ada, {sku: 1})
    await shop.run("UPDATE carts SET status = :status WHERE id = :id", status=status, id=UUID(busy))
    buyer = await guest_with(guest, shop, {sku: 2})
    assert body(await merge(buyer, ada))["id"] == str(buyer.cart_id)
    assert quantities(body(await guest.get(f"/v1/carts/{busy}", headers=ada.headers))) == [(sku, 1)]


@pytest.mark.parametrize("status", ["frozen", "ordered"])
async def test_a_guests_cart_in_checkout_is_claimed_with_its_order_and_goes_into_none(
    guest: httpx2.AsyncClient, shop: Shop, people: People, orders: OrdersDouble, status: str
) -> None:
    orders.forget()
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    cart = await own_cart(guest, ada, {buyer.sku: 1})
    order = {"frozen": "payment_required", "ordered": "placed"}[status]
    made = await buyer.has_order(order, payment_status="none")
    await buyer.cart_is(status)

    claimed = body(await merge(buyer, ada))

    assert (claimed["id"], claimed["status"], quantities(claimed)) == (str(buyer.cart_id), status, [(buyer.sku, 2)])
    assert quantities(body(await guest.get(f"/v1/carts/{cart}", headers=ada.headers))) == [(buyer.sku, 1)]
    assert body(await guest.get(f"/v1/orders/{made}", headers=ada.headers))["status"] == order
    assert orders.told == [(made, ada.id)]


async def test_an_earlier_order_of_a_cart_that_is_merged_follows_it(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    await own_cart(guest, ada, {})
    made = await buyer.has_order("failed", payment_status="none", reason="payment_expired")
    await shop.run("UPDATE carts SET checkout_attempt = 2 WHERE id = :id", id=buyer.cart_id)
    body(await merge(buyer, ada))
    assert body(await guest.get(f"/v1/orders/{made}", headers=ada.headers))["status"] == "failed"


async def test_the_cart_that_the_account_has_used_last_is_the_one(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku = await people.customer(), await shop.buyable()
    first, second = [await own_cart(guest, ada, {sku: 1}) for _ in range(2)]
    named = body(await staff.post("/v1/carts", json={"reference": f"INV-{uuid4()}"}), 201)["id"]
    await shop.run("UPDATE carts SET customer_id = :ada WHERE id = :id", ada=ada.id, id=UUID(named))
    await shop.run("UPDATE carts SET updated_at = now() - interval '1 hour' WHERE id = :id", id=UUID(second))
    buyer = await guest_with(guest, shop, {sku: 1})
    assert body(await merge(buyer, ada))["id"] == first


async def test_more_than_a_cart_holds_is_refused_and_changes_nothing(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku, other = await people.customer(), await shop.buyable(amount=1), await shop.buyable(amount=1)
    cart = await own_cart(guest, ada, {})
    thousand = [{"sku": sku, "quantity": 1, "unit_price": gbp(price)} for price in range(1_000)]
    body(await staff.put(f"/v1/carts/{cart}/lines", json={"lines": thousand}))
    buyer = await guest_with(guest, shop, {other: 1})
    before = await shop.contents()

    refused = problem(await merge(buyer, ada), 422, "validation_error")
    assert locations(refused) == [["body"]]
    assert await shop.contents() == before

    one = {"lines": [{"sku": sku, "quantity": 1, "unit_price": gbp(2)}]}
    body(await staff.put(f"{buyer.path}/lines", json=one))
    assert len(body(await merge(buyer, ada))["lines"]) == 1_000


async def test_a_total_that_no_number_holds_exactly_is_refused_and_changes_nothing(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, sku = await people.customer(), await shop.buyable(amount=1)
    cart = await own_cart(guest, ada, {})
    buyer = await guest_with(guest, shop, {sku: 1})
    most = {"lines": [{"sku": sku, "quantity": 1, "unit_price": gbp(2**53 - 1)}]}
    body(await staff.put(f"/v1/carts/{cart}/lines", json=most))
    before = await shop.contents()
    problem(await merge(buyer, ada), 422, "validation_error")
    assert await shop.contents() == before


async def test_nobody_merges_a_cart_that_is_somebody_elses(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, eve, sku = await people.customer(), await people.customer(), await shop.buyable()
    hers = await own_cart(guest, ada, {sku: 1})
    await own_cart(guest, eve, {sku: 1})
    buyer = await guest_with(guest, shop, {sku: 2})
    before = await shop.contents()

    for path in (f"/v1/carts/{hers}", buyer.path, f"/v1/carts/{uuid4()}"):
        for shown in ({}, {"X-Cart-Token": ""}, {"X-Cart-Token": "a" * 43}):
            answer = await guest.post(f"{path}/claim", headers=eve.headers | shown, json=MERGE)
            problem(answer, 404, "not_found")
    problem(await guest.post(f"{buyer.path}/claim", headers=buyer.headers, json=MERGE), 401, "unauthenticated")
    assert await shop.contents() == before

    body(await merge(buyer, ada))
    problem(await merge(buyer, eve), 404, "not_found")


@pytest.mark.parametrize("content", [{"merge": "yes"}, {"merge": None}, {"merge": 1}, {"into": str(uuid4())}, []])
async def test_a_wish_that_is_none_changes_nothing(
    guest: httpx2.AsyncClient, shop: Shop, people: People, content: Any
) -> None:
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    before = await shop.contents()
    answer = await guest.post(f"{buyer.path}/claim", headers=buyer.headers | ada.headers, json=content)
    problem(answer, 422, "validation_error")
    assert await shop.contents() == before


async def test_an_account_that_is_being_erased_is_given_nothing(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, buyer = await people.customer(), await ready_buyer(guest, shop)
    await shop.run("INSERT INTO erasures (user_id, sweep_at) VALUES (:id, now())", id=ada.id)
    problem(await merge(buyer, ada), 401, "unauthenticated")
    assert (await of_guest(shop, buyer))[:2] == ("open", None)
