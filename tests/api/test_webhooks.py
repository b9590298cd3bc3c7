"""What a payment provider reports: who is believed, what is stored, and who is told."""

import asyncio
import time
from uuid import UUID, uuid4

import httpx2
import pytest

from contracts.orders import PaymentEvent
from domain.payment_events import PaymentEventType
from domain.stripe_events import TYPES
from tests.api.answers import body, problem
from tests.api.buyer import Buyer, ready_buyer
from tests.api.conftest import WEBHOOK_SECRETS
from tests.api.orders_double import OrdersDouble
from tests.support.shop import Shop
from tests.support.stripe_events import PERSON, StripeEvent, signed

PATH = "/v1/webhooks/stripe"
NEW, OLD = WEBHOOK_SECRETS
AUTHORISED, CAPTURED = "payment_intent.amount_capturable_updated", "payment_intent.succeeded"


@pytest.fixture
async def buyer(guest: httpx2.AsyncClient, shop: Shop) -> Buyer:
    return await ready_buyer(guest, shop)


def captured(order_id: UUID | None, reference: str = "") -> StripeEvent:
    return StripeEvent("payment_intent.succeeded", reference or f"pi_{uuid4().hex}", order_id)


async def send(client: httpx2.AsyncClient, event: StripeEvent, *secrets: str) -> httpx2.Response:
    return await client.post(PATH, content=event.body, headers=signed(event.body, *(secrets or (NEW,))))


async def stored(shop: Shop, event: StripeEvent) -> dict[str, object]:
    columns = ("type", "reference", "order_id", "amount", "currency", "state", "reason", "copies")
    [row] = await shop.run(
        f"SELECT {', '.join(columns)} FROM webhook_events WHERE provider = 'stripe' AND event_id = :id", id=event.id
    )
    return dict(zip(columns, row, strict=True))


async def count(shop: Shop) -> object:
    return (await shop.run("SELECT count(*) FROM webhook_events"))[0][0]


# Who is believed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secrets", [(NEW,), (OLD,), (OLD, NEW), ("whsec_next", OLD)])
async def test_an_event_signed_with_any_known_secret_is_taken(
    guest: httpx2.AsyncClient, orders: OrdersDouble, secrets: tuple[str, ...]
) -> None:
    order_id = uuid4()
    orders.alive.add(order_id)

    assert body(await send(guest, captured(order_id), *secrets))["state"] == "delivered"


async def test_an_event_that_nobody_known_has_signed_is_refused_and_not_stored(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    order_id = uuid4()
    orders.alive.add(order_id)
    event = captured(order_id)
    right = signed(event.body, NEW)["Stripe-Signature"]
    moment, made = right.split(",")
    headers = {
        "another secret": signed(event.body, "whsec_other")["Stripe-Signature"],
        "another body": signed(event.body + b" ", NEW)["Stripe-Signature"],
        "another moment": f"t={int(time.time()) - 1},{made}",
        "an older scheme": f"{moment},v0={made.removeprefix('v1=')}",
        "no moment": made,
        "two moments": f"{moment},{right}",
        "no number": f"t=now,{made}",
        "a huge number": f"t={'9' * 40},{made}",
        "no signature": moment,
        "not in ASCII": f"{moment},v1=é",
        "nothing": "",
    }
    before = await count(shop)

    for name, value in headers.items():
        answer = await guest.post(PATH, content=event.body, headers=[(b"stripe-signature", value.encode())])
        assert problem(answer, 400, "signature_invalid"), name
    problem(await guest.post(PATH, content=event.body), 400, "signature_invalid")

    assert await count(shop) == before
    assert orders.told == []


@pytest.mark.parametrize("seconds", [-301, 302])
async def test_an_event_that_somebody_has_kept_is_refused(guest: httpx2.AsyncClient, shop: Shop, seconds: int) -> None:
    event, before = captured(uuid4()), await count(shop)

    answer = await guest.post(PATH, content=event.body, headers=signed(event.body, NEW, at=time.time() + seconds))

    problem(answer, 400, "signature_stale")
    assert await count(shop) == before


async def test_an_event_of_an_unknown_provider_is_not_found(guest: httpx2.AsyncClient) -> None:
    event = captured(uuid4())
    for name in ("paypal", "STRIPE", "manual"):
        answer = await guest.post(f"/v1/webhooks/{name}", content=event.body, headers=signed(event.body, NEW))
        problem(answer, 404, "not_found")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(guest: httpx2.AsyncClient) -> None:
    large = b" " * 1_048_577
    problem(await guest.post(PATH, content=large, headers=signed(large, NEW)), 413, "payload_too_large")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 5_000,
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "created": 1}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "created": 1e30, "data": {"object": {}}}',
        b'{"id": "evt\\u0000", "type": "payment_intent.succeeded", "created": 1, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "created": 1, "data": {"object": {"amount": -1}}}',
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused(guest: httpx2.AsyncClient, shop: Shop, content: bytes) -> None:
    before = await count(shop)
    problem(await guest.post(PATH, content=content, headers=signed(content, NEW)), 422, "validation_error")
    assert await count(shop) == before


# What is stored, and who is told ---------------------------------------------------------------------------------


async def test_an_event_is_stored_without_people_and_its_order_is_told_once(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    order_id = uuid4()
    orders.alive.add(order_id)
    event = captured(order_id, "pi_stored")

    assert body(await send(guest, event)) == {"event_id": event.id, "state": "delivered"}
    assert body(await send(guest, event)) == {"event_id": event.id, "state": "delivered"}

    assert await stored(shop, event) == {
        "type": "captured",
        "reference": "pi_stored",
        "order_id": order_id,
        "amount": 2000,
        "currency": "GBP",
        "state": "delivered",
        "reason": None,
        "copies": 2,
    }
    assert orders.told == [
        (order_id, PaymentEvent("pi_stored", PaymentEventType.CAPTURED, provider="stripe", event_id=event.id))
    ]
    [(row,)] = await shop.run("SELECT row_to_json(w)::text FROM webhook_events w WHERE event_id = :id", id=event.id)
    assert PERSON not in str(row)


async def test_copies_that_arrive_at_once_are_stored_once(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    order_id = uuid4()
    orders.alive.add(order_id)
    event = captured(order_id)

    answers = await asyncio.gather(*(send(guest, event) for _ in range(8)))

    assert [answer.status_code for answer in answers] == [200] * 8
    assert (await stored(shop, event))["copies"] == 8
    assert {order for order, _ in orders.told} == {order_id}


async def test_an_event_that_could_not_be_handed_over_is_kept_and_asked_for_again(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    order_id = uuid4()
    orders.alive.add(order_id)
    event = captured(order_id)
    orders.is_reachable = False

    problem(await send(guest, event), 503, "temporarily_unavailable")
    assert (await stored(shop, event))["state"] == "received"
    orders.is_reachable = True
    assert body(await send(guest, event))["state"] == "delivered"

    assert len(orders.told) == 1


async def test_an_event_without_an_order_is_told_to_the_order_of_its_payment(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id = await buyer.has_order("placed")
    orders.alive.add(order_id)
    reference = f"pi_{uuid4().hex}"
    await has_payment(shop, order_id, reference)
    event = StripeEvent("charge.dispute.created", reference, status="needs_response")

    assert body(await send(guest, event))["state"] == "delivered"

    assert orders.told == [(order_id, PaymentEvent(reference, PaymentEventType.DISPUTED, event_id=event.id))]


async def test_an_event_that_an_orders_row_says_already_is_taken_and_its_order_is_not_told(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id, reference = await buyer.has_order("placed"), f"pi_{uuid4().hex}"
    orders.alive.add(order_id)
    await has_payment(shop, order_id, reference)
    event = captured(order_id, reference)

    assert body(await send(guest, event))["state"] == "ignored"

    assert (await stored(shop, event))["reason"] == "known"
    assert orders.told == []


@pytest.mark.parametrize("state", ["started", "action_required"])
async def test_an_event_that_comes_before_the_orders_own_step_is_over_is_told(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer, state: str
) -> None:
    order_id, reference = await buyer.has_order("placed"), f"pi_{uuid4().hex}"
    orders.alive.add(order_id)
    await has_payment(shop, order_id, reference, state)

    assert body(await send(guest, captured(order_id, reference)))["state"] == "delivered"

    assert [order for order, _ in orders.told] == [order_id]


@pytest.mark.parametrize(("kind", "operation"), [(AUTHORISED, "authorise"), (CAPTURED, "capture")])
async def test_an_event_that_the_orders_own_step_is_about_to_find_out_is_parked(
    *, guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer, kind: str, operation: str
) -> None:
    order_id, reference = await buyer.has_order("pending", payment_status="none"), f"pi_{uuid4().hex}"
    orders.alive.add(order_id)
    await has_payment(shop, order_id, reference, "started", operation)
    event = StripeEvent(kind, reference, order_id)

    assert body(await send(guest, event))["state"] == "parked"
    assert body(await send(guest, event))["state"] == "parked"

    row = await stored(shop, event)
    assert (row["reason"], row["copies"]) == ("under_way", 2)
    assert orders.told == []


async def test_a_copy_of_a_parked_event_is_known_once_the_step_is_over(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id, reference = await buyer.has_order("pending", payment_status="authorised"), f"pi_{uuid4().hex}"
    orders.alive.add(order_id)
    await has_payment(shop, order_id, reference, "started")
    event = StripeEvent(AUTHORISED, reference, order_id)
    assert body(await send(guest, event))["state"] == "parked"

    await shop.run("UPDATE payment_operations SET state = 'succeeded' WHERE order_id = :order", order=order_id)
    assert body(await send(guest, event))["state"] == "ignored"

    assert (await stored(shop, event))["reason"] == "known"
    assert orders.told == []


async def test_an_event_is_told_when_the_step_that_it_is_about_has_stood_still(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id, reference = await buyer.has_order("pending", payment_status="none"), f"pi_{uuid4().hex}"
    orders.alive.add(order_id)
    await has_payment(shop, order_id, reference, "started")
    await shop.run(
        "UPDATE payment_operations SET updated_at = now() - interval '61 seconds' WHERE order_id = :order",
        order=order_id,
    )

    assert body(await send(guest, StripeEvent(AUTHORISED, reference, order_id)))["state"] == "delivered"

    assert [order for order, _ in orders.told] == [order_id]


async def test_an_authorisation_that_is_noted_is_known_while_the_capture_is_under_way(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id, reference = await buyer.has_order("pending", payment_status="authorised"), f"pi_{uuid4().hex}"
    orders.alive.add(order_id)
    await has_payment(shop, order_id, reference)
    await has_payment(shop, order_id, reference, "started", "capture")

    assert body(await send(guest, StripeEvent(AUTHORISED, reference, order_id)))["state"] == "ignored"
    assert orders.told == []

    dispute = StripeEvent("charge.dispute.created", reference, order_id)
    assert body(await send(guest, dispute))["state"] == "delivered", "that is no news of the step"


async def test_an_event_of_a_payment_that_the_row_does_not_know_is_told(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id = await buyer.has_order("placed")
    orders.alive.add(order_id)
    await has_payment(shop, order_id, f"pi_{uuid4().hex}")

    assert body(await send(guest, captured(order_id)))["state"] == "delivered"

    assert [order for order, _ in orders.told] == [order_id]


async def test_an_event_of_an_order_that_is_over_is_taken_and_ignored(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id = await buyer.has_order("cancelled")
    event = captured(order_id)

    assert body(await send(guest, event))["state"] == "ignored"

    assert (await stored(shop, event))["reason"] == "order_over"
    assert (orders.told, orders.resumed) == ([], [])


async def test_an_event_of_an_open_order_without_a_workflow_lets_it_go_on_from_its_row(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, buyer: Buyer
) -> None:
    order_id = await buyer.has_order("pending", payment_status="none")
    event = captured(order_id, "pi_lost")

    assert body(await send(guest, event))["state"] == "delivered"

    assert [start.order_id for start in orders.resumed] == [order_id]
    assert [start.payment_method for start in orders.resumed] == [None]
    assert orders.told == [(order_id, PaymentEvent("pi_lost", PaymentEventType.CAPTURED, event_id=event.id))]


@pytest.mark.parametrize("order_id", [None, UUID(int=7)])
async def test_an_event_of_an_unknown_order_is_taken_and_parked(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble, order_id: UUID | None
) -> None:
    event = captured(order_id)

    assert body(await send(guest, event))["state"] == "parked"

    row = await stored(shop, event)
    assert (row["state"], row["reason"]) == ("parked", "unknown_order")
    assert orders.told == []


async def test_an_event_of_no_interest_is_taken_and_ignored(
    guest: httpx2.AsyncClient, shop: Shop, orders: OrdersDouble
) -> None:
    order_id = uuid4()
    orders.alive.add(order_id)
    event = StripeEvent("payment_intent.created", "pi_made", order_id)

    assert body(await send(guest, event))["state"] == "ignored"

    row = await stored(shop, event)
    assert (row["type"], row["state"], row["reason"]) == (None, "ignored", "unknown_type")
    assert orders.told == []


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        *((kind, "whatever", type_) for kind, type_ in TYPES.items()),
        ("refund.updated", "pending", PaymentEventType.CHANGED),
        ("refund.updated", "failed", PaymentEventType.REFUND_FAILED),
        ("charge.refund.updated", "canceled", PaymentEventType.REFUND_FAILED),
        ("charge.dispute.closed", "won", PaymentEventType.DISPUTE_WON),
        ("charge.dispute.closed", "lost", PaymentEventType.DISPUTE_LOST),
    ],
)
async def test_every_event_to_subscribe_to_has_a_word_of_ours(
    guest: httpx2.AsyncClient, shop: Shop, kind: str, status: str, type_: PaymentEventType
) -> None:
    event = StripeEvent(kind, f"pi_{uuid4().hex}", uuid4(), status=status)
    body(await send(guest, event))
    row = await stored(shop, event)
    assert (row["type"], row["reference"]) == (type_, event.reference)


async def has_payment(
    shop: Shop, order_id: UUID, reference: str, state: str = "succeeded", operation: str = "authorise"
) -> None:
    await shop.run(
        "INSERT INTO payment_operations"
        " (key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state)"
        " VALUES (:key, :order, :operation, 1, 1, 2000, 'GBP', 'stripe', :reference, :state)",
        key=f"{order_id}:{operation}:1",
        order=order_id,
        operation=operation,
        reference=reference,
        state=state,
    )
