"""Orders that wait for their payment: for the buyer's bank, for another card, or for the next retry."""

import asyncio
from datetime import timedelta

import httpx2
import pytest

from contracts.orders import Cancel, OrderOutcome, Pay, PaymentEvent, PlaceOrder, order_workflow_id
from domain.order_states import OrderStatus, PaymentStatus
from domain.payment_events import PaymentEventType
from tests.support.sandbox import SandboxForTests
from tests.support.world import WAIT, World

ASKS = "pm_card_authenticationRequired"
NO_FUNDS = "pm_card_visa_chargeDeclinedInsufficientFunds"
DAYS = (timedelta(hours=1), timedelta(hours=6))


async def templates(world: World, order: PlaceOrder) -> list[str]:
    rows = await world.shop.run(
        "SELECT template FROM notifications WHERE order_id = :id ORDER BY id", id=order.order_id
    )
    return [str(template) for (template,) in rows]


async def secret_of(world: World, order: PlaceOrder) -> list[object]:
    rows = await world.shop.run(
        "SELECT client_secret FROM payment_operations WHERE order_id = :id AND client_secret IS NOT NULL",
        id=order.order_id,
    )
    return [secret for (secret,) in rows]


async def report(world: World, order: PlaceOrder, said: PaymentEventType, reference: str = "pi") -> None:
    handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
    await handle.signal("payment_event", PaymentEvent(reference=reference, type=said))


async def test_order_goes_on_by_itself_after_the_bank_was_satisfied(world: World, sandbox: SandboxForTests) -> None:
    sku = await world.goods(stock=5)
    order = world.order_of(await world.cart((sku, 2)), card=ASKS)
    async with world.working():
        asked = await world.place(order)
        assert (asked.status, asked.decline_code) == (OrderStatus.PAYMENT_REQUIRED, "authentication_required")
        assert await world.stock(sku) == (5, 2)
        assert len(await secret_of(world, order)) == 1
        reference = await world.reference(order.order_id)
        await sandbox.control("POST", f"payment_intents/{reference}/authenticate", {"passes": True})
        for _ in range(3):
            await report(world, order, PaymentEventType.AUTHORISED, reference)
        await world.stands(order.order_id, OrderStatus.PLACED)

    assert await world.events(order.order_id) == [
        "opened",
        "payment_action_required",
        "payment_answered",
        "placed",
    ]
    assert await world.charged(order.order_id) == [2000]
    assert await world.stock(sku) == (3, 0)
    assert await secret_of(world, order) == []


async def test_failed_authentication_asks_for_another_card(world: World, sandbox: SandboxForTests) -> None:
    sku = await world.goods(stock=5)
    order = world.order_of(await world.cart((sku, 2)), card=ASKS)
    async with world.working():
        await world.place(order)
        reference = await world.reference(order.order_id)
        with pytest.raises(httpx2.HTTPStatusError, match="402"):
            await sandbox.control("POST", f"payment_intents/{reference}/authenticate", {"passes": False})
        await report(world, order, PaymentEventType.FAILED, reference)
        while "payment_declined" not in await world.events(order.order_id):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        paid = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)

    assert isinstance(paid, OrderOutcome)
    assert paid.status is OrderStatus.PLACED
    assert await world.charged(order.order_id) == [2000]
    assert await world.reserved_money(order.order_id) == 0


async def test_an_event_that_is_not_true_places_nothing(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)), card=ASKS)
    async with world.working():
        await world.place(order)
        await report(world, order, PaymentEventType.CAPTURED)
        await report(world, order, PaymentEventType.AUTHORISED)
        cancelled = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    assert await world.charged(order.order_id) == []
    assert "placed" not in await world.events(order.order_id)
    assert await secret_of(world, order) == []


async def test_another_card_voids_the_payment_that_waits_for_the_bank_first(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)), card=ASKS)
    async with world.working():
        await world.place(order)
        paid = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)

    assert isinstance(paid, OrderOutcome)
    assert paid.status is OrderStatus.PLACED
    operations = await world.operations(order.order_id)
    assert (operations["authorise:1"], operations["void:1"], operations["capture:2"]) == (
        "abandoned",
        "succeeded",
        "succeeded",
    )
    assert await world.charged(order.order_id) == [1000]


async def test_buyer_who_never_answers_the_bank_leaves_nothing_behind(hasty_world: World) -> None:
    world = hasty_world
    sku = await world.goods(stock=5)
    order = world.order_of(await world.cart((sku, 2)), card=ASKS)
    async with world.working():
        await world.place(order)
        outcome = await world.ended(order.order_id)

    assert (outcome.status, outcome.reason) == (OrderStatus.FAILED, "payment_expired")
    assert await world.stock(sku) == (5, 0)
    assert (await world.operations(order.order_id))["void:1"] == "succeeded"
    assert await templates(world, order) == ["payment_action_required", "payment_expired"]
    assert await secret_of(world, order) == []


@pytest.mark.parametrize("holds", [True, False])
async def test_soft_decline_is_retried_on_schedule_until_it_ends(hasty_world: World, *, holds: bool) -> None:
    world = hasty_world
    sku = await world.goods(stock=5)
    cart = await world.cart((sku, 2))
    order = PlaceOrder(
        order_id=world.order_of(cart).order_id,
        cart_id=cart,
        checkout_attempt=1,
        payment_method=NO_FUNDS,
        retry_delays=DAYS,
        retry_holds_stock=holds,
    )
    async with world.working():
        await world.client.resume(order)
        outcome = await world.ended(order.order_id)

    assert (outcome.status, outcome.reason) == (OrderStatus.FAILED, "payment_expired")
    assert await world.events(order.order_id) == [
        "opened",
        *["payment_declined", "payment_retry_scheduled", "payment_retried"] * 2,
        "payment_declined",
        "payment_expired",
    ]
    assert await templates(world, order) == [
        "payment_retry_scheduled",
        "payment_retry_scheduled",
        "payment_failed",
        "payment_expired",
    ]
    assert await world.stock(sku) == (5, 0)
    assert await world.charged(order.order_id) == []


async def test_stock_that_was_let_go_and_sold_meanwhile_ends_the_retries(world: World) -> None:
    sku = await world.goods(stock=2)
    cart = await world.cart((sku, 2))
    order = PlaceOrder(
        order_id=world.order_of(cart).order_id,
        cart_id=cart,
        checkout_attempt=1,
        payment_method=NO_FUNDS,
        retry_delays=DAYS,
        retry_holds_stock=False,
    )
    async with world.working():
        waiting = await world.place(order)
        assert waiting.status is OrderStatus.PAYMENT_REQUIRED
        assert await world.stock(sku) == (2, 0)
        other = world.order_of(await world.cart((sku, 1)))
        await world.place(other)
        sold_out = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)

    assert isinstance(sold_out, OrderOutcome)
    assert (sold_out.status, sold_out.reason) == (OrderStatus.FAILED, "insufficient_stock")
    assert await world.charged(order.order_id) == []
    assert await world.cart_row(cart) == ("open", 2)
    assert await world.stock(sku) == (1, 0)


async def test_hard_decline_is_not_retried(world: World) -> None:
    cart = await world.cart((await world.goods(), 1))
    order = PlaceOrder(
        order_id=world.order_of(cart).order_id,
        cart_id=cart,
        checkout_attempt=1,
        payment_method="pm_card_chargeDeclined",
        retry_delays=DAYS,
    )
    async with world.working():
        await world.place(order)

    row = await world.order(order.order_id)
    assert (row.status, row.retry_at, row.payment_status) == (OrderStatus.PAYMENT_REQUIRED, None, PaymentStatus.NONE)


async def test_dispute_calls_an_operator_and_ends_with_it(world: World, sandbox: SandboxForTests) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))
    async with world.working():
        await world.place(order)
        reference = await world.reference(order.order_id)
        disputed = await sandbox.control("POST", f"payment_intents/{reference}/dispute")
        for _ in range(2):
            await report(world, order, PaymentEventType.DISPUTED, reference)
        flagged = await world.needs_operator(order.order_id)
        await sandbox.control("POST", f"disputes/{disputed.json()['id']}/close", {"status": "won"})
        await report(world, order, PaymentEventType.DISPUTE_WON, reference)
        while (await world.order(order.order_id)).needs_operator:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)

    assert (flagged.payment_status, flagged.operator_reason) == (PaymentStatus.DISPUTED, "payment_disputed")
    row = await world.order(order.order_id)
    assert (row.status, row.payment_status) == (OrderStatus.PLACED, PaymentStatus.CAPTURED)
    assert await world.events(order.order_id) == ["opened", "placed", "operator_needed", "operator_resolved"]
    assert await world.charged(order.order_id) == [1000]
