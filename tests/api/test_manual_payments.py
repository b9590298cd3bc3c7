"""Payments that people confirm, over HTTP: what buyers are told, and what staff say."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from domain.transfer_references import transfer_reference
from settings import Settings
from tests.api.answers import body, gbp, problem
from tests.api.buyer import PAYMENT, Buyer, ready_buyer
from tests.api.conftest import SERVICE_TOKEN
from tests.api.door import Door
from tests.api.orders_double import OrdersDouble
from tests.api.shops import open_shop
from tests.support.shop import Shop
from tests.support.world import World

TRANSFER = {"payment_method": {"token": "bank_transfer"}}
CASH = {"payment_method": {"token": "cash_on_delivery"}}


@pytest.fixture(scope="module")
async def client(live_door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with live_door.client() as client:
        yield client


@pytest.fixture(scope="module")
async def cashier(live_door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with live_door.client(Authorization=f"Bearer {SERVICE_TOKEN}") as client:
        yield client


def moved(amount: int, reference: str) -> dict[str, Any]:
    return {"amount": gbp(amount), "reference": reference}


async def stands(client: httpx2.AsyncClient, buyer: Buyer, status: str) -> dict[str, Any]:
    """Wait until an order has come to where it should be."""
    async with asyncio.timeout(20):
        while True:
            order = body(await client.get(f"/v1/orders/{buyer.order_id()}", headers=buyer.headers))
            if order["status"] == status:
                return order
            await asyncio.sleep(0.05)


async def test_buyer_is_told_what_to_write_and_the_order_is_placed_when_the_money_has_come(
    client: httpx2.AsyncClient, cashier: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    asked = problem(await buyer.check_out(TRANSFER), 402, "payment_action_required")
    assert (asked["provider"], asked["decline_code"]) == ("manual", "awaiting_transfer")
    path = f"/v1/orders/{buyer.order_id()}"
    number = body(await client.get(path, headers=buyer.headers))["number"]
    assert asked["transfer_reference"] == transfer_reference(number, 1)
    action = {"provider": "manual", "client_secret": None, "transfer_reference": asked["transfer_reference"]}
    assert body(await client.get(path, headers=buyer.headers))["awaited_payment"]["action"] == action
    assert body(await cashier.get(path))["awaited_payment"]["action"] == action
    assert problem(await buyer.check_out(TRANSFER), 402, "payment_action_required") == asked

    receipt = moved(2000, f"statement of {buyer.order_id()}")
    key = {"Idempotency-Key": uuid4().hex}
    first = body(await cashier.post(f"{path}/payments/confirm", json=receipt, headers=key), 201)
    assert first == {"order_id": str(buyer.order_id()), "outcome": "received"} | receipt
    order = await stands(client, buyer, "placed")
    assert (order["payment_status"], order["awaited_payment"]) == ("captured", None)
    replayed = await cashier.post(f"{path}/payments/confirm", json=receipt, headers=key)
    assert (body(replayed, 201), replayed.headers["idempotent-replayed"]) == (first, "true")
    assert body(await cashier.post(f"{path}/payments/confirm", json=receipt), 201) == first
    problem(await cashier.post(f"{path}/payments/confirm", json=moved(2000, "another")), 409, "illegal_transition")
    assert await world.stock(buyer.sku) == (8, 0)


async def test_money_that_does_not_fit_is_refused(
    client: httpx2.AsyncClient, cashier: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    problem(await buyer.check_out(TRANSFER), 402, "payment_action_required")
    confirm = f"/v1/orders/{buyer.order_id()}/payments/confirm"
    before = await world.shop.run("SELECT * FROM manual_payments WHERE order_id = :id", id=buyer.order_id())

    problem(await cashier.post(confirm, json=moved(1999, "too little")), 409, "amount_mismatch")
    euros = {"amount": {"amount": 2000, "currency": "EUR"}, "reference": "in euros"}
    problem(await cashier.post(confirm, json=euros), 409, "amount_mismatch")
    problem(await cashier.post(confirm, json=moved(0, "nothing")), 422, "validation_error")
    problem(await cashier.post(confirm, json=moved(2000, "")), 422, "validation_error")
    problem(await cashier.post(confirm, json=moved(2000, "two\nlines")), 422, "validation_error")
    problem(await cashier.post(f"/v1/orders/{uuid4()}/payments/confirm", json=moved(1, "whose")), 404, "not_found")
    problem(await client.post(confirm, json=moved(2000, "mine"), headers=buyer.headers), 401, "unauthenticated")

    after = await world.shop.run("SELECT * FROM manual_payments WHERE order_id = :id", id=buyer.order_id())
    assert (after, await world.stock(buyer.sku)) == (before, (10, 2))


async def test_refund_is_on_the_list_of_what_is_owed_until_it_was_paid(
    client: httpx2.AsyncClient, cashier: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    problem(await buyer.check_out(TRANSFER), 402, "payment_action_required")
    path = f"/v1/orders/{buyer.order_id()}"
    body(await cashier.post(f"{path}/payments/confirm", json=moved(2000, f"in {buyer.order_id()}")), 201)
    order = await stands(client, buyer, "placed")
    refund = body(await cashier.post(f"{path}/refunds", json={"amount": gbp(700)}), 201)
    assert refund["status"] == "started"

    owed = [one for one in await everything_owed(cashier) if one["order_id"] == str(buyer.order_id())]
    assert [(one["number"], one["amount"]) for one in owed] == [(order["number"], gbp(700))]
    assert owed[0]["payment"].startswith("RF")
    problem(await cashier.post(f"{path}/refunds/confirm", json=moved(699, "less")), 409, "amount_mismatch")
    paid = body(await cashier.post(f"{path}/refunds/confirm", json=moved(700, f"out {buyer.order_id()}")), 201)
    assert paid["outcome"] == "paid"

    async with asyncio.timeout(20):
        while (await refunds(cashier, path))[0]["status"] != "succeeded":  # noqa: ASYNC110 - a workflow has to hear of it
            await asyncio.sleep(0.05)
    assert body(await client.get(path, headers=buyer.headers))["refunded"] == gbp(700)
    assert [one for one in await everything_owed(cashier) if one["order_id"] == str(buyer.order_id())] == []
    problem(await cashier.post(f"{path}/refunds/confirm", json=moved(700, "again")), 409, "illegal_transition")


async def refunds(cashier: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = body(await cashier.get(f"{path}/refunds"))["items"]
    return items


async def everything_owed(cashier: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Read the whole list, two at a time."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = body(await cashier.get("/v1/payments/owed", params=asked))
        found += page["items"]
        cursor = page["next_cursor"]
    return found


async def test_cash_on_delivery_is_placed_at_once(client: httpx2.AsyncClient, world: World) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(CASH), 201)

    assert (order["status"], order["payment_status"]) == ("placed", "authorised")


async def test_confirmation_is_kept_while_temporal_is_away(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    buyer = await ready_buyer(guest, shop)
    order = await buyer.has_order("payment_required", payment_status="none")
    await shop.run(
        "INSERT INTO manual_payments (reference, key, order_id, way, amount, currency, state)"
        " VALUES (:reference, :key, :id, 'bank_transfer', 2000, 'GBP', 'awaited')",
        reference=f"RF-{order}",
        key=f"{order}:authorise:1",
        id=order,
    )
    orders.is_reachable = False
    receipt = moved(2000, f"kept {order}")
    body(await staff.post(f"/v1/orders/{order}/payments/confirm", json=receipt), 201)
    events = "SELECT state, type, provider FROM webhook_events WHERE order_id = :id"
    assert await shop.run(events, id=order) == [("received", "captured", "manual")]

    orders.is_reachable = True
    orders.alive.add(order)
    body(await staff.post(f"/v1/orders/{order}/payments/confirm", json=receipt), 201)

    assert await shop.run(events, id=order) == [("delivered", "captured", "manual")]
    assert [told for told, _ in orders.told] == [order]


@pytest.mark.in_process("it needs a shop with settings of its own")
@pytest.mark.parametrize("token", ["bank_transfer", "cash_on_delivery", "pm_card_visa"])
async def test_way_to_pay_that_is_not_offered_is_refused_and_changes_nothing(
    settings: Settings, shop: Shop, guest: httpx2.AsyncClient, token: str
) -> None:
    offered = "cash_on_delivery" if token != "cash_on_delivery" else "card"
    buyer = await ready_buyer(guest, shop)
    async with open_shop(settings, payment_methods=offered) as client:
        buyer.client = client
        before = await shop.contents()
        asked = PAYMENT | {"payment_method": {"token": token}}
        problem(await buyer.check_out(asked), 422, "payment_method_unavailable")
        assert await shop.contents() == before
        order = await buyer.has_order("payment_required", payment_status="none")
        answer = await client.post(f"/v1/orders/{order}/payments", json=asked, headers=buyer.headers)
        problem(answer, 422, "payment_method_unavailable")
