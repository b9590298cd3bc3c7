"""Returns over HTTP with everything behind them: asked for by whoever has the order, received by the warehouse."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from domain.roles import Role
from tests.api.answers import body, gbp, problem
from tests.api.buyer import Buyer, ready_buyer
from tests.api.door import Door
from tests.support.histories import clear_text
from tests.support.people import People
from tests.support.world import World


@pytest.fixture(scope="module")
async def client(live_door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with live_door.client() as client:
        yield client


async def sent(client: httpx2.AsyncClient, world: World, staff: dict[str, str]) -> tuple[Buyer, Any]:
    """Place an order of two, and send it."""
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(), 201)
    body(await client.post(f"/v1/orders/{order['id']}/shipments", headers=staff), 201)
    return buyer, order


async def awaited(client: httpx2.AsyncClient, staff: dict[str, str]) -> list[str]:
    """List the awaited returns, one a page."""
    found, cursor = [], ""
    while True:
        page = body(await client.get(f"/v1/returns?limit=1{cursor}", headers=staff))
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_guest_asks_for_a_return_once_and_the_warehouse_receives_it_once(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    warehouse, stranger = (await people.staff(Role.WAREHOUSE)).headers, (await people.customer()).headers
    buyer, order = await sent(client, world, warehouse)
    path, words = f"/v1/orders/{order['id']}/returns", "Ada's cup is chipped"
    key = {"Idempotency-Key": str(uuid4())}
    one = [{"line_id": order["lines"][0]["line_id"], "quantity": 1}]
    wanted = {"lines": one, "reason": words}

    problem(await client.post(path, json=wanted), 404, "not_found")
    problem(await client.post(path, headers=stranger, json=wanted), 404, "not_found")
    asked = body(await client.post(path, headers=buyer.headers | key, json=wanted), 201)
    assert body(await client.post(path, headers=buyer.headers | key, json=wanted), 201) == asked
    twice = wanted | {"lines": one * 2}
    problem(await client.post(path, headers=buyer.headers, json=twice), 409, "return_too_large")
    problem(await client.post(path, headers=buyer.headers, json={"lines": []}), 422, "validation_error")
    card = {"reason": "paid with 4242 4242 4242 4242"}
    problem(await client.post(path, headers=buyer.headers, json=card), 422, "validation_error")
    assert (asked["status"], asked["reason"], asked["refund"]) == ("requested", words, None)

    received = f"/v1/returns/{asked['id']}/received"
    problem(await client.post(received, headers=buyer.headers), 401, "unauthenticated")
    problem(await client.post(received, headers=(await people.staff(Role.SUPPORT)).headers), 403, "forbidden")
    problem(await client.post(received, headers=warehouse, json={"location": "nowhere"}), 404, "not_found")
    arrived = body(await client.post(received, headers=warehouse))
    assert body(await client.post(received, headers=warehouse))["status"] == "received"
    assert (arrived["status"], arrived["refund"]["amount"]) == ("received", gbp(1000))
    assert [(one["quantity"], one["received_quantity"], one["restocked_quantity"]) for one in arrived["lines"]] == [
        (1, 1, 1)
    ]
    problem(await client.post(f"/v1/returns/{asked['id']}/cancel", headers=buyer.headers), 409, "illegal_transition")

    while (await world.order(buyer.order_id())).refunding:  # noqa: ASYNC110 - it is in the database
        await asyncio.sleep(0.02)
    [shown] = body(await client.get(path, headers=buyer.headers))["items"]
    assert (shown["id"], shown["refund"]) == (asked["id"], {"amount": gbp(1000), "status": "succeeded"})
    problem(await client.get(path, headers=stranger), 404, "not_found")
    seen = body(await client.get(f"/v1/orders/{order['id']}", headers=buyer.headers))
    assert (seen["refunded"], seen["lines"][0]["returned_quantity"]) == (gbp(1000), 1)
    assert await world.charged(buyer.order_id()) == [1000]
    assert await world.stock(buyer.sku) == (9, 0)
    assert words not in clear_text(await world.history(buyer.order_id()))


async def test_return_that_is_called_off_says_why_and_its_goods_may_be_asked_for_again(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    warehouse, support = [(await people.staff(role)).headers for role in (Role.WAREHOUSE, Role.SUPPORT)]
    buyer, order = await sent(client, world, warehouse)
    path = f"/v1/orders/{order['id']}/returns"
    asked = body(await client.post(path, headers=support), 201)
    cancel = f"/v1/returns/{asked['id']}/cancel"

    problem(await client.post(path, headers=buyer.headers), 409, "return_too_large")
    problem(await client.post(cancel, headers=(await people.customer()).headers), 404, "not_found")
    problem(await client.post(f"/v1/returns/{uuid4()}/cancel", headers=support), 404, "not_found")
    problem(await client.get("/v1/returns", headers=support), 403, "forbidden")
    assert asked["id"] in await awaited(client, warehouse)
    refused = body(await client.post(cancel, headers=support, json={"reason": "It was worn."}))
    again = body(await client.post(cancel, headers=buyer.headers, json={"reason": "never mind"}))
    assert (refused["status"], refused["answer"], again) == ("cancelled", "It was worn.", refused)
    assert asked["id"] not in await awaited(client, warehouse)
    problem(await client.post(f"/v1/returns/{asked['id']}/received", headers=warehouse), 409, "illegal_transition")
    assert body(await client.post(path, headers=buyer.headers), 201)["lines"][0]["quantity"] == 2
    assert await world.stock(buyer.sku) == (8, 0)
    assert await world.charged(buyer.order_id()) == [2000]


async def test_closed_order_is_brought_back_by_staff_alone(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    warehouse = (await people.staff(Role.WAREHOUSE)).headers
    buyer, order = await sent(client, world, warehouse)
    workflow = world.temporal.get_workflow_handle(f"order-{buyer.order_id()}")
    await workflow.terminate()
    await world.shop.run(
        """
        WITH gone AS (UPDATE shipments SET state = 'delivered' WHERE order_id = :id), closed AS (
            UPDATE orders SET status = 'closed' WHERE id = :id
        )
        INSERT INTO order_events (order_id, type, from_status, to_status, actor)
        VALUES (:id, 'delivered', 'shipped', 'delivered', 'test'), (:id, 'closed', 'delivered', 'closed', 'test')
        """,
        id=buyer.order_id(),
    )
    path = f"/v1/orders/{order['id']}/returns"

    problem(await client.post(path, headers=buyer.headers), 409, "illegal_transition")
    asked = body(await client.post(path, headers=warehouse), 201)
    arrived = body(await client.post(f"/v1/returns/{asked['id']}/received", headers=warehouse))
    await workflow.result()

    assert (arrived["status"], arrived["refund"]["amount"]) == ("received", gbp(2000))
    assert await world.charged(buyer.order_id()) == []
    assert await world.stock(buyer.sku) == (10, 0)
