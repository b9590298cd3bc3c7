"""Orders over HTTP with everything behind it: PostgreSQL, Temporal, the workers and the payment sandbox."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx2
import pytest

from domain.roles import Role
from tests.api.answers import body, gbp, problem
from tests.api.buyer import PAYMENT, ready_buyer
from tests.api.door import Door
from tests.support.histories import clear_text
from tests.support.people import People
from tests.support.prices import Prices
from tests.support.traces import in_tables
from tests.support.world import World

DECLINED = {"payment_method": {"token": "pm_card_chargeDeclined"}}


@pytest.fixture(scope="module")
async def client(live_door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with live_door.client() as client:
        yield client


async def test_a_guest_buys_and_sees_the_order_its_story_and_its_message(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(PAYMENT | {"expected_total": gbp(2000)}), 201)

    assert (order["status"], order["payment_status"], order["total"]) == ("placed", "captured", gbp(2000))
    assert order["number"].startswith("EO-")
    again = body(await buyer.check_out(), 201)
    assert again == order
    path = f"/v1/orders/{order['id']}"
    assert body(await client.get(path, headers=buyer.headers)) == order
    timeline = body(await client.get(f"{path}/timeline", headers=buyer.headers))
    assert [(entry["type"], entry["from"], entry["to"]) for entry in timeline["items"]] == [
        ("opened", None, "pending"),
        ("placed", "pending", "placed"),
    ]
    await world.told(buyer.order_id())
    messages = body(await client.get(f"{path}/notifications", headers=buyer.headers))
    assert [(item["template"], item["state"]) for item in messages["items"]] == [("order_confirmation", "sent")]
    assert await world.stock(buyer.sku) == (8, 0)
    assert body(await client.get(buyer.path, headers=buyer.headers))["status"] == "ordered"
    problem(await client.patch(buyer.path, headers=buyer.headers, json={}), 409, "cart_checked_out")


async def test_a_declined_card_locks_the_cart_until_another_one_pays(client: httpx2.AsyncClient, world: World) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    refused = problem(await buyer.check_out(DECLINED), 402, "payment_failed")
    assert refused["order_id"] == str(buyer.order_id())
    assert await world.stock(buyer.sku) == (10, 2)
    line = await client.put(f"{buyer.path}/lines/{buyer.sku}", headers=buyer.headers, json={"quantity": 1})
    problem(line, 409, "cart_in_checkout")
    again = problem(await buyer.check_out(DECLINED), 402, "payment_failed")
    assert again == refused
    other = problem(await buyer.check_out(PAYMENT), 409, "cart_in_checkout")
    assert other["order_id"] == refused["order_id"]

    payments = f"/v1/orders/{buyer.order_id()}/payments"
    problem(await client.post(payments, headers=buyer.headers, json=DECLINED), 402, "payment_failed")
    order = body(await client.post(payments, headers=buyer.headers, json=PAYMENT), 201)
    assert (order["status"], order["payment_status"]) == ("placed", "captured")
    problem(await client.post(payments, headers=buyer.headers, json=PAYMENT), 409, "illegal_transition")
    assert await world.charged(buyer.order_id()) == [2000]


async def test_what_the_buyers_bank_asks_for_is_told_to_the_buyer_and_kept_nowhere_once_it_is_over(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    body_ = {"payment_method": {"token": "pm_card_authenticationRequired"}}
    keyed = buyer.headers | {"Idempotency-Key": str(uuid4())}
    asked = problem(
        await client.post(f"{buyer.path}/checkout", headers=keyed, json=body_), 402, "payment_action_required"
    )
    secret = asked["client_secret"]
    assert "_secret_" in secret
    order = body(await client.get(f"/v1/orders/{asked['order_id']}", headers=buyer.headers))
    assert (order["status"], order["awaited_payment"]["action"]["client_secret"]) == ("payment_required", secret)
    again = problem(
        await client.post(f"{buyer.path}/checkout", headers=keyed, json=body_), 402, "payment_action_required"
    )
    assert again["client_secret"] == secret
    assert await in_tables(world.shop.engine, [secret]) == {"payment_operations.client_secret"}

    cancelled = await client.post(f"/v1/orders/{asked['order_id']}/cancel", headers=buyer.headers, json={})

    assert body(cancelled)["status"] == "cancelled"
    assert await in_tables(world.shop.engine, [secret]) == set()
    assert secret not in clear_text(await world.history(UUID(asked["order_id"])))


async def test_a_declined_order_is_cancelled_its_cart_edited_and_checked_out_again(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    problem(await buyer.check_out(DECLINED), 402, "payment_failed")
    cancel = f"/v1/orders/{buyer.order_id()}/cancel"
    assert body(await client.post(cancel, headers=buyer.headers, json={"reason": "no"}))["status"] == "cancelled"
    assert body(await client.post(cancel, headers=buyer.headers))["status"] == "cancelled"
    assert await world.stock(buyer.sku) == (10, 0)

    line = await client.put(f"{buyer.path}/lines/{buyer.sku}", headers=buyer.headers, json={"quantity": 3})
    assert body(line)["total"] == gbp(3000)
    order = body(await buyer.check_out(), 201)
    assert (order["id"], order["status"], order["total"]) == (str(buyer.order_id(2)), "placed", gbp(3000))
    assert await world.stock(buyer.sku) == (7, 0)
    assert await world.charged(buyer.order_id(1)) == []


async def test_a_placed_order_is_cancelled_and_its_money_given_back(client: httpx2.AsyncClient, world: World) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(), 201)
    words = "Ada Lovelace moved"
    answer = await client.post(f"/v1/orders/{order['id']}/cancel", headers=buyer.headers, json={"reason": words})
    cancelled = body(answer)
    assert (cancelled["status"], cancelled["payment_status"]) == ("cancelled", "refunded")
    assert cancelled["refunded"] == gbp(2000)
    assert await world.stock(buyer.sku) == (10, 0)
    assert await world.charged(buyer.order_id()) == []
    assert words not in str((await world.history(buyer.order_id())).to_json())
    assert await world.shop.run("SELECT text FROM order_notes WHERE order_id = :id", id=buyer.order_id()) == [(words,)]


async def test_an_order_whose_workflow_is_gone_is_paid_and_cancelled_all_the_same(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    problem(await buyer.check_out(DECLINED), 402, "payment_failed")
    order = f"/v1/orders/{buyer.order_id()}"
    await world.temporal.get_workflow_handle(f"order-{buyer.order_id()}").terminate()
    paid = body(await client.post(f"{order}/payments", headers=buyer.headers, json=PAYMENT), 201)
    assert (paid["status"], paid["payment_status"]) == ("placed", "captured")

    await world.temporal.get_workflow_handle(f"order-{buyer.order_id()}").terminate()
    cancelled = body(await client.post(f"{order}/cancel", headers=buyer.headers))
    assert (cancelled["status"], cancelled["payment_status"]) == ("cancelled", "refunded")
    assert await world.stock(buyer.sku) == (10, 0)
    assert await world.charged(buyer.order_id()) == []


async def test_missing_stock_is_told_and_the_same_cart_placed_after_a_delivery(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=1)
    refused = problem(await buyer.check_out(), 409, "insufficient_stock")
    assert refused["lines"] == [{"sku": buyer.sku, "requested": 2, "available": 1}]
    failed = body(await client.get(f"/v1/orders/{buyer.order_id()}", headers=buyer.headers))
    assert (failed["status"], failed["reason"]) == ("failed", "insufficient_stock")

    await world.receive(buyer.sku, 1)
    assert body(await buyer.check_out(), 201)["id"] == str(buyer.order_id(2))
    assert await world.stock(buyer.sku) == (0, 0)


async def test_a_price_that_changed_since_it_was_seen_holds_and_charges_nothing(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    await world.shop.price(buyer.sku, 1100)
    refused = problem(await buyer.check_out(PAYMENT | {"expected_total": gbp(2000)}), 409, "price_changed")
    assert refused["quote"]["total"] == gbp(2200)
    assert await world.stock(buyer.sku) == (10, 0)
    assert await world.charged(buyer.order_id()) == []
    assert body(await buyer.check_out(PAYMENT | {"expected_total": gbp(2200)}), 201)["total"] == gbp(2200)


async def test_fifty_checkouts_of_one_cart_at_once_get_fifty_equal_answers(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    answers = await asyncio.gather(*(buyer.check_out() for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 50}
    assert len({answer.content for answer in answers}) == 1
    assert await world.stock(buyer.sku) == (8, 0)
    assert await world.charged(buyer.order_id()) == [2000]


async def test_twenty_checkouts_of_one_cart_that_lacks_stock_hold_nothing(
    client: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=1)
    answers = await asyncio.gather(*(buyer.check_out() for _ in range(20)))
    for answer in answers:
        assert problem(answer, 409, "insufficient_stock")["lines"] == [
            {"sku": buyer.sku, "requested": 2, "available": 1}
        ]
    assert await world.stock(buyer.sku) == (1, 0)


async def test_a_cart_that_was_emptied_starts_no_workflow(client: httpx2.AsyncClient, world: World) -> None:
    buyer = await ready_buyer(client, world.shop)
    body(await client.put(f"{buyer.path}/lines", headers=buyer.headers, json={"lines": []}))
    problem(await buyer.check_out(), 409, "cart_empty")
    assert not await world.client.is_running(buyer.order_id())
    problem(await client.get(f"/v1/orders/{buyer.order_id()}", headers=buyer.headers), 404, "not_found")


# After placement --------------------------------------------------------------------------------------------------


async def test_support_refunds_within_its_limit_and_the_buyer_sees_it_without_the_words_of_staff(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    await client.put(f"{buyer.path}/lines/{buyer.sku}", headers=buyer.headers, json={"quantity": 8})
    order = body(await buyer.check_out(), 201)
    path = f"/v1/orders/{order['id']}/refunds"
    clerk, warehouse = await people.staff(Role.SUPPORT), await people.staff(Role.WAREHOUSE)
    words = "Ada Lovelace is cross"
    wanted = {"amount": gbp(3000), "reason": words}

    problem(await client.post(path, json=wanted), 401, "unauthenticated")
    problem(await client.post(path, headers=warehouse.headers, json=wanted), 403, "forbidden")
    key = {"Idempotency-Key": "refund-of-a-scratched-mug-1"}
    first = await client.post(path, headers=clerk.headers | key, json=wanted)
    made = body(first, 201)
    assert (made["amount"], made["status"], made["note"]) == (gbp(3000), "succeeded", words)
    assert body(await client.post(path, headers=clerk.headers | key, json=wanted), 201) == made
    problem(await client.post(path, headers=clerk.headers, json={"amount": gbp(2001)}), 403, "forbidden")
    problem(await client.post(path, headers=clerk.headers, json={"amount": gbp(0)}), 422, "validation_error")

    seen = body(await client.get(path, headers=buyer.headers))["items"]
    assert [(one["amount"], one["status"], one["actor"], one["note"]) for one in seen] == [
        (gbp(3000), "succeeded", None, None)
    ]
    problem(await client.get(path), 404, "not_found")
    shown = body(await client.get(f"/v1/orders/{order['id']}", headers=buyer.headers))
    assert (shown["payment_status"], shown["refunded"]) == ("partially_refunded", gbp(3000))
    assert await world.charged(buyer.order_id()) == [5000]
    assert words not in str((await world.history(buyer.order_id())).to_json())


async def test_more_than_is_left_is_not_refunded_and_an_order_that_is_over_not_at_all(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(), 201)
    path, admin = f"/v1/orders/{order['id']}/refunds", await people.staff(Role.ADMIN)

    problem(await client.post(path, headers=admin.headers, json={"amount": gbp(2001)}), 409, "refund_too_large")
    foreign = {"amount": {"amount": 1, "currency": "EUR"}}
    problem(await client.post(path, headers=admin.headers, json=foreign), 422, "currency_mismatch")
    body(await client.post(f"/v1/orders/{order['id']}/cancel", headers=buyer.headers))
    problem(await client.post(path, headers=admin.headers, json={}), 409, "illegal_transition")
    nowhere = f"/v1/orders/{uuid4()}/refunds"
    problem(await client.post(nowhere, headers=admin.headers, json={}), 404, "not_found")
    assert await world.charged(buyer.order_id()) == []


async def test_warehouse_ships_in_two_parts_and_delivers_each(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(), 201)
    path, warehouse = f"/v1/orders/{order['id']}/shipments", await people.staff(Role.WAREHOUSE)
    problem(await client.post(path, headers=warehouse.headers, json={"lines": []}), 422, "validation_error")
    support = await people.staff(Role.SUPPORT)
    one = [{"line_id": order["lines"][0]["line_id"], "quantity": 1}]
    parcel = {"lines": one, "carrier": "DHL", "tracking_number": "JD014600003"}

    problem(await client.post(path, headers=support.headers, json=parcel), 403, "forbidden")
    first = body(await client.post(path, headers=warehouse.headers, json=parcel), 201)
    assert (first["status"], first["carrier"], first["tracking_number"]) == ("shipped", "DHL", "JD014600003")
    assert [(line["sku"], line["quantity"]) for line in first["lines"]] == [(buyer.sku, 1)]
    twice = parcel | {"lines": one * 2}
    problem(await client.post(path, headers=warehouse.headers, json=twice), 409, "shipment_too_large")
    second = body(await client.post(path, headers=warehouse.headers), 201)
    problem(await client.post(path, headers=warehouse.headers), 409, "illegal_transition")

    for shipment in (first, second):
        arrived = await client.post(f"/v1/shipments/{shipment['id']}/delivered", headers=warehouse.headers)
        assert body(arrived)["status"] == "delivered"
    again = await client.post(f"/v1/shipments/{first['id']}/delivered", headers=warehouse.headers)
    assert body(again)["status"] == "delivered"
    missing = await client.post(f"/v1/shipments/{uuid4()}/delivered", headers=warehouse.headers)
    problem(missing, 404, "not_found")
    shown = body(await client.get(path, headers=buyer.headers))["items"]
    assert [(one["id"], one["status"]) for one in shown] == [(first["id"], "delivered"), (second["id"], "delivered")]
    assert (await world.order(buyer.order_id())).status == "delivered"


async def test_shipment_of_an_order_whose_workflow_is_gone_leaves_all_the_same(
    client: httpx2.AsyncClient, world: World, people: People
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = body(await buyer.check_out(), 201)
    await world.temporal.get_workflow_handle(f"order-{buyer.order_id()}").terminate()
    headers = (await people.staff(Role.WAREHOUSE)).headers

    shipment = body(await client.post(f"/v1/orders/{order['id']}/shipments", headers=headers), 201)

    assert shipment["status"] == "shipped"
    assert (await world.order(buyer.order_id())).status == "shipped"


async def test_delivery_and_refund_of_an_order_whose_workflow_is_gone_happen_all_the_same(
    client: httpx2.AsyncClient, staff: httpx2.AsyncClient, world: World
) -> None:
    buyer = await ready_buyer(client, world.shop, stock=10)
    order = f"/v1/orders/{body(await buyer.check_out(), 201)['id']}"
    workflow = world.temporal.get_workflow_handle(f"order-{buyer.order_id()}")
    shipment = body(await client.post(f"{order}/shipments", headers=staff.headers), 201)

    await workflow.terminate()
    arrived = await client.post(f"/v1/shipments/{shipment['id']}/delivered", headers=staff.headers)
    assert body(arrived)["status"] == "delivered"
    assert (await world.order(buyer.order_id())).status == "delivered"

    await workflow.terminate()
    refund = body(await client.post(f"{order}/refunds", headers=staff.headers, json={"amount": gbp(500)}), 201)
    assert (refund["status"], refund["amount"]) == ("succeeded", gbp(500))
    shown = body(await client.get(order, headers=buyer.headers))
    assert (shown["status"], shown["payment_status"], shown["refunded"]) == (
        "delivered",
        "partially_refunded",
        gbp(500),
    )
    assert await world.charged(buyer.order_id()) == [1500]


async def test_a_limited_code_is_used_by_one_order_and_free_again_when_that_is_cancelled(
    client: httpx2.AsyncClient, world: World
) -> None:
    code = f"ONCE-{uuid4().hex[:8]}".upper()
    prices = Prices(world.shop)
    promotion = await prices.promotion(code, use_limit=1)
    first, second = [await ready_buyer(client, world.shop, stock=10) for _ in range(2)]
    for buyer in (first, second):
        typed = await client.patch(buyer.path, headers=buyer.headers, json={"promotion_codes": [code.lower()]})
        assert body(typed)["total"] == gbp(1800)

    reduced = PAYMENT | {"expected_total": gbp(1800)}
    order = body(await first.check_out(reduced), 201)
    assert (order["status"], order["discount"], order["total"]) == ("placed", gbp(200), gbp(1800))
    [told] = order["adjustments"]
    assert (told["type"], told["code"], told["amount"]) == ("discount", code, gbp(200))
    assert told["lines"] == [{"line_id": order["lines"][0]["line_id"], "amount": gbp(200)}]
    assert await world.charged(first.order_id()) == [1800]

    refused = problem(await second.check_out(reduced), 409, "price_changed")
    assert (refused["quote"]["total"], refused["quote"]["adjustments"]) == (gbp(2000), [])
    cart = body(await client.get(second.path, headers=second.headers))
    assert [each["problem"] for each in cart["adjustments"]] == ["used_up"]
    assert await prices.uses(promotion) == 1

    cancel = await client.post(f"/v1/orders/{order['id']}/cancel", headers=first.headers)
    assert body(cancel)["status"] == "cancelled"
    assert await prices.uses(promotion) == 0
    again = body(await second.check_out(reduced), 201)
    assert (again["id"], again["total"]) == (str(second.order_id(2)), gbp(1800))
    assert await world.charged(second.order_id(2)) == [1800]
