"""Money is given back in part and several times, once each, and never more than was taken."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from clients.orders import OrderRefusedError
from contracts.orders import (
    Cancel,
    Decision,
    MarkDelivered,
    OrderOutcome,
    PaymentEvent,
    PlaceOrder,
    Refund,
    Resolve,
    Ship,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from db import orders
from domain.errors import IllegalStepError
from domain.money import Money
from domain.order_states import OrderStatus
from domain.payment_events import PaymentEventType
from tests.support.gates import Gate
from tests.support.sandbox import SandboxForTests
from tests.support.world import WAIT, World
from workers.wiring import WORK


async def order_of_twenty(world: World, *, card: str = "pm_card_visa") -> PlaceOrder:
    return world.order_of(await world.cart((await world.goods(), 2)), card=card)


async def refund(world: World, order: PlaceOrder, amount: int | None, *, named: UUID | None = None) -> OrderOutcome:
    asked = Refund(amount, actor="operator:7", refund_id=named)
    outcome = await world.client.refund(order, asked, wait=WAIT)
    assert isinstance(outcome, OrderOutcome)
    return outcome


async def books(world: World, order: PlaceOrder) -> tuple[object, ...]:
    [row] = await world.shop.run(
        "SELECT payment_status, captured_amount, refunded_amount, refunding_amount FROM orders WHERE id = :id",
        id=order.order_id,
    )
    return row


async def refunds(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run("SELECT amount, state FROM refunds WHERE order_id = :id ORDER BY n", id=order.order_id)


async def at_provider(sandbox: SandboxForTests, order: PlaceOrder) -> list[tuple[int, str]]:
    rows = await sandbox.fetch(
        "SELECT r.amount, r.status FROM refunds r JOIN payment_intents p ON p.id = r.payment_intent"
        " WHERE p.order_id = $1 ORDER BY r.seq",
        str(order.order_id),
    )
    return [tuple(row) for row in rows]


async def end_refund(sandbox: SandboxForTests, order: PlaceOrder, status: str) -> None:
    """Have the provider's refund of an order come to its end."""
    [[reference]] = await sandbox.fetch(
        "SELECT r.id FROM refunds r JOIN payment_intents p ON p.id = r.payment_intent WHERE p.order_id = $1",
        str(order.order_id),
    )
    await sandbox.control("POST", f"refunds/{reference}/settle", {"status": status})


async def until(world: World, order: PlaceOrder, *states: str) -> None:
    """Wait until the order's refunds stand so."""
    while [state for _, state in await refunds(world, order)] != list(states):  # noqa: ASYNC110 - it is in the database
        await asyncio.sleep(0.02)


async def test_order_is_refunded_in_parts_until_nothing_is_left(world: World, sandbox: SandboxForTests) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        await refund(world, order, 500)
        assert await books(world, order) == ("partially_refunded", 2000, 500, 0)
        await world.client.refund(order, Refund(Money(700, "GBP"), actor="operator:7"), wait=WAIT)
        last = await refund(world, order, None)
        with pytest.raises(OrderRefusedError) as refused:
            await refund(world, order, 1)
        await world.told(order.order_id)

    assert last.status is OrderStatus.PLACED
    assert refused.value.code == "refund_too_large"
    assert await books(world, order) == ("refunded", 2000, 2000, 0)
    assert await refunds(world, order) == [(500, "succeeded"), (700, "succeeded"), (800, "succeeded")]
    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500, 700, 800]
    assert (await world.events(order.order_id))[-3:] == ["refunded"] * 3
    told = [mail.text for mail in world.mail.sent if mail.subject.startswith("Your refund")]
    assert [amount in mail for amount, mail in zip(("5.00 GBP", "7.00 GBP", "8.00 GBP"), told, strict=True)] == [
        True
    ] * 3


@pytest.mark.parametrize("amount", [2001, 0, -1])
async def test_refund_that_makes_no_sense_is_refused_and_asks_nobody(
    world: World, sandbox: SandboxForTests, amount: int
) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        with pytest.raises(OrderRefusedError) as refused:
            await refund(world, order, amount)
        with pytest.raises(OrderRefusedError) as foreign:
            await world.client.refund(order, Refund(Money(5, "EUR")), wait=WAIT)

    assert refused.value.code == ("refund_too_large" if amount > 0 else "validation_error")
    assert (foreign.value.code, str(foreign.value)) == ("currency_mismatch", "The order is in GBP.")
    assert await refunds(world, order) == []
    assert await at_provider(sandbox, order) == []


async def test_many_refunds_at_once_give_back_no_more_than_was_taken(world: World, sandbox: SandboxForTests) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        answers = await asyncio.gather(*(refund(world, order, 700) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(answer, OrderOutcome) for answer in answers) == 2
    assert {answer.code for answer in answers if isinstance(answer, OrderRefusedError)} == {"refund_too_large"}
    assert await books(world, order) == ("partially_refunded", 2000, 1400, 0)
    assert [amount for amount, _ in await at_provider(sandbox, order)] == [700, 700]


async def test_same_refund_asked_for_again_is_made_once(world: World, sandbox: SandboxForTests) -> None:
    order, named = await order_of_twenty(world), uuid4()
    async with world.working():
        await world.place(order)
        for _ in range(3):
            await refund(world, order, 500, named=named)

    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500]
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)


async def test_limit_bounds_all_refunds_of_an_order(world: World) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        await world.client.refund(order, Refund(600, limit=1000), wait=WAIT)
        with pytest.raises(OrderRefusedError) as refused:
            await world.client.refund(order, Refund(401, limit=1000), wait=WAIT)
        await world.client.refund(order, Refund(400, limit=1000), wait=WAIT)

    assert refused.value.code == "forbidden"
    assert await books(world, order) == ("partially_refunded", 2000, 1000, 0)


async def test_pending_refund_holds_nothing_up_and_is_looked_up_until_it_has_arrived(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of_twenty(world)
    await sandbox.misbehave("pending", operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await world.place(order)
        answered = await refund(world, order, 500)
        assert await books(world, order) == ("captured", 2000, 0, 500)
        shipped = await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await end_refund(sandbox, order, "succeeded")
        await until(world, order, "succeeded")

    assert answered.status is OrderStatus.PLACED
    assert isinstance(shipped, OrderOutcome)
    assert shipped.status is OrderStatus.SHIPPED
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)
    assert await at_provider(sandbox, order) == [(500, "succeeded")]


async def test_refund_that_the_provider_refuses_calls_an_operator_who_has_it_tried_again(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    await sandbox.misbehave("refused", operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await world.place(order)
        with pytest.raises(OrderRefusedError) as refused:
            await refund(world, order, 500)
        stuck = await world.order(order.order_id)
        assert await books(world, order) == ("captured", 2000, 0, 0)
        assert await refunds(world, order) == [(500, "failed")]
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        await until(world, order, "succeeded")

    assert refused.value.code == "refund_refused"
    assert (stuck.status, stuck.needs_operator, stuck.operator_reason) == (OrderStatus.PLACED, True, "refund_refused")
    assert not (await world.order(order.order_id)).needs_operator
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)
    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500]


async def test_operator_gives_a_refused_refund_up_and_its_money_may_be_refunded_otherwise(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    await sandbox.misbehave("refused", operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await world.place(order)
        with pytest.raises(OrderRefusedError):
            await refund(world, order, 2000)
        await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        await refund(world, order, 2000)

    assert await refunds(world, order) == [(2000, "abandoned"), (2000, "succeeded")]
    assert await books(world, order) == ("refunded", 2000, 2000, 0)


async def test_refund_that_is_pending_and_then_fails_calls_an_operator(world: World, sandbox: SandboxForTests) -> None:
    order = await order_of_twenty(world)
    await sandbox.misbehave("pending", operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await world.place(order)
        await refund(world, order, 500)
        await end_refund(sandbox, order, "failed")
        await world.client.payment_event(order.order_id, PaymentEvent("pi_any", PaymentEventType.REFUND_FAILED))
        stuck = await world.needs_operator(order.order_id)

    assert stuck.operator_reason == "refund_refused"
    assert await refunds(world, order) == [(500, "failed")]
    assert await books(world, order) == ("captured", 2000, 0, 0)


async def test_refund_that_had_succeeded_and_fails_later_is_taken_back_in_the_books_and_made_again(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        await refund(world, order, 500)
        await end_refund(sandbox, order, "failed")
        for _ in range(2):
            await world.client.payment_event(order.order_id, PaymentEvent("pi_any", PaymentEventType.REFUND_FAILED))
        stuck = await world.needs_operator(order.order_id)
        assert await refunds(world, order) == [(500, "failed")]
        assert await books(world, order) == ("captured", 2000, 0, 0)
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        await until(world, order, "succeeded")

    assert stuck.operator_reason == "refund_refused"
    assert await at_provider(sandbox, order) == [(500, "failed"), (500, "succeeded")]
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "replay_error", "drop_before", "error_before"])
async def test_refund_whose_answer_is_lost_is_made_once(world: World, sandbox: SandboxForTests, fault: str) -> None:
    order = await order_of_twenty(world)
    await sandbox.misbehave(fault, operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await world.place(order)
        await refund(world, order, 500)

    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500]
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("step", ["refunds.begin", "refunds.give_back", "refunds.settle"])
async def test_refund_of_an_order_terminated_around_a_step_is_made_once(
    world: World, sandbox: SandboxForTests, step: str, where: str
) -> None:
    order, named = await order_of_twenty(world), uuid4()
    gate = Gate(step, where)
    queue = TaskQueue.PAYMENTS if step == "refunds.give_back" else TaskQueue.ORDERS
    async with world.working():
        await world.place(order)
    async with world.working({queue: gate.apply(WORK[queue](world.resources))}):
        asking = asyncio.create_task(refund(world, order, 500, named=named))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).terminate("a test")
        gate.opened.set()
        await asyncio.gather(asking, return_exceptions=True)
    async with world.working():
        async with world.sessions.begin() as session:
            await world.client.resume(await orders.restart(session, order.order_id))
        await refund(world, order, 500, named=named)
        await until(world, order, "succeeded")

    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500]
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)
    assert (await world.events(order.order_id)).count("refunded") == 1


async def test_cancel_after_a_partial_refund_gives_back_exactly_the_rest(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        await refund(world, order, 500)
        cancelled = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        with pytest.raises(IllegalStepError):
            await refund(world, order, 1)

    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500, 1500]
    assert await books(world, order) == ("refunded", 2000, 2000, 0)


async def test_cancel_while_a_refund_is_pending_waits_for_it_and_gives_back_exactly_the_rest(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    await sandbox.misbehave("pending", operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await world.place(order)
        await refund(world, order, 500)
        cancelling = asyncio.create_task(world.client.cancel(order.order_id, Cancel(), wait=WAIT))
        while (await world.order(order.order_id)).status is not OrderStatus.CANCELLING:  # noqa: ASYNC110 - in the database
            await asyncio.sleep(0.02)
        await end_refund(sandbox, order, "succeeded")
        cancelled = await cancelling

    assert isinstance(cancelled, OrderOutcome)
    assert cancelled.status is OrderStatus.CANCELLED
    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500, 1500]
    assert await books(world, order) == ("refunded", 2000, 2000, 0)


async def test_order_before_its_payment_is_not_refunded(world: World) -> None:
    order = await order_of_twenty(world, card="pm_card_chargeDeclined")
    async with world.working():
        await world.place(order)
        with pytest.raises(IllegalStepError):
            await refund(world, order, 1)

    assert await refunds(world, order) == []


async def test_closed_order_is_refunded_by_a_workflow_that_begins_again_and_ends(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        assert (await world.ended(order.order_id)).status is OrderStatus.CLOSED
        refunded = await refund(world, replace(order, payment_method=None), 500)
        ended = await world.ended(order.order_id)

    assert (refunded.status, ended.status) == (OrderStatus.CLOSED, OrderStatus.CLOSED)
    assert [amount for amount, _ in await at_provider(sandbox, order)] == [500]
    assert await books(world, order) == ("partially_refunded", 2000, 500, 0)
    assert (await world.events(order.order_id))[-2:] == ["closed", "refunded"]
    assert "refund_confirmation" in await sent(world, order)


async def sent(world: World, order: PlaceOrder) -> Sequence[str]:
    rows = await world.shop.run(
        "SELECT template FROM notifications WHERE order_id = :id AND state = 'sent'", id=order.order_id
    )
    return [str(row[0]) for row in rows]
