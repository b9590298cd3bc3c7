"""`everorder orders` as an operator uses it, on real orders."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.orders.desk import OrderDesk
from clients.orders import OrderRefusedError
from contracts.orders import Decision, MarkDelivered, OrderOutcome, Refund, Ship
from domain.errors import IllegalStepError, NotFoundError
from domain.order_states import OrderStatus
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.temporal import running_temporal

WAIT = timedelta(seconds=20)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture(scope="module")
async def lone(postgres: PostgresForTests, temporal: WorkflowEnvironment) -> AsyncIterator[LoneWorld]:
    async with lone_world(postgres, temporal.client) as lone:
        yield lone


@pytest.fixture
def desk(lone: LoneWorld) -> OrderDesk:
    return OrderDesk(lone.world.sessions, lone.world.client, timedelta(minutes=45))


async def test_orders_are_listed_by_state_and_by_need_of_an_operator(lone: LoneWorld, desk: OrderDesk) -> None:
    first, second = await lone.placed(), await lone.placed()
    await lone.world.shop.run("UPDATE orders SET needs_operator = true WHERE id = :id", id=first.order_id)

    assert [order.id for order in await desk.list(limit=2)] == [second.order_id, first.order_id]
    assert [order.id for order in await desk.list(limit=1)] == [second.order_id]
    assert [order.id for order in await desk.list(limit=20, needs_operator=True)] == [first.order_id]
    assert await desk.list(limit=20, status=OrderStatus.CANCELLED) == []
    await lone.world.shop.run("UPDATE orders SET needs_operator = false WHERE id = :id", id=first.order_id)


async def test_order_is_shown_by_its_number_and_by_its_id(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    number = (await lone.world.order(order.order_id)).number
    file = await desk.file(number)

    assert file == await desk.file(str(order.order_id))
    assert [event.type for event in file.timeline] == ["opened", "placed"]
    assert [(one.operation, one.state) for one in file.operations] == [
        ("authorise", "succeeded"),
        ("capture", "succeeded"),
    ]
    assert file.running

    await lone.world.shop.run(
        "INSERT INTO order_adjustments (order_id, position, type, code, label, amount)"
        " VALUES (:id, 0, 'tax_included', 'standard', 'VAT 20%', 333)",
        id=order.order_id,
    )
    code, output = await lone.everorder("orders", "show", number)
    await lone.world.shop.run("DELETE FROM order_adjustments WHERE order_id = :id", id=order.order_id)
    assert code == 0, output
    assert "tax included: VAT 20% (standard)" in output
    assert "3.33 GBP" in output
    assert f"{number}  placed, payment captured" in output
    assert "total 20.00 GBP" in output
    assert f"workflow order-{order.order_id}: running" in output
    assert "ada@example.com" not in output
    assert "Ada" not in output


async def test_unknown_order_is_one_line_and_exit_status_2(lone: LoneWorld) -> None:
    assert await lone.everorder("orders", "show", "EO-1") == (2, "everorder: there is no order EO-1\n")


async def test_cancelling_keeps_free_text_out_of_the_history(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    async with lone.world.working():
        outcome = await desk.cancel(str(order.order_id), "Ada called: wrong size", "operator:7", wait=WAIT)

    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CANCELLED
    [_, _, asked, _] = (await desk.file(str(order.order_id))).timeline
    assert (asked.type, asked.actor, asked.reason, asked.note) == (
        "cancel_requested",
        "operator:7",
        "requested",
        "Ada called: wrong size",
    )
    assert "Ada" not in (await lone.world.history(order.order_id)).to_json()


async def test_code_as_a_reason_stands_in_the_timeline_itself(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    async with lone.world.working():
        code, output = await lone.everorder("orders", "cancel", str(order.order_id), "--reason", "fraud_suspected")
    assert (code, output) == (0, f"{order.order_id}: cancelled\n")
    [_, _, asked, _] = (await desk.file(str(order.order_id))).timeline
    assert (asked.actor, asked.reason, asked.note) == ("operator:cli", "fraud_suspected", None)


async def test_order_that_needs_nobody_can_not_be_resolved(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    async with lone.world.working():
        with pytest.raises(IllegalStepError, match="does not need an operator"):
            await desk.resolve(str(order.order_id), Decision.RETRY, "checked", "operator:7", wait=WAIT)


async def test_cancelling_after_shipment_needs_an_operator_who_resolves_it(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    which = str(order.order_id)
    async with lone.world.working():
        await lone.world.client.ship(order.order_id, Ship(), wait=WAIT)
        code, output = await lone.everorder("orders", "cancel", which, "--reason", "requested")
        assert (code, output) == (0, f"{which}: shipped, needs an operator\n")
        code, output = await lone.everorder("orders", "resolve", which, "--decision", "skip", "--reason", "kept")
        assert (code, output) == (0, f"{which}: shipped\n")

    file = await desk.file(which)
    assert not file.order.needs_operator
    assert [(event.type, event.actor, event.reason) for event in file.timeline[-2:]] == [
        ("cancel_requested", "operator:cli", "requested"),
        ("operator_resolved", "operator:cli", "kept"),
    ]


async def test_order_without_workflow_is_cancelled_all_the_same(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    which = str(order.order_id)
    assert not await desk.resume(which)
    await lone.terminate(order.order_id)
    async with lone.world.working():
        outcome = await desk.cancel(which, "requested", "operator:7", wait=WAIT)
    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CANCELLED
    assert await lone.world.charged(order.order_id) == []

    again = desk.cancel(which, "requested", "operator:7", wait=WAIT)
    with pytest.raises(IllegalStepError, match=f"nothing is left to be decided: {which} is cancelled"):
        await again
    assert not await lone.world.client.is_running(order.order_id)


async def test_order_without_workflow_that_needs_an_operator_is_resolved_all_the_same(
    lone: LoneWorld, desk: OrderDesk
) -> None:
    order = await lone.placed()
    which = str(order.order_id)
    async with lone.world.working():
        await lone.world.client.ship(order.order_id, Ship(), wait=WAIT)
        await desk.cancel(which, "requested", "operator:7", wait=WAIT)
    assert (await desk.file(which)).order.needs_operator
    await lone.terminate(order.order_id)
    async with lone.world.working():
        await desk.resolve(which, Decision.SKIP, "Ada keeps it", "operator:7", wait=WAIT)

    file = await desk.file(which)
    assert (file.order.needs_operator, file.order.status, file.running) == (False, "shipped", True)
    resolved = file.timeline[-1]
    assert (resolved.type, resolved.reason, resolved.note) == ("operator_resolved", "resolved", "Ada keeps it")
    assert "Ada" not in (await lone.world.history(order.order_id)).to_json()


async def test_refund_that_is_refused_to_a_closed_order_is_made_again_when_an_operator_says_so(
    lone: LoneWorld, desk: OrderDesk
) -> None:
    order = await lone.placed()
    which = str(order.order_id)
    async with lone.world.working():
        await lone.world.client.ship(order.order_id, Ship(), wait=WAIT)
        await lone.world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        assert (await lone.world.ended(order.order_id)).status is OrderStatus.CLOSED
        await lone.sandbox.misbehave("refused", operation="refund", times=1, order_id=which)
        with pytest.raises(OrderRefusedError):
            await lone.world.client.refund(replace(order, payment_method=None), Refund(), wait=WAIT)
        assert (await lone.world.ended(order.order_id)).needs_operator
        code, output = await lone.everorder("orders", "resolve", which, "--decision", "retry", "--reason", "checked")
        assert (code, output) == (0, f"{which}: closed\n")
        await lone.world.ended(order.order_id)
        with pytest.raises(IllegalStepError, match="nothing is left to be decided"):
            await desk.resolve(which, Decision.RETRY, "checked", "operator:7", wait=WAIT)

    assert await lone.world.charged(order.order_id) == []


async def test_lost_order_is_resumed(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    await lone.terminate(order.order_id)
    assert await desk.resume(str(order.order_id))
    assert await lone.world.client.is_running(order.order_id)


async def test_order_that_is_over_is_not_resumed_and_told_so(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    number = (await lone.world.order(order.order_id)).number
    assert not await desk.resume(number)
    async with lone.world.working():
        await desk.cancel(number, "requested", "operator:7", wait=WAIT)
        await lone.world.temporal.get_workflow_handle(f"order-{order.order_id}").result()
    before = await desk.file(number)

    assert await lone.everorder("orders", "resume", number) == (
        2,
        f"everorder: {number} is cancelled: it is over, and nothing is left to be done for it\n",
    )
    with pytest.raises(IllegalStepError, match=f"nothing is left to be decided: {number} is cancelled"):
        await desk.cancel(number, "Ada has called again", "operator:7", wait=WAIT)
    assert await desk.file(number) == before
    assert not before.running
    assert await lone.world.shop.run("SELECT text FROM order_notes WHERE order_id = :id", id=order.order_id) == []


async def test_order_that_is_over_and_owes_its_buyer_a_message_is_resumed(lone: LoneWorld, desk: OrderDesk) -> None:
    order = await lone.placed()
    await lone.terminate(order.order_id)
    await lone.world.shop.run("UPDATE orders SET status = 'closed' WHERE id = :id", id=order.order_id)
    await lone.world.shop.run(
        "UPDATE notifications SET state = 'pending', sent_at = NULL WHERE order_id = :id", id=order.order_id
    )
    assert await desk.resume_all() == 1
    async with lone.world.working():
        await lone.world.temporal.get_workflow_handle(f"order-{order.order_id}").result()
    assert await desk.resume_all() == 0
    with pytest.raises(IllegalStepError, match="is closed: it is over"):
        await desk.resume(str(order.order_id))


@pytest.mark.parametrize("which", ["EO-1", str(UUID(int=1)), "'; DROP TABLE orders"])
async def test_unknown_order_is_not_resumed(desk: OrderDesk, which: str) -> None:
    with pytest.raises(NotFoundError, match=f"there is no order {which}"):
        await desk.resume(which)


async def test_all_lost_orders_are_resumed_and_only_those(lone: LoneWorld, desk: OrderDesk) -> None:
    lost, kept = [await lone.placed() for _ in range(2)], await lone.placed()
    for order in lost:
        await lone.terminate(order.order_id)
    [run] = [await lone.world.temporal.get_workflow_handle(f"order-{kept.order_id}").describe()]

    code, output = await lone.everorder("orders", "resume", "--all")
    assert code == 0, output
    assert output == "resumed: 2\n"
    for order in lost:
        assert await lone.world.client.is_running(order.order_id)
    assert (await lone.world.temporal.get_workflow_handle(f"order-{kept.order_id}").describe()).run_id == run.run_id
    assert await desk.resume_all() == 0
