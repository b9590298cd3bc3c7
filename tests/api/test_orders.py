"""Orders over HTTP: who sees which, and what paying and cancelling ask of Temporal, which is a double here."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from api.schemas.lists import encode
from clients.orders import Accepted
from contracts.orders import Cancel, OrderOutcome, Pay
from domain.errors import IllegalStepError, NotFoundError, PaymentInProgressError
from domain.order_states import OrderStatus
from domain.roles import Role
from models.columns import new_id
from tests.api.answers import body, gbp, locations, problem
from tests.api.buyer import PAYMENT, WHOLE_ADDRESS, Buyer, ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.support.people import People, Person
from tests.support.shop import Shop

WAIT = timedelta(seconds=15)


@pytest.fixture
async def buyer(guest: httpx2.AsyncClient, shop: Shop) -> Buyer:
    return await ready_buyer(guest, shop)


async def happened(shop: Shop, order: UUID, *, note: str | None = None) -> None:
    """Write a timeline of two entries, the second with somebody's words."""
    note_id = None
    if note is not None:
        note_id = new_id()
        await shop.run(
            "INSERT INTO order_notes (id, order_id, text, actor) VALUES (:id, :order, :note, 'guest')",
            id=note_id,
            order=order,
            note=note,
        )
    await shop.run(
        "INSERT INTO order_events (order_id, type, from_status, to_status, actor, reason, note_id, created_at) VALUES"
        " (:order, 'opened', NULL, 'pending', 'buyer', NULL, NULL, '2026-11-20T12:00:00Z'),"
        " (:order, 'cancel_requested', 'pending', 'cancelling', 'guest', 'requested', :note, '2026-11-20T12:00:01Z')",
        order=order,
        note=note_id,
    )


# Looking ---------------------------------------------------------------------------------------------------------


async def test_an_order_is_shown_to_its_buyer_and_to_staff(
    buyer: Buyer, guest: httpx2.AsyncClient, staff: httpx2.AsyncClient
) -> None:
    made = await buyer.has_order("placed")
    seen = body(await guest.get(f"/v1/orders/{made}", headers=buyer.headers))
    assert (seen["id"], seen["status"], seen["total"]) == (str(made), "placed", gbp(2000))
    assert seen == body(await staff.get(f"/v1/orders/{made}"))


async def test_an_order_is_not_there_for_anybody_else(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, shop: Shop
) -> None:
    made = await buyer.has_order("placed")
    other = await ready_buyer(guest, shop)
    for order, headers in ((made, {}), (made, other.headers), (uuid4(), buyer.headers)):
        path = f"/v1/orders/{order}"
        for answer in (
            await guest.get(path, headers=headers),
            await guest.get(f"{path}/timeline", headers=headers),
            await guest.get(f"{path}/notifications", headers=headers),
            await guest.post(f"{path}/payments", headers=headers, json=PAYMENT),
            await guest.post(f"{path}/cancel", headers=headers, json={"reason": "mine"}),
        ):
            problem(answer, 404, "not_found")
    assert orders.asked == []
    assert await shop.run("SELECT count(*) FROM order_notes WHERE text = 'mine'") == [(0,)]


async def test_an_order_without_a_row_is_pending_as_soon_as_it_was_accepted(
    buyer: Buyer, guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, orders: OrdersDouble, shop: Shop
) -> None:
    made = buyer.order_id()
    orders.accepted[made] = buyer.cart_id
    path = f"/v1/orders/{made}"

    assert body(await guest.get(path, headers=buyer.headers)) == {
        "id": str(made),
        "number": None,
        "cart_id": str(buyer.cart_id),
        "status": "pending",
        "payment_status": "none",
        "needs_operator": False,
        "reason": None,
        "currency": "GBP",
        "lines": [
            {
                "line_id": None,
                "sku": buyer.sku,
                "title": "Enamel mug",
                "quantity": 2,
                "unit_price": gbp(1000),
                "total": gbp(2000),
                "discount": gbp(0),
                "tax": gbp(0),
                "tax_included": gbp(0),
                "shipped_quantity": 0,
                "cancelled_quantity": 0,
                "returned_quantity": 0,
            }
        ],
        "subtotal": gbp(2000),
        "discount": gbp(0),
        "shipping": gbp(0),
        "tax": gbp(0),
        "tax_included": gbp(0),
        "total": gbp(2000),
        "adjustments": [],
        "cancelled": gbp(0),
        "refunded": gbp(0),
        "shipping_address": WHOLE_ADDRESS,
        "awaited_payment": None,
        "created_at": None,
        "workflow_id": f"order-{made}",
    }
    assert body(await staff.get(path))["status"] == "pending"
    timeline = body(await guest.get(f"{path}/timeline", headers=buyer.headers))
    assert timeline == {"items": [], "next_cursor": None}
    other = await ready_buyer(guest, shop)
    problem(await guest.get(path, headers=other.headers), 404, "not_found")


async def test_a_timeline_tells_what_happened_and_staff_what_was_written(
    buyer: Buyer, guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    made = await buyer.has_order("cancelling")
    await happened(shop, made, note="I changed my mind")
    opened = {
        "at": "2026-11-20T12:00:00Z",
        "type": "opened",
        "from": None,
        "to": "pending",
        "actor": "buyer",
        "reason": None,
        "note": None,
    }
    asked = {
        "at": "2026-11-20T12:00:01Z",
        "type": "cancel_requested",
        "from": "pending",
        "to": "cancelling",
        "actor": "guest",
        "reason": "requested",
        "note": None,
    }
    seen = body(await guest.get(f"/v1/orders/{made}/timeline", headers=buyer.headers))
    assert seen == {"items": [opened, asked], "next_cursor": None}
    whole = body(await staff.get(f"/v1/orders/{made}/timeline"))
    assert whole["items"] == [opened, asked | {"note": "I changed my mind"}]


async def test_messages_of_an_order_are_listed(buyer: Buyer, guest: httpx2.AsyncClient, shop: Shop) -> None:
    made = await buyer.has_order("placed")
    message = new_id()
    await shop.run(
        "INSERT INTO notifications (id, order_id, template, channel, n, state, message_id, attempts, created_at)"
        " VALUES (:id, :order, 'order_confirmation', 'email', 1, 'pending', '<m@everorder>', 2,"
        " '2026-11-20T12:00:00Z')",
        id=message,
        order=made,
    )
    assert body(await guest.get(f"/v1/orders/{made}/notifications", headers=buyer.headers)) == {
        "items": [
            {
                "id": str(message),
                "template": "order_confirmation",
                "channel": "email",
                "state": "pending",
                "attempts": 2,
                "created_at": "2026-11-20T12:00:00Z",
                "sent_at": None,
            }
        ],
        "next_cursor": None,
    }


async def test_staff_lists_and_filters_all_orders(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    buyers = [await ready_buyer(guest, shop) for _ in range(3)]
    made = [
        await one.has_order(status, created_at=datetime(2020, 1, day, tzinfo=UTC))
        for day, (one, status) in enumerate(zip(buyers, ("placed", "shipped", "placed"), strict=True), start=1)
    ]
    await shop.run("UPDATE orders SET email = 'Bob@example.com' WHERE id = :id", id=made[1])
    [(number,)] = await shop.run("SELECT number FROM orders WHERE id = :id", id=made[2])
    january = {"from": "2020-01-01", "to": "2020-01-31T00:00:00Z"}

    async def listed(**params: Any) -> list[str]:
        return [item["id"] for item in body(await staff.get("/v1/orders", params=january | params))["items"]]

    first, second, third = map(str, made)
    assert await listed() == [third, second, first]
    assert await listed(status="placed") == [third, first]
    assert await listed(number=number) == [third]
    assert await listed(email="bob@EXAMPLE.com") == [second]
    assert await listed(to="2020-01-03T01:00:00+01:00") == [second, first]
    assert await listed(**{"from": "2020-01-02T00:00:00Z"}) == [third, second]
    assert await listed(number="EO-0") == []

    page = body(await staff.get("/v1/orders", params=january | {"limit": 2}))
    rest = body(await staff.get("/v1/orders", params=january | {"limit": 2, "cursor": page["next_cursor"]}))
    assert [item["id"] for item in page["items"] + rest["items"]] == [third, second, first]
    assert rest["next_cursor"] is None


async def test_customers_list_their_own_orders_and_no_others(
    guest: httpx2.AsyncClient, shop: Shop, people: People
) -> None:
    ada, eve, clerk = await people.customer(), await people.customer(), await people.staff(Role.SUPPORT)
    manager = await people.staff(Role.CATALOG_MANAGER)
    made = []
    for person in (ada, ada, eve):
        buyer = await ready_buyer(guest, shop)
        made.append(str(await buyer.has_order("placed")))
        await shop.run("UPDATE orders SET customer_id = :person WHERE id = :id", person=person.id, id=UUID(made[-1]))
    [(number,)] = await shop.run("SELECT number FROM orders WHERE id = :id", id=UUID(made[2]))

    async def listed(person: Person, **params: Any) -> list[str]:
        answer = await guest.get("/v1/orders", params={"limit": 100} | params, headers=person.headers)
        return sorted(item["id"] for item in body(answer)["items"])

    assert await listed(ada) == sorted(made[:2])
    assert await listed(ada, email="ada@example.com", status="placed") == sorted(made[:2])
    assert await listed(ada, number=number) == []
    assert await listed(manager) == []
    assert await listed(clerk, number=number) == [made[2]]
    page = body(await guest.get("/v1/orders", params={"limit": 1}, headers=ada.headers))
    rest = body(await guest.get("/v1/orders", params={"cursor": page["next_cursor"]}, headers=ada.headers))
    assert sorted(item["id"] for item in page["items"] + rest["items"]) == sorted(made[:2])
    others = await guest.get("/v1/orders", params={"cursor": page["next_cursor"]}, headers=eve.headers)
    assert {item["id"] for item in body(others)["items"]} <= {made[2]}


@pytest.mark.parametrize(
    "params",
    [
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"from": "2026-02-01", "to": "2026-01-01"},
        {"cursor": encode("0001-01-01T00:00:00+14:00", uuid4())},
    ],
)
async def test_moments_at_the_ends_of_time_are_moments(staff: httpx2.AsyncClient, params: dict[str, str]) -> None:
    answer = await staff.get("/v1/orders", params=params)
    assert answer.status_code in {200, 422}, answer.text


async def test_a_guest_lists_no_orders(buyer: Buyer, guest: httpx2.AsyncClient) -> None:
    await buyer.has_order("placed")
    problem(await guest.get("/v1/orders", headers=buyer.headers), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"status": "lost"}, "status"),
        ({"from": "yesterday"}, "from"),
        ({"to": "99999-01-01"}, "to"),
        ({"email": "\x00"}, "email"),
        ({"limit": 101}, "limit"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "WyIyMDI2LTExLTIwVDEyOjAwOjAwIiwibm9uZSJd"}, "cursor"),
    ],
)
async def test_a_list_that_can_not_be_is_refused(staff: httpx2.AsyncClient, params: dict[str, str], name: str) -> None:
    refused = problem(await staff.get("/v1/orders", params=params), 422, "validation_error")
    assert locations(refused) == [["query", name]]


# Paying ----------------------------------------------------------------------------------------------------------


async def test_another_card_is_offered_and_the_order_placed(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, shop: Shop
) -> None:
    made = await buyer.has_order("payment_required", payment_status="none")
    orders.answers.append(OrderOutcome(made, OrderStatus.PLACED))
    await shop.run("UPDATE orders SET status = 'placed' WHERE id = :id", id=made)

    paid = await guest.post(f"/v1/orders/{made}/payments", headers=buyer.headers, json=PAYMENT)

    assert body(paid, 201)["status"] == "placed"
    assert orders.asked == [(made, Pay(payment_method="pm_card_visa", actor="guest"), WAIT)]


async def test_another_card_that_is_declined_or_slow_is_told(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble
) -> None:
    made = await buyer.has_order("payment_required", payment_status="none")
    orders.answers += [OrderOutcome(made, OrderStatus.PAYMENT_REQUIRED, decline_code="expired_card"), Accepted(made)]
    path = f"/v1/orders/{made}/payments"
    declined = problem(await guest.post(path, headers=buyer.headers, json=PAYMENT), 402, "payment_failed")
    assert (declined["order_id"], declined["decline_code"]) == (str(made), "expired_card")
    slow = body(await guest.post(path, headers=buyer.headers, json=PAYMENT), 202)
    assert slow == {"order_id": str(made), "status": "pending"}


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (PaymentInProgressError("Another payment is under way."), 409, "payment_in_progress"),
        (IllegalStepError("A payment is not possible."), 409, "illegal_transition"),
        (NotFoundError("The order has no workflow."), 503, "temporarily_unavailable"),
    ],
)
async def test_a_payment_that_is_refused_keeps_its_code(
    *, buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, refusal: Exception, status: int, code: str
) -> None:
    made = await buyer.has_order("pending", payment_status="none")
    orders.answers.append(refusal)
    answer = await guest.post(f"/v1/orders/{made}/payments", headers=buyer.headers, json=PAYMENT)
    problem(answer, status, code)


@pytest.mark.parametrize("status", ["failed", "cancelled", "closed"])
async def test_an_order_that_is_over_takes_no_payment(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, status: str
) -> None:
    made = await buyer.has_order(status, reason="payment_expired" if status == "failed" else None)
    answer = await guest.post(f"/v1/orders/{made}/payments", headers=buyer.headers, json=PAYMENT)
    problem(answer, 409, "illegal_transition")
    assert orders.asked == []


async def test_a_payment_without_a_method_is_refused(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble
) -> None:
    made = await buyer.has_order("payment_required", payment_status="none")
    answer = await guest.post(f"/v1/orders/{made}/payments", headers=buyer.headers, json={})
    assert locations(problem(answer, 422, "validation_error")) == [["body", "payment_method"]]
    assert orders.asked == []


# Cancelling ------------------------------------------------------------------------------------------------------


async def test_the_reason_of_a_cancellation_stays_here_and_only_its_id_goes_to_temporal(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, shop: Shop
) -> None:
    made = await buyer.has_order("cancelled", payment_status="refunded")
    await shop.run("UPDATE orders SET status = 'placed' WHERE id = :id", id=made)
    words = "Ada Lovelace moved to Paris"
    orders.answers.append(OrderOutcome(made, OrderStatus.CANCELLED))

    answer = await guest.post(f"/v1/orders/{made}/cancel", headers=buyer.headers, json={"reason": words})

    assert body(answer)["id"] == str(made)
    [(note_id, text, actor)] = await shop.run("SELECT id, text, actor FROM order_notes WHERE order_id = :id", id=made)
    assert (text, actor) == (words, "guest")
    assert isinstance(note_id, UUID)
    assert orders.asked == [(made, Cancel(reason="requested", actor="guest", note_id=note_id), WAIT)]
    assert words not in str(orders.asked)


async def test_a_cancellation_needs_no_reason(
    buyer: Buyer, staff: httpx2.AsyncClient, orders: OrdersDouble, shop: Shop
) -> None:
    made = await buyer.has_order("placed")
    orders.answers += [OrderOutcome(made, OrderStatus.CANCELLED), Accepted(made)]
    body(await staff.post(f"/v1/orders/{made}/cancel", headers={"Prefer": "wait=5"}))
    slow = await staff.post(f"/v1/orders/{made}/cancel", json={})
    assert body(slow, 202) == {"order_id": str(made), "status": "cancelling"}
    assert slow.headers["location"] == f"/v1/orders/{made}"
    assert orders.asked == [
        (made, Cancel(reason="requested", actor="service"), timedelta(seconds=5)),
        (made, Cancel(reason="requested", actor="service"), WAIT),
    ]
    assert await shop.run("SELECT count(*) FROM order_notes WHERE order_id = :id", id=made) == [(0,)]


async def test_a_rest_is_cancelled_by_the_owner_and_the_order_stands_meanwhile(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble
) -> None:
    made = await buyer.has_order("fulfilling")
    orders.answers.append(Accepted(made))

    answer = await guest.post(f"/v1/orders/{made}/cancel", headers=buyer.headers, json={"rest_only": True})

    assert body(answer, 202) == {"order_id": str(made), "status": "fulfilling"}
    assert orders.asked == [(made, Cancel(reason="requested", actor="guest", rest_only=True), WAIT)]


async def test_an_order_that_was_cancelled_is_cancelled_again_without_asking_anybody(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble
) -> None:
    made = await buyer.has_order("cancelled", payment_status="refunded")
    answer = await guest.post(f"/v1/orders/{made}/cancel", headers=buyer.headers, json={"reason": "again"})
    assert body(answer)["status"] == "cancelled"
    assert orders.asked == []


@pytest.mark.parametrize("status", ["failed", "closed"])
async def test_an_order_that_is_over_is_not_cancelled(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, status: str
) -> None:
    made = await buyer.has_order(status, reason="payment_expired" if status == "failed" else None)
    problem(await guest.post(f"/v1/orders/{made}/cancel", headers=buyer.headers), 409, "illegal_transition")
    assert orders.asked == []


async def test_a_shipped_order_keeps_its_state_and_calls_an_operator(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble
) -> None:
    made = await buyer.has_order("shipped", needs_operator=True)
    orders.answers.append(OrderOutcome(made, OrderStatus.SHIPPED, needs_operator=True))
    order = body(await guest.post(f"/v1/orders/{made}/cancel", headers=buyer.headers))
    assert (order["status"], order["needs_operator"]) == ("shipped", True)


@pytest.mark.parametrize("content", [{"reason": "\x00"}, {"reason": ""}, {"reason": "x" * 501}, {"why": "so"}, []])
async def test_a_cancellation_that_is_not_valid_asks_nothing(
    buyer: Buyer, guest: httpx2.AsyncClient, orders: OrdersDouble, shop: Shop, content: Any
) -> None:
    made = await buyer.has_order("placed")
    answer = await guest.post(f"/v1/orders/{made}/cancel", headers=buyer.headers, json=content)
    problem(answer, 422, "validation_error")
    assert orders.asked == []
    assert await shop.run("SELECT count(*) FROM order_notes WHERE order_id = :id", id=made) == [(0,)]
