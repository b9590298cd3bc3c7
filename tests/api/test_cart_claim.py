"""A guest's cart becomes the cart of an account."""

import asyncio
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.api.answers import body, problem
from tests.api.buyer import PAYMENT, Buyer, ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.support.people import People
from tests.support.shop import Shop


async def claim(buyer: Buyer, *shown: dict[str, str]) -> httpx2.Response:
    headers = {name: value for one in shown for name, value in one.items()}
    return await buyer.client.post(f"{buyer.path}/claim", headers=headers)


async def owner(shop: Shop, buyer: Buyer) -> tuple[object, object]:
    [row] = await shop.run("SELECT customer_id, token_digest FROM carts WHERE id = :id", id=buyer.cart_id)
    return row[0], row[1]


async def test_a_claimed_cart_opens_for_its_account_and_its_secret_opens_nothing(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    buyer, ada = await ready_buyer(guest, shop), await people.customer()
    claimed = body(await claim(buyer, buyer.headers, ada.headers))

    assert (claimed["id"], claimed["status"], len(claimed["lines"])) == (str(buyer.cart_id), "open", 1)
    assert await owner(shop, buyer) == (ada.id, None)
    assert body(await guest.get(buyer.path, headers=ada.headers)) == claimed
    problem(await guest.get(buyer.path, headers=buyer.headers), 404, "not_found")
    problem(await guest.patch(buyer.path, headers=buyer.headers, json={"email": "x@example.com"}), 404, "not_found")
    problem(await buyer.check_out(), 404, "not_found")


async def test_claiming_takes_the_account_and_the_secret(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    buyer, ada = await ready_buyer(guest, shop), await people.customer()
    before = await owner(shop, buyer)
    problem(await claim(buyer, buyer.headers), 401, "unauthenticated")
    problem(await claim(buyer, ada.headers), 404, "not_found")
    problem(await claim(buyer, ada.headers, {"X-Cart-Token": "wrong"}), 404, "not_found")
    service = {"Authorization": staff.headers["Authorization"]}
    problem(await claim(buyer, buyer.headers, service), 403, "forbidden")
    nowhere = await guest.post(f"/v1/carts/{uuid4()}/claim", headers=ada.headers | buyer.headers)
    problem(nowhere, 404, "not_found")
    assert await owner(shop, buyer) == before
    assert before[0] is None


async def test_claiming_twice_is_claiming_once_and_nobody_else_claims_it_then(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    buyer, ada, eve = await ready_buyer(guest, shop), await people.customer(), await people.customer()
    first = body(await claim(buyer, buyer.headers, ada.headers))
    assert body(await claim(buyer, buyer.headers, ada.headers)) == first
    assert body(await claim(buyer, ada.headers)) == first
    problem(await claim(buyer, buyer.headers, eve.headers), 404, "not_found")
    assert await owner(shop, buyer) == (ada.id, None)


async def test_of_two_who_claim_at_once_one_gets_it(guest: httpx2.AsyncClient, shop: Shop, people: People) -> None:
    buyer = await ready_buyer(guest, shop)
    persons = [await people.customer() for _ in range(5)]
    answers = await asyncio.gather(*(claim(buyer, buyer.headers, one.headers) for one in persons))
    winner = [one.id for one, answer in zip(persons, answers, strict=True) if answer.status_code == 200]
    assert [answer.status_code for answer in answers].count(404) == 4
    assert await owner(shop, buyer) == (winner[0], None)


@pytest.mark.parametrize("status", ["pending", "payment_required", "placed", "failed"])
async def test_orders_that_came_out_of_a_cart_follow_it_to_the_account(
    guest: httpx2.AsyncClient, shop: Shop, people: People, orders: OrdersDouble, status: str
) -> None:
    orders.forget()
    buyer, ada = await ready_buyer(guest, shop), await people.customer()
    reason = "payment_expired" if status == "failed" else None
    made = await buyer.has_order(status, payment_status="none", reason=reason)
    await buyer.cart_is({"placed": "ordered", "failed": "open"}.get(status, "frozen"))
    path = f"/v1/orders/{made}"
    body(await guest.get(path, headers=buyer.headers))
    problem(await guest.get(path, headers=ada.headers), 404, "not_found")

    body(await claim(buyer, buyer.headers, ada.headers))
    assert body(await guest.get(path, headers=ada.headers))["status"] == status
    problem(await guest.get(path, headers=buyer.headers), 404, "not_found")
    assert await shop.run("SELECT customer_id FROM orders WHERE id = :id", id=made) == [(ada.id,)]
    assert orders.told == [(made, ada.id)]
    body(await claim(buyer, ada.headers))
    assert orders.told == [(made, ada.id)]


async def test_answers_that_were_kept_for_the_secret_are_not_given_to_it_any_more(
    guest: httpx2.AsyncClient, shop: Shop, people: People, orders: OrdersDouble
) -> None:
    orders.forget()
    buyer, ada = await ready_buyer(guest, shop), await people.customer()
    await buyer.has_order()
    await buyer.cart_is("ordered")
    key = {"Idempotency-Key": uuid4().hex}
    body(await buyer.check_out(**key), 201)
    assert (await buyer.check_out(**key)).headers["idempotent-replayed"] == "true"

    body(await claim(buyer, buyer.headers, ada.headers))
    problem(await buyer.check_out(**key), 404, "not_found")
    kept = await shop.run("SELECT 1 FROM idempotency_keys WHERE key = :key", key=key["Idempotency-Key"])
    assert kept == []
    again = await guest.post(f"{buyer.path}/checkout", json=PAYMENT, headers=ada.headers | key)
    assert body(again, 201)["id"] == str(buyer.order_id())


async def test_a_cart_of_an_account_has_no_secret_and_opens_for_nobody_else(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, eve = await people.customer(), await people.customer()
    opened = body(await guest.post("/v1/carts", json={}, headers=ada.headers), 201)
    path = f"/v1/carts/{opened['id']}"
    assert opened["token"] is None
    assert await shop.run("SELECT customer_id, token_digest FROM carts WHERE id = :id", id=UUID(opened["id"])) == [
        (ada.id, None)
    ]
    assert body(await guest.get(path, headers=ada.headers))["id"] == opened["id"]
    for others in (eve.headers, {}, {"X-Cart-Token": ""}):
        problem(await guest.get(path, headers=others), 404, "not_found")
    problem(await guest.post(f"{path}/claim", headers=eve.headers | {"X-Cart-Token": ""}), 404, "not_found")
