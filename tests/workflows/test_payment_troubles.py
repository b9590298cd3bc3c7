"""What happens to a payment behind its order's back, what nobody reports, and what only a person can decide."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.orders import Decision, OrderOutcome, PaymentEvent, PlaceOrder, Resolve, Ship, order_workflow_id
from db import orders
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus, PaymentStatus
from domain.payment_events import PaymentEventType
from tests.support.sandbox import SandboxForTests
from tests.support.world import WAIT, World

ASKS = "pm_card_authenticationRequired"
DAYS = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
REPORTS = {
    "refunded_elsewhere": PaymentEventType.REFUNDED,
    "captured_elsewhere": PaymentEventType.CAPTURED,
    "authorisation_lost": PaymentEventType.VOIDED,
}


async def order_of(world: World, *, card: str = "pm_card_visa", **more: object) -> PlaceOrder:
    order = world.order_of(await world.cart((await world.goods(stock=5), 2)), card=card)
    return replace(order, **more)  # type: ignore[arg-type]


async def report(world: World, order: PlaceOrder, said: PaymentEventType, reference: str) -> None:
    handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
    await handle.signal("payment_event", PaymentEvent(reference, said))


async def told_by_row(world: World, order: PlaceOrder) -> PlaceOrder:
    """Lose the order's workflow, and tell what starts the next one."""
    await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).terminate("a test does the worst")
    async with world.sessions.begin() as session:
        return await orders.restart(session, order.order_id)


# What nobody reports ----------------------------------------------------------------------------------------------


async def test_answer_of_the_bank_that_nobody_reports_is_found_by_the_orders_own_timer(
    world: World, hasty_world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of(world, card=ASKS)
    async with world.working():
        await world.place(order)
        reference = await world.reference(order.order_id)
        resumed = await told_by_row(world, order)
        await sandbox.control("POST", f"payment_intents/{reference}/authenticate", {"passes": True})
        await hasty_world.client.resume(resumed)
        await world.stands(order.order_id, OrderStatus.PLACED)

    assert await world.shop.run("SELECT 1 FROM webhook_events WHERE order_id = :id", id=order.order_id) == []
    assert await world.events(order.order_id) == ["opened", "payment_action_required", "payment_answered", "placed"]
    assert await world.charged(order.order_id) == [2000]


async def test_order_that_waits_for_the_bank_is_resumed_and_placed_once_it_has_answered(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of(world, card=ASKS)
    async with world.working():
        await world.place(order)
        reference = await world.reference(order.order_id)
        await world.client.resume(await told_by_row(world, order))
        await sandbox.control("POST", f"payment_intents/{reference}/authenticate", {"passes": True})
        await report(world, order, PaymentEventType.AUTHORISED, reference)
        await world.stands(order.order_id, OrderStatus.PLACED)

    assert await world.events(order.order_id) == ["opened", "payment_action_required", "payment_answered", "placed"]
    assert await world.charged(order.order_id) == [2000]
    assert await world.reserved_money(order.order_id) == 0


# Retries ----------------------------------------------------------------------------------------------------------


async def test_retry_of_the_schedule_that_succeeds_places_the_order_days_later(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of(world, retry_delays=DAYS)
    await sandbox.misbehave("declined", operation="confirm", order_id=str(order.order_id), times=3)
    async with world.working():
        await world.client.resume(order)
        await world.stands(order.order_id, OrderStatus.PLACED)

    declined = ["payment_declined", "payment_retry_scheduled", "payment_retried"]
    assert await world.events(order.order_id) == ["opened", *declined * 3, "placed"]
    assert await world.charged(order.order_id) == [2000]
    assert await world.reserved_money(order.order_id) == 0
    row = await world.order(order.order_id)
    assert (row.payment_attempt, row.retry_at, row.needs_operator) == (4, None, False)
    seconds = [event.event_time.seconds for event in (await world.history(order.order_id)).events]
    assert timedelta(seconds=seconds[-1] - seconds[0]) > sum(DAYS, timedelta(0)) - timedelta(minutes=1)


async def test_order_between_two_retries_is_resumed_and_goes_on_with_the_next(
    world: World, hasty_world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of(world, retry_delays=DAYS)
    await sandbox.misbehave("declined", operation="confirm", order_id=str(order.order_id), times=2)
    async with world.working():
        await world.place(order)
        waiting = await world.order(order.order_id)
        assert (waiting.status, waiting.retries) == (OrderStatus.PAYMENT_REQUIRED, 1)
        await hasty_world.client.resume(await told_by_row(world, order))
        await world.stands(order.order_id, OrderStatus.PLACED)

    declined = ["payment_declined", "payment_retry_scheduled", "payment_retried"]
    assert await world.events(order.order_id) == ["opened", *declined * 2, "placed"]
    assert await world.charged(order.order_id) == [2000]


# Disputes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "shipped"), [("won", True), ("lost", False)])
async def test_dispute_calls_an_operator_who_is_needed_for_as_long_as_it_is_not_won(
    world: World, sandbox: SandboxForTests, how: str, *, shipped: bool
) -> None:
    order = await order_of(world)
    status = OrderStatus.SHIPPED if shipped else OrderStatus.PLACED
    async with world.working():
        await world.place(order)
        if shipped:
            await world.client.ship(order.order_id, Ship(), wait=WAIT)
        reference = await world.reference(order.order_id)
        dispute = (await sandbox.control("POST", f"payment_intents/{reference}/dispute")).json()["id"]
        await report(world, order, PaymentEventType.DISPUTED, reference)
        stuck = await world.needs_operator(order.order_id)
        await sandbox.control("POST", f"disputes/{dispute}/close", {"status": how})
        if how == "won":
            await report(world, order, PaymentEventType.DISPUTE_WON, reference)
        else:
            await report(world, order, PaymentEventType.DISPUTE_LOST, reference)
            await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        while (await world.order(order.order_id)).needs_operator:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)

    assert (stuck.status, stuck.payment_status) == (status, PaymentStatus.DISPUTED)
    row = await world.order(order.order_id)
    after = PaymentStatus.CAPTURED if how == "won" else PaymentStatus.DISPUTED
    assert (row.status, row.payment_status) == (status, after)
    assert (await world.events(order.order_id))[-2:] == ["operator_needed", "operator_resolved"]
    assert await world.charged(order.order_id) == [2000]


# What only a person can decide ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "status", "charged"),
    [(Decision.RETRY, OrderStatus.PLACED, [2000]), (Decision.REFUND, OrderStatus.CANCELLED, [])],
)
async def test_capture_that_is_refused_waits_for_an_operator_and_goes_as_they_decide(
    world: World, sandbox: SandboxForTests, decision: Decision, status: OrderStatus, charged: list[int]
) -> None:
    order = await order_of(world)
    await sandbox.misbehave("refused", operation="capture", order_id=str(order.order_id), code="amount_too_large")
    async with world.working():
        await world.client.resume(order)
        stuck = await world.needs_operator(order.order_id)
        assert (stuck.status, stuck.operator_reason) == (OrderStatus.PENDING, "capture_refused")
        assert await world.charged(order.order_id) == []
        await world.client.resolve(order, Resolve(decision), wait=WAIT)
        await world.stands(order.order_id, status)

    assert await world.charged(order.order_id) == charged
    assert await world.reserved_money(order.order_id) == 0
    assert not (await world.order(order.order_id)).needs_operator


async def refunds_by_hand(sandbox: SandboxForTests, reference: str) -> None:
    await sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "500"})


async def captures_by_hand(sandbox: SandboxForTests, reference: str) -> None:
    await sandbox.call("POST", f"/v1/payment_intents/{reference}/capture")


async def cancels_by_hand(sandbox: SandboxForTests, reference: str) -> None:
    await sandbox.call("POST", f"/v1/payment_intents/{reference}/cancel")


BY_HAND: list[tuple[str, CapturePolicy, Callable[[SandboxForTests, str], Awaitable[None]]]] = [
    ("refunded_elsewhere", CapturePolicy.PLACEMENT, refunds_by_hand),
    ("captured_elsewhere", CapturePolicy.SHIPMENT, captures_by_hand),
    ("authorisation_lost", CapturePolicy.SHIPMENT, cancels_by_hand),
]


@pytest.mark.parametrize(("finding", "policy", "by_hand"), BY_HAND)
async def test_what_somebody_does_to_a_payment_by_hand_calls_an_operator_once(
    world: World,
    sandbox: SandboxForTests,
    finding: str,
    policy: CapturePolicy,
    by_hand: Callable[[SandboxForTests, str], Awaitable[None]],
) -> None:
    order = await order_of(world, capture=policy)
    async with world.working():
        await world.place(order)
        before = await world.operations(order.order_id)
        reference = await world.reference(order.order_id)
        await by_hand(sandbox, reference)
        for _ in range(2):
            await report(world, order, REPORTS[finding], reference)
        stuck = await world.needs_operator(order.order_id)
        answered = await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)

    assert isinstance(answered, OrderOutcome)
    assert (stuck.status, stuck.operator_reason) == (OrderStatus.PLACED, finding)
    assert await world.events(order.order_id) == ["opened", "placed", "operator_needed", "operator_resolved"]
    assert await world.operations(order.order_id) == before
