"""What we hold of a person: the export, and closing an account so that it can be erased."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from api.outbox import Post
from models.columns import new_id
from tests.api.answers import body, problem
from tests.api.buyer import Buyer, ready_buyer
from tests.support.begun import Begun
from tests.support.people import PASSWORD, People, Person
from tests.support.shop import Shop

ME = "/v1/users/me"
EXPORT = f"{ME}/export"
YORK = {"name": "Ada Example", "line1": "1 High Street", "city": "York", "postal_code": "YO1 7HH", "country": "GB"}


@pytest.fixture
async def ada(people: People) -> Person:
    return await people.customer(name="Ada Example")


class Temporal(Begun):
    """What is begun comes beside the answer, so whoever looks has to wait for it."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__()
        self._post: Post = app.state.resources.post

    async def told(self) -> list[UUID]:
        await self._post.close()
        return self.begun


@pytest.fixture
def temporal(app: FastAPI) -> Iterator[Temporal]:
    app.state.resources.erasures = temporal = Temporal(app)
    yield temporal
    app.state.resources.erasures = None


async def own(buyer: Buyer, person: Person) -> None:
    """Make a cart, and what came out of it, somebody's."""
    await buyer.shop.run("UPDATE carts SET customer_id = :user WHERE id = :id", user=person.id, id=buyer.cart_id)
    await buyer.shop.run("UPDATE orders SET customer_id = :user WHERE cart_id = :id", user=person.id, id=buyer.cart_id)


async def mail_of_cart(buyer: Buyer, email: str) -> None:
    await buyer.shop.run("UPDATE carts SET email = :email WHERE id = :id", email=email, id=buyer.cart_id)
    await buyer.shop.run("UPDATE orders SET email = :email WHERE cart_id = :id", email=email, id=buyer.cart_id)


async def exported(client: httpx2.AsyncClient, person: Person) -> dict[str, Any]:
    return body(await client.get(EXPORT, headers=person.headers))


async def erase(client: httpx2.AsyncClient, person: Person, password: str = PASSWORD) -> httpx2.Response:
    return await client.request("DELETE", ME, headers=person.headers, json={"password": password})


# Export --------------------------------------------------------------------------------------------------------------


async def test_export_holds_everything_of_the_person_and_nothing_of_others(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, people: People
) -> None:
    eve = await people.customer(name="Eve Other")
    for person in (ada, eve):
        body(await guest.post(f"{ME}/addresses", headers=person.headers, json=YORK), 201)
    wanted = {"order_updates": {"email": True, "sms": False}, "marketing": {"email": True, "sms": False}}
    body(await guest.put(f"{ME}/notification-preferences", headers=ada.headers, json=wanted))
    buyer, other = await ready_buyer(guest, shop), await ready_buyer(guest, shop)
    order, others = await buyer.has_order(), await other.has_order()
    await own(buyer, ada)
    await own(other, eve)
    await shop.run(
        "INSERT INTO order_notes (id, order_id, text, actor) VALUES (:id, :order, 'Leave it at the door', 'x')",
        id=new_id(),
        order=order,
    )
    for channel in ("email", "sms"):
        await shop.run(
            "INSERT INTO notifications (id, order_id, template, channel, n, state, message_id, attempts)"
            " VALUES (:id, :order, 'shipment', :channel, 1, 'pending', :message, 0)",
            id=new_id(),
            order=order,
            channel=channel,
            message=str(new_id()),
        )

    found = await exported(guest, ada)

    assert (found["account"]["email"], found["account"]["name"]) == (ada.email, "Ada Example")
    assert [{part: address[part] for part in YORK} for address in found["addresses"]] == [YORK]
    assert [(said["topic"], said["channel"]) for said in found["notification_preferences"] if said["wanted"]] == [
        ("marketing", "email"),
        ("order_updates", "email"),
    ]
    assert [session["id"] for session in found["sessions"]] == [str(ada.session_id)]
    told = [(message["template"], message["channel"]) for message in found["messages"]]
    assert told == [("shipment", "email"), ("shipment", "sms")]
    [cart], [bought] = found["carts"], found["orders"]
    assert (cart["id"], cart["lines"]) == (str(buyer.cart_id), [{"sku": buyer.sku, "quantity": 2}])
    assert (bought["id"], bought["total"], bought["email"]) == (str(order), 2000, "ada@example.com")
    assert [line["sku"] for line in bought["lines"]] == [buyer.sku]
    assert [note["text"] for note in bought["notes"]] == ["Leave it at the door"]
    said = json.dumps(found)
    for alien in (eve.email, "Eve Other", str(eve.id), str(others), other.sku):
        assert alien not in said


async def test_export_holds_no_secret(guest: httpx2.AsyncClient, shop: Shop, ada: Person) -> None:
    buyer = await ready_buyer(guest, shop)
    await own(buyer, ada)
    secrets = await shop.run(
        "SELECT password_hash FROM users WHERE id = :id UNION SELECT token_digest FROM carts WHERE id = :cart"
        " UNION SELECT digest FROM refresh_tokens WHERE session_id = :session",
        id=ada.id,
        cart=buyer.cart_id,
        session=ada.session_id,
    )
    assert len(secrets) == 3

    answer = await guest.get(EXPORT, headers=ada.headers)

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="everorder-export.json"'
    for secret in [str(row[0]) for row in secrets] + [
        ada.access_token,
        ada.refresh_token,
        buyer.headers["X-Cart-Token"],
    ]:
        assert secret not in answer.text


async def test_export_of_more_than_a_page_is_whole_and_in_order(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person
) -> None:
    await shop.run(
        "INSERT INTO carts (id, customer_id, status, checkout_attempt, currency)"
        " SELECT uuidv7(), :user, 'open', 1, 'GBP' FROM generate_series(1, 250)",
        user=ada.id,
    )
    ids = [cart["id"] for cart in (await exported(guest, ada))["carts"]]
    assert len(set(ids)) == 250
    assert ids == sorted(ids)


async def test_what_was_bought_as_a_guest_is_theirs_whose_verified_address_it_was(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, people: People
) -> None:
    eve = await people.customer()
    buyer = await ready_buyer(guest, shop)
    order = await buyer.has_order()
    await mail_of_cart(buyer, ada.email.upper())

    assert [bought["id"] for bought in (await exported(guest, ada))["orders"]] == [str(order)]
    assert (await exported(guest, eve))["orders"] == []
    await shop.run("UPDATE users SET password_hash = NULL, email_verified_at = NULL WHERE id = :id", id=ada.id)
    assert (await exported(guest, ada))["orders"] == []


async def test_export_is_for_people_who_are_logged_in_and_still_there(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, ada: Person
) -> None:
    problem(await guest.get(EXPORT), 401, "unauthenticated")
    problem(await staff.get(EXPORT), 403, "forbidden")
    await shop.run(
        "UPDATE users SET email = NULL, password_hash = NULL, email_verified_at = NULL, erased_at = now()"
        " WHERE id = :id",
        id=ada.id,
    )
    problem(await guest.get(EXPORT, headers=ada.headers), 401, "unauthenticated")


# Erasure -------------------------------------------------------------------------------------------------------------


async def erasure_rows(shop: Shop, person: Person) -> list[tuple[object, ...]]:
    return await shop.run("SELECT completed_at FROM erasures WHERE user_id = :id", id=person.id)


async def messages_of(shop: Shop, person: Person) -> list[tuple[object, ...]]:
    return await shop.run("SELECT template, state FROM notifications WHERE user_id = :id ORDER BY id", id=person.id)


async def test_erasure_closes_the_account_at_once_and_begins_after_the_commit(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, people: People, temporal: Temporal
) -> None:
    phone = await people.logged_in(ada)
    await shop.run(
        "INSERT INTO notifications (id, user_id, template, channel, n, state, message_id, attempts)"
        " VALUES (:id, :user, 'password_changed', 'email', 1, 'pending', :message, 0)",
        id=new_id(),
        user=ada.id,
        message=str(new_id()),
    )

    assert body(await erase(guest, ada), 202) == {"status": "erasing"}

    assert await temporal.told() == [ada.id]
    assert await erasure_rows(shop, ada) == [(None,)]
    assert await messages_of(shop, ada) == [("password_changed", "dropped"), ("account_erased", "pending")]
    for session in (ada, phone):
        answer = await guest.post("/v1/auth/refresh", json={"refresh_token": session.refresh_token})
        problem(answer, 401, "unauthenticated")
    log_in = {"username": ada.email, "password": PASSWORD}
    problem(await guest.post("/v1/auth/token", data=log_in), 401, "unauthenticated")
    reset = await guest.post("/v1/auth/password-reset", json={"email": ada.email})
    assert reset.status_code == 202
    assert await messages_of(shop, ada) == [("password_changed", "dropped"), ("account_erased", "pending")]


async def test_wrong_password_erases_nothing(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, temporal: Temporal
) -> None:
    problem(await erase(guest, ada, "not the password at all"), 403, "forbidden")
    problem(await guest.request("DELETE", ME, headers=ada.headers, json={}), 422, "validation_error")
    problem(await guest.request("DELETE", ME, json={"password": PASSWORD}), 401, "unauthenticated")

    assert await erasure_rows(shop, ada) == []
    assert await temporal.told() == []
    body(await guest.get(ME, headers=ada.headers))


@pytest.mark.parametrize(
    "order",
    [
        {"status": "placed"},
        {"status": "payment_required", "payment_status": "none"},
        {"status": "cancelling"},
        {"status": "shipped"},
        {"status": "delivered", "needs_operator": True},
        {"status": "closed", "payment_status": "disputed"},
    ],
)
async def test_account_with_an_order_under_way_is_not_erased(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, temporal: Temporal, order: dict[str, Any]
) -> None:
    buyer = await ready_buyer(guest, shop)
    made = await buyer.has_order(**order)
    await own(buyer, ada)

    refused = problem(await erase(guest, ada), 409, "orders_open")

    assert [(number,) for number in refused["orders"]] == await shop.run(
        "SELECT number FROM orders WHERE id = :id", id=made
    )
    assert await erasure_rows(shop, ada) == []
    assert await messages_of(shop, ada) == []
    assert await temporal.told() == []
    body(await guest.post("/v1/auth/refresh", json={"refresh_token": ada.refresh_token}))


async def test_account_whose_goods_are_on_their_way_back_is_erased_once_that_is_over(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, temporal: Temporal
) -> None:
    buyer = await ready_buyer(guest, shop)
    made = await buyer.has_order(status="closed")
    await own(buyer, ada)
    await shop.run(
        "INSERT INTO returns (id, order_id, n, state, actor) VALUES (uuidv7(), :id, 1, 'requested', 'guest')", id=made
    )

    problem(await erase(guest, ada), 409, "orders_open")
    assert await temporal.told() == []

    await shop.run("UPDATE returns SET state = 'cancelled', ended_at = now() WHERE order_id = :id", id=made)
    body(await erase(guest, ada), 202)


async def test_of_five_requests_at_once_one_closes_the_account(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, temporal: Temporal
) -> None:
    answers = await asyncio.gather(*(erase(guest, ada) for _ in range(5)))

    assert [answer.status_code for answer in answers].count(202) == 1
    assert {answer.status_code for answer in answers} <= {202, 401, 403}
    assert await messages_of(shop, ada) == [("account_erased", "pending")]
    assert await temporal.told() == [ada.id]


async def test_temporal_that_is_away_neither_fails_nor_loses_an_erasure(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, temporal: Temporal
) -> None:
    temporal.away = 1
    body(await erase(guest, ada), 202)
    assert await temporal.told() == []
    assert await erasure_rows(shop, ada) == [(None,)]


async def test_commit_that_fails_begins_nothing(
    guest: httpx2.AsyncClient, shop: Shop, ada: Person, temporal: Temporal
) -> None:
    name = f"refuse_{ada.id.hex}"
    await shop.run(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"
    )
    await shop.run(
        f"CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON erasures DEFERRABLE INITIALLY DEFERRED"
        f" FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
    try:
        problem(await erase(guest, ada), 503, "temporarily_unavailable")
    finally:
        await shop.run(f"DROP FUNCTION {name} CASCADE")
    assert await temporal.told() == []
    assert await erasure_rows(shop, ada) == []
    assert await messages_of(shop, ada) == []
