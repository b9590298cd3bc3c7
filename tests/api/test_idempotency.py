"""One request, asked for many times under one key."""

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from clients.orders import Accepted
from contracts.orders import OrderOutcome
from db import stock
from domain.errors import TemporarilyUnavailableError
from domain.order_states import OrderStatus
from domain.roles import Role
from tests.api.answers import body, problem
from tests.api.buyer import PAYMENT, ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.support.people import People
from tests.support.shop import Shop

RECEIPT = {"location": "main", "delta": 5, "reason": "receipt"}


def keyed(key: str = "", **headers: str) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid4().hex, **headers}


async def on_hand(shop: Shop, sku: str) -> int:
    [(level,)] = await shop.run("SELECT on_hand FROM stock_levels WHERE sku = :sku", sku=sku)
    return int(str(level))


async def kept(shop: Shop, key: str) -> list[tuple[object, ...]]:
    return await shop.run("SELECT owner, status FROM idempotency_keys WHERE key = :key ORDER BY owner", key=key)


async def lose_the_answer(shop: Shop, key: str, *, locked: bool) -> None:
    """Leave a claim as a process does that died before it answered."""
    await shop.run(
        "UPDATE idempotency_keys SET status = NULL, answer = NULL,"
        " locked_until = now() + CASE WHEN CAST(:locked AS boolean) THEN 1 ELSE -1 END * interval '1 minute'"
        " WHERE key = :key",
        key=key,
        locked=locked,
    )


async def test_the_same_request_is_done_once_and_answered_alike(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path = f"/v1/stock/{sku}/adjustments"
    first = await staff.post(path, json=RECEIPT, headers=headers)
    again = await staff.post(path, json=RECEIPT, headers=headers)

    assert body(first, 201) == body(again, 201)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert await on_hand(shop, sku) == 15
    assert await kept(shop, headers["Idempotency-Key"]) == [("service", 201)]


async def test_another_request_under_the_same_key_is_refused_and_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku, other, headers = await shop.buyable(stock=10), await shop.buyable(stock=10), keyed()
    path = f"/v1/stock/{sku}/adjustments"
    body(await staff.post(path, json=RECEIPT, headers=headers), 201)

    for url, content in (
        (path, RECEIPT | {"delta": 6}),
        (f"/v1/stock/{other}/adjustments", RECEIPT),
        (f"{path}?again=1", RECEIPT),
        ("/v1/locations", {"code": "north", "name": "North"}),
    ):
        problem(await staff.post(url, json=content, headers=headers), 422, "idempotency_key_reused")
    assert (await on_hand(shop, sku), await on_hand(shop, other)) == (15, 10)


async def test_without_a_key_each_request_is_done(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku = await shop.buyable(stock=10)
    for _ in range(2):
        body(await staff.post(f"/v1/stock/{sku}/adjustments", json=RECEIPT), 201)
    assert await on_hand(shop, sku) == 20


async def test_what_was_refused_for_good_stays_refused_and_what_was_not_valid_may_be_corrected(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path = f"/v1/stock/{sku}/adjustments"
    for content in (RECEIPT | {"delta": 0}, RECEIPT | {"location": "nowhere"}):
        problem(await staff.post(path, json=content, headers=headers), 422, "validation_error")
    problem(await staff.post("/v1/stock/none/adjustments", json=RECEIPT, headers=headers), 404, "not_found")
    assert await kept(shop, headers["Idempotency-Key"]) == []

    refused = await staff.post(path, json=RECEIPT | {"delta": -11}, headers=headers)
    problem(refused, 409, "insufficient_stock")
    body(await staff.post(path, json=RECEIPT), 201)
    again = await staff.post(path, json=RECEIPT | {"delta": -11}, headers=headers)
    assert problem(again, 409, "insufficient_stock") == refused.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert await on_hand(shop, sku) == 15


async def test_a_caller_who_may_not_is_told_so_and_keeps_nothing(guest: httpx2.AsyncClient, shop: Shop) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path = f"/v1/stock/{sku}/adjustments"
    problem(await guest.post(path, json=RECEIPT, headers=headers), 401, "unauthenticated")
    unknown = headers | {"Authorization": "Bearer wrong"}
    problem(await guest.post(path, json=RECEIPT, headers=unknown), 401, "unauthenticated")
    problem(await guest.post("/v1/carts", json={"reference": "x"}, headers=headers), 403, "forbidden")
    assert await kept(shop, headers["Idempotency-Key"]) == []


@pytest.mark.parametrize("key", ["", " ", "é" * 30, "x" * 256])
@pytest.mark.in_process("a real client sends no blank header")
async def test_a_key_that_can_not_be_kept_is_refused(staff: httpx2.AsyncClient, key: str) -> None:
    answer = await staff.post("/v1/carts", headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert problem(answer, 422, "validation_error")["errors"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_a_running_request_is_told_as_such_until_its_lock_ends_and_then_done_again_once(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path, key = f"/v1/stock/{sku}/adjustments", headers["Idempotency-Key"]
    body(await staff.post(path, json=RECEIPT, headers=headers), 201)
    await lose_the_answer(shop, key, locked=True)

    running = await staff.post(path, json=RECEIPT, headers=headers)
    problem(running, 409, "idempotency_in_progress")
    assert running.headers["retry-after"] == "1"
    problem(await staff.post(path, json=RECEIPT | {"delta": 6}, headers=headers), 422, "idempotency_key_reused")
    assert await on_hand(shop, sku) == 15

    await lose_the_answer(shop, key, locked=False)
    problem(await staff.post(path, json=RECEIPT | {"delta": 6}, headers=headers), 422, "idempotency_key_reused")
    body(await staff.post(path, json=RECEIPT, headers=headers), 201)
    body(await staff.post(path, json=RECEIPT, headers=headers), 201)
    assert await on_hand(shop, sku) == 20


async def test_who_was_taken_over_commits_nothing(
    staff: httpx2.AsyncClient, shop: Shop, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path = f"/v1/stock/{sku}/adjustments"
    slow = paused(stock, "adjust", monkeypatch)

    first = asyncio.create_task(staff.post(path, json=RECEIPT, headers=headers))
    await slow.reached.wait()
    await lose_the_answer(shop, headers["Idempotency-Key"], locked=False)
    second = await staff.post(path, json=RECEIPT, headers=headers)
    slow.goes_on.set()

    body(second, 201)
    problem(await first, 409, "idempotency_in_progress")
    third = await staff.post(path, json=RECEIPT, headers=headers)
    assert (third.content, third.headers["idempotent-replayed"]) == (second.content, "true")
    assert await on_hand(shop, sku) == 15


async def test_two_hundred_at_once_are_one_effect_and_two_hundred_equal_answers(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()

    async def asked() -> httpx2.Response:
        while True:
            answer = await staff.post(f"/v1/stock/{sku}/adjustments", json=RECEIPT, headers=headers)
            if answer.status_code != 409:
                return answer
            problem(answer, 409, "idempotency_in_progress")

    answers = await asyncio.gather(*(asked() for _ in range(200)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert await on_hand(shop, sku) == 15


# Whose key it is -----------------------------------------------------------------------------------------------------


async def test_a_guest_gets_the_same_cart_again_with_its_secret_which_is_not_stored(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    headers = keyed()
    opened = body(await guest.post("/v1/carts", json={}, headers=headers), 201)
    again = await guest.post("/v1/carts", json={}, headers=headers)

    assert body(again, 201) == opened
    assert again.headers["idempotent-replayed"] == "true"
    mine = {"X-Cart-Token": opened["token"]}
    assert body(await guest.get(f"/v1/carts/{opened['id']}", headers=mine))["id"] == opened["id"]
    [(owner, answer)] = await shop.run(
        "SELECT owner, answer FROM idempotency_keys WHERE key = :key", key=headers["Idempotency-Key"]
    )
    assert isinstance(answer, bytes)
    assert opened["token"].encode() not in answer
    assert b"token" not in answer
    assert str(owner).startswith("guest:")
    assert "127.0.0.1" not in str(owner)


async def test_who_has_shown_nothing_is_known_by_a_key_that_can_not_be_guessed(guest: httpx2.AsyncClient) -> None:
    answer = await guest.post("/v1/carts", json={}, headers=keyed("cart-1"))
    assert problem(answer, 422, "validation_error")["errors"] == [
        {"loc": ["header", "Idempotency-Key"], "msg": "Input should be 20 to 255 visible characters"}
    ]


async def test_the_same_key_of_another_caller_is_another_key(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    headers = keyed()
    callers: list[Callable[[], Awaitable[httpx2.Response]]] = [
        lambda: guest.post("/v1/carts", json={}, headers=headers),
        lambda: staff.post("/v1/carts", json={}, headers=headers),
        lambda: guest.post("/v1/carts", json={}, headers=headers | {"X-Cart-Token": "one"}),
        lambda: guest.post("/v1/carts", json={}, headers=headers | {"X-Cart-Token": "another"}),
        lambda: guest.post("/v1/carts", json={"currency": "GBP"}, headers=keyed()),
    ]
    carts = {body(await ask(), 201)["id"] for ask in callers}
    assert len(carts) == 5
    again = {body(await ask(), 201)["id"] for ask in callers[:4]}
    assert again < carts
    assert len(again) == 4
    assert len(await kept(shop, headers["Idempotency-Key"])) == 4


async def test_who_may_not_any_more_is_not_given_what_was_answered_then(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    sku, key = await shop.buyable(stock=10), keyed()
    path, grace = f"/v1/stock/{sku}/adjustments", await people.staff(Role.WAREHOUSE)
    body(await guest.post(path, json=RECEIPT, headers=key | grace.headers), 201)
    dismissed = await people.logged_in(grace)
    problem(await guest.post(path, json=RECEIPT, headers=key | dismissed.headers), 403, "forbidden")
    again = await guest.post(path, json=RECEIPT, headers=key | grace.headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert await kept(shop, key["Idempotency-Key"]) == [(f"user:{grace.id}", 201)]


# Effects that are workflows -------------------------------------------------------------------------------------------


async def test_a_checkout_that_was_declined_is_answered_alike_and_not_asked_for_again(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    orders.forget()
    buyer = await ready_buyer(guest, shop)
    made = buyer.order_id()
    orders.answers.append(OrderOutcome(made, OrderStatus.PAYMENT_REQUIRED, decline_code="card_declined"))
    headers = keyed()
    first = await buyer.check_out(**headers)
    again = await buyer.check_out(**headers)

    problem(first, 402, "payment_failed")
    assert (again.status_code, again.content) == (402, first.content)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.headers["idempotent-replayed"] == "true"
    assert len(orders.asked) == 1


async def test_what_is_under_way_or_could_not_be_done_is_asked_for_again(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    orders.forget()
    buyer = await ready_buyer(guest, shop)
    made, headers = buyer.order_id(), keyed()
    orders.answers.extend(
        [
            TemporarilyUnavailableError("away"),
            Accepted(made),
            RuntimeError("a slip"),
            OrderOutcome(made, OrderStatus.PAYMENT_REQUIRED, decline_code="card_declined"),
        ]
    )
    statuses = [(await buyer.check_out(**headers)).status_code for _ in range(5)]
    assert statuses == [503, 202, 500, 402, 402]
    assert len(orders.asked) == 4
    other = await buyer.check_out(PAYMENT | {"payment_method": {"token": "pm_other"}}, **headers)
    problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize("what", ["payments", "cancel"])
async def test_a_command_bears_the_same_name_at_every_try(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, what: str
) -> None:
    orders.forget()
    buyer = await ready_buyer(guest, shop)
    made = await buyer.has_order("payment_required", payment_status="none")
    path = f"/v1/orders/{made}/{what}"
    content = PAYMENT if what == "payments" else {"reason": "Ada moved"}
    headers = keyed() | buyer.headers
    for answer in (TemporarilyUnavailableError("away"), Accepted(made)):
        orders.answers.append(answer)
        await guest.post(path, json=content, headers=headers)
    orders.answers.append(Accepted(made))
    assert (await guest.post(path, json=content, headers=buyer.headers)).status_code == 202

    first, second, without_key = orders.request_ids
    assert first == second != without_key
    notes = await shop.run("SELECT id FROM order_notes WHERE order_id = :id ORDER BY created_at", id=made)
    assert notes == ([] if what == "payments" else [(first,), (without_key,)])


async def test_a_key_is_kept_for_a_day_and_then_new(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path, key = f"/v1/stock/{sku}/adjustments", headers["Idempotency-Key"]
    body(await staff.post(path, json=RECEIPT, headers=headers), 201)
    [(hours,)] = await shop.run(
        "SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM idempotency_keys WHERE key = :key", key=key
    )
    assert float(str(hours)) == 24
    await shop.run("UPDATE idempotency_keys SET expires_at = now() WHERE key = :key", key=key)
    body(await staff.post(path, json=RECEIPT | {"delta": 7}, headers=headers), 201)
    assert await on_hand(shop, sku) == 22


async def test_an_answer_that_can_not_be_read_any_more_is_not_done_again(staff: httpx2.AsyncClient, shop: Shop) -> None:
    sku, headers = await shop.buyable(stock=10), keyed()
    path, key = f"/v1/stock/{sku}/adjustments", headers["Idempotency-Key"]
    body(await staff.post(path, json=RECEIPT, headers=headers), 201)
    await shop.run("UPDATE idempotency_keys SET answer = '\\x00'::bytea || answer WHERE key = :key", key=key)
    problem(await staff.post(path, json=RECEIPT, headers=headers), 409, "conflict")
    assert await on_hand(shop, sku) == 15


class Pause:
    """Stops whoever comes first."""

    def __init__(self) -> None:
        self.reached, self.goes_on = asyncio.Event(), asyncio.Event()


def paused(module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> Pause:
    """Have the first call of a function wait before it does anything."""
    real, pause = getattr(module, name), Pause()

    async def slowly(*arguments: object, **named: object) -> object:
        if not pause.reached.is_set():
            pause.reached.set()
            await pause.goes_on.wait()
        return await real(*arguments, **named)

    monkeypatch.setattr(module, name, slowly)
    return pause


async def test_every_post_but_those_that_are_named_otherwise_takes_a_key(app: FastAPI) -> None:
    document = app.openapi()
    without = {
        path
        for path, operations in document["paths"].items()
        if "post" in operations
        and not any(one["name"] == "Idempotency-Key" for one in operations["post"].get("parameters", []))
    }
    assert {path for path in without if not path.startswith(("/v1/auth/", "/v1/webhooks/"))} == {
        "/v1/orders/{order_id}/event-ticket"  # it has no effect, and what it answers is a secret, which nobody keeps
    }


async def test_who_must_log_in_is_told_so_whatever_the_key_is(guest: httpx2.AsyncClient) -> None:
    for key in ("short", "a-key-that-nobody-guesses-0001"):
        answer = await guest.post("/v1/users/me/addresses", json={}, headers={"Idempotency-Key": key})
        problem(answer, 401, "unauthenticated")
