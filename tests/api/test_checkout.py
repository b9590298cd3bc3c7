"""What a checkout asks of Temporal, and how each of its answers is told. Temporal is a double here."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from clients.orders import Accepted, OrderRefusedError
from contracts.orders import OrderOutcome, PlaceOrder, Shortage
from domain.errors import TemporarilyUnavailableError
from domain.money import Money
from domain.order_states import OrderStatus
from tests.api.answers import body, gbp, locations, problem
from tests.api.buyer import PAYMENT, WHOLE_ADDRESS, Buyer, ready_buyer
from tests.api.orders_double import Answer, OrdersDouble
from tests.support.shop import Shop


@pytest.fixture
async def buyer(guest: httpx2.AsyncClient, shop: Shop) -> Buyer:
    return await ready_buyer(guest, shop)


def outcome(buyer: Buyer, status: OrderStatus, **more: Any) -> OrderOutcome:
    return OrderOutcome(order_id=buyer.order_id(), status=status, **more)


async def test_a_checkout_names_the_order_by_its_cart_and_shows_it_when_it_is_placed(
    buyer: Buyer, orders: OrdersDouble, shop: Shop
) -> None:
    made = await buyer.has_order("placed")
    orders.answers.append(outcome(buyer, OrderStatus.PLACED))

    order = body(await buyer.check_out(PAYMENT | {"expected_total": gbp(2000)}), 201)

    assert orders.asked == [
        (
            PlaceOrder(
                order_id=made,
                cart_id=buyer.cart_id,
                checkout_attempt=1,
                payment_method="pm_card_visa",
                expected_total=Money(2000, "GBP"),
                hold=timedelta(minutes=30),
            ),
            timedelta(seconds=15),
        )
    ]
    [(number,)] = await shop.run("SELECT number FROM orders WHERE id = :id", id=made)
    assert order["lines"][0].pop("line_id")
    assert order == {
        "id": str(made),
        "number": number,
        "cart_id": str(buyer.cart_id),
        "status": "placed",
        "payment_status": "captured",
        "needs_operator": False,
        "reason": None,
        "currency": "GBP",
        "lines": [
            {
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
        "refunded": gbp(0),
        "cancelled": gbp(0),
        "shipping_address": WHOLE_ADDRESS,
        "awaited_payment": None,
        "created_at": "2026-11-20T12:00:00Z",
        "workflow_id": f"order-{made}",
    }


async def test_a_cart_that_is_an_order_gives_it_again_without_asking_anybody(
    buyer: Buyer, orders: OrdersDouble
) -> None:
    made = await buyer.has_order("delivered")
    await buyer.cart_is("ordered")
    for content in (PAYMENT, PAYMENT | {"expected_total": gbp(1)}):
        assert body(await buyer.check_out(content), 201)["id"] == str(made)
    assert orders.asked == []


@pytest.mark.parametrize("status", ["cancelling", "cancelled"])
async def test_a_cart_whose_order_was_cancelled_after_it_was_placed_is_a_conflict(
    buyer: Buyer, orders: OrdersDouble, status: str
) -> None:
    made = await buyer.has_order(status)
    await buyer.cart_is("ordered")
    assert problem(await buyer.check_out(), 409, "conflict")["order_id"] == str(made)
    assert orders.asked == []


async def test_a_second_attempt_is_a_second_order(buyer: Buyer, orders: OrdersDouble, shop: Shop) -> None:
    await buyer.has_order("failed", reason="payment_expired", payment_status="voided")
    await shop.run("UPDATE carts SET checkout_attempt = 2 WHERE id = :id", id=buyer.cart_id)
    orders.answers.append(Accepted(buyer.order_id(2)))
    assert body(await buyer.check_out(), 202)["order_id"] == str(buyer.order_id(2))


async def test_a_cart_that_is_being_checked_out_joins_the_same_checkout(buyer: Buyer, orders: OrdersDouble) -> None:
    made = await buyer.has_order("placed")
    await buyer.cart_is("frozen")
    orders.answers.append(outcome(buyer, OrderStatus.PLACED))
    assert body(await buyer.check_out(), 201)["id"] == str(made)
    [(request, _)] = orders.asked
    assert isinstance(request, PlaceOrder)
    assert request.order_id == made


@pytest.mark.parametrize(
    "answer", [lambda buyer: Accepted(buyer.order_id()), lambda buyer: outcome(buyer, OrderStatus.PENDING)]
)
async def test_an_outcome_that_is_not_known_yet_is_to_be_looked_up(
    buyer: Buyer, orders: OrdersDouble, answer: Any
) -> None:
    orders.answers.append(answer(buyer))
    response = await buyer.check_out()
    assert body(response, 202) == {"order_id": str(buyer.order_id()), "status": "pending"}
    assert response.headers["location"] == f"/v1/orders/{buyer.order_id()}"
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=3", 3),
        ("respond-async, Wait = 7", 7),
        ('wait="4"', 4),
        ("wait=0", 1),
        ("wait=61", 60),
        ("wait=999999", 60),
        ("wait=-5", 15),
        ("wait=soon", 15),
        ("await=3", 15),
        ("", 15),
    ],
)
async def test_a_caller_says_how_long_to_wait(buyer: Buyer, orders: OrdersDouble, prefer: str, seconds: int) -> None:
    orders.answers.append(Accepted(buyer.order_id()))
    body(await buyer.check_out(Prefer=prefer), 202)
    [(_, wait)] = orders.asked
    assert wait == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("decline_code", "code"),
    [
        ("insufficient_funds", "payment_failed"),
        (None, "payment_failed"),
        ("authentication_required", "payment_action_required"),
    ],
)
async def test_a_declined_payment_names_the_order_that_waits_for_another(
    buyer: Buyer, orders: OrdersDouble, decline_code: str | None, code: str
) -> None:
    orders.answers.append(outcome(buyer, OrderStatus.PAYMENT_REQUIRED, decline_code=decline_code))
    refused = problem(await buyer.check_out(), 402, code)
    assert (refused["order_id"], refused["decline_code"]) == (str(buyer.order_id()), decline_code)


async def test_a_decline_is_no_answer_any_more_while_another_card_is_tried(buyer: Buyer, orders: OrdersDouble) -> None:
    made = await buyer.has_order("pending", payment_status="none")
    await buyer.cart_is("frozen")
    orders.answers.append(outcome(buyer, OrderStatus.PAYMENT_REQUIRED, decline_code="insufficient_funds"))
    assert body(await buyer.check_out(), 202) == {"order_id": str(made), "status": "pending"}


async def test_too_little_stock_says_how_much_there_is(buyer: Buyer, orders: OrdersDouble) -> None:
    shortages = (Shortage(buyer.sku, requested=2, available=1),)
    orders.answers.append(outcome(buyer, OrderStatus.FAILED, reason="insufficient_stock", shortages=shortages))
    refused = problem(await buyer.check_out(), 409, "insufficient_stock")
    assert refused["lines"] == [{"sku": buyer.sku, "requested": 2, "available": 1}]
    assert refused["order_id"] == str(buyer.order_id())


async def test_a_changed_price_comes_with_the_new_quote(buyer: Buyer, orders: OrdersDouble) -> None:
    await buyer.has_order("failed", reason="price_changed", payment_status="none")
    orders.answers.append(outcome(buyer, OrderStatus.FAILED, reason="price_changed"))
    refused = problem(await buyer.check_out(PAYMENT | {"expected_total": gbp(1999)}), 409, "price_changed")
    assert refused["quote"] == {
        "subtotal": gbp(2000),
        "discount": gbp(0),
        "shipping": gbp(0),
        "tax": gbp(0),
        "tax_included": gbp(0),
        "total": gbp(2000),
        "adjustments": [],
    }


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.CANCELLING])
async def test_a_checkout_that_was_cancelled_meanwhile_is_a_conflict(
    buyer: Buyer, orders: OrdersDouble, status: OrderStatus
) -> None:
    orders.answers.append(outcome(buyer, status))
    assert problem(await buyer.check_out(), 409, "conflict")["order_id"] == str(buyer.order_id())


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (TemporarilyUnavailableError("It is safe to try again."), 503, "temporarily_unavailable"),
        (OrderRefusedError("cart_empty", "There is nothing in this cart."), 409, "cart_empty"),
        (OrderRefusedError("stale_checkout", "This checkout is over."), 409, "stale_checkout"),
        (OrderRefusedError("unheard_of", "A new refusal."), 409, "unheard_of"),
    ],
)
async def test_a_refusal_keeps_its_code(
    buyer: Buyer, orders: OrdersDouble, refusal: Exception, status: int, code: str
) -> None:
    orders.answers.append(refusal)
    response = await buyer.check_out()
    assert problem(response, status, code)["detail"] == str(refusal)
    assert ("retry-after" in response.headers) == (code in {"temporarily_unavailable", "stale_checkout"})


@pytest.mark.parametrize("code", ["stale_checkout", "cart_checked_out"])
async def test_a_checkout_that_is_over_answers_with_what_it_came_to(
    buyer: Buyer, orders: OrdersDouble, code: str
) -> None:
    made = await buyer.has_order("placed")
    orders.answers.append(OrderRefusedError(code, "This checkout is over."))
    assert body(await buyer.check_out(), 201)["id"] == str(made)


async def test_a_checkout_that_failed_long_ago_tells_what_is_missing_today(
    buyer: Buyer, orders: OrdersDouble, shop: Shop
) -> None:
    await buyer.has_order("failed", reason="insufficient_stock", payment_status="none")
    await shop.run("UPDATE stock_levels SET on_hand = 1 WHERE sku = :sku", sku=buyer.sku)
    orders.answers.append(OrderRefusedError("stale_checkout", "This checkout is over."))
    refused = problem(await buyer.check_out(), 409, "insufficient_stock")
    assert refused["lines"] == [{"sku": buyer.sku, "requested": 2, "available": 1}]


async def test_nothing_is_started_for_a_cart_of_somebody_else(
    guest: httpx2.AsyncClient, buyer: Buyer, orders: OrdersDouble, shop: Shop
) -> None:
    other = await ready_buyer(guest, shop)
    for headers in ({}, other.headers):
        problem(await guest.post(f"{buyer.path}/checkout", json=PAYMENT, headers=headers), 404, "not_found")
    assert orders.asked == []


async def test_nothing_is_started_for_a_cart_that_can_not_become_an_order(
    buyer: Buyer, orders: OrdersDouble, shop: Shop
) -> None:
    cart = {"id": buyer.cart_id}
    await shop.run("UPDATE carts SET email = NULL WHERE id = :id", **cart)
    assert await missing(buyer) == [["cart", "email"]]
    await shop.run("UPDATE carts SET shipping_address = NULL WHERE id = :id", **cart)
    assert await missing(buyer) == [["cart", "email"], ["cart", "shipping_address"]]

    await shop.run("DELETE FROM prices WHERE sku = :sku", sku=buyer.sku)
    assert problem(await buyer.check_out(), 422, "currency_mismatch")["skus"] == [buyer.sku]
    await shop.run(
        "UPDATE products SET status = 'archived' WHERE id IN (SELECT product_id FROM variants WHERE sku = :s)",
        s=buyer.sku,
    )
    assert problem(await buyer.check_out(), 422, "unknown_sku")["skus"] == [buyer.sku]
    await shop.run("DELETE FROM cart_lines WHERE cart_id = :id", **cart)
    problem(await buyer.check_out(), 409, "cart_empty")
    await buyer.cart_is("expired")
    problem(await buyer.check_out(), 409, "cart_expired")
    assert orders.asked == []


async def missing(buyer: Buyer) -> list[list[str]]:
    refused = problem(await buyer.check_out(), 422, "validation_error")
    return [error["loc"] for error in refused["errors"]]


async def test_an_expected_total_in_another_currency_is_refused(buyer: Buyer, orders: OrdersDouble) -> None:
    euros = PAYMENT | {"expected_total": {"amount": 2000, "currency": "EUR"}}
    problem(await buyer.check_out(euros), 422, "currency_mismatch")
    assert orders.asked == []


@pytest.mark.parametrize(
    ("content", "loc"),
    [
        ({}, ["body", "payment_method"]),
        ({"payment_method": "pm_card_visa"}, ["body", "payment_method"]),
        ({"payment_method": {}}, ["body", "payment_method", "token"]),
        ({"payment_method": {"token": ""}}, ["body", "payment_method", "token"]),
        ({"payment_method": {"token": "pm_\x00"}}, ["body", "payment_method", "token"]),
        ({"payment_method": {"token": "p" * 201}}, ["body", "payment_method", "token"]),
        ({"payment_method": {"token": "pm", "number": "4242"}}, ["body", "payment_method", "number"]),
        (PAYMENT | {"expected_total": 2000}, ["body", "expected_total"]),
        (PAYMENT | {"expected_total": {"amount": -1, "currency": "GBP"}}, ["body", "expected_total", "amount"]),
        (PAYMENT | {"expected_total": {"amount": 1.0, "currency": "GBP"}}, ["body", "expected_total", "amount"]),
        (PAYMENT | {"total": gbp(1)}, ["body", "total"]),
    ],
)
async def test_a_checkout_that_is_not_valid_starts_nothing(
    buyer: Buyer, orders: OrdersDouble, content: Any, loc: list[str]
) -> None:
    assert locations(problem(await buyer.check_out(content), 422, "validation_error")) == [loc]
    assert orders.asked == []


async def test_no_database_connection_is_held_while_an_outcome_is_waited_for(
    buyer: Buyer, orders: OrdersDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    async def place(_request: PlaceOrder, *, wait: timedelta) -> Answer:
        held.append(buyer.shop.engine.sync_engine.pool.checkedout())  # type: ignore[attr-defined]
        return Accepted(buyer.order_id())

    monkeypatch.setattr(orders, "place", place)
    body(await buyer.check_out(), 202)
    assert held == [0]
