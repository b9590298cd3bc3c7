"""Money that waits for a shipment is reserved anew before its reservation ends, and never twice for long.

Time skips ahead in these worlds, but not at the provider: what it has reserved anew soon seems to end as well.
"""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from clients.orders import OrderRefusedError
from contracts.orders import (
    Cancel,
    Decision,
    OrderOutcome,
    Pay,
    PlaceOrder,
    Resolve,
    Ship,
    ShippedLine,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from db import orders
from domain.captures import CapturePolicy
from domain.errors import IllegalStepError
from domain.order_states import OrderStatus
from tests.support.gates import Gate
from tests.support.sandbox import SandboxForTests
from tests.support.world import WAIT, World
from workers.wiring import WORK, QueueWork

RENEWAL = "payments.reauthorise"


async def order_of_twenty(world: World) -> PlaceOrder:
    order = world.order_of(await world.cart((await world.goods(), 2)))
    return replace(order, capture=CapturePolicy.SHIPMENT)


def gated(world: World, gate: Gate) -> dict[TaskQueue, QueueWork]:
    return {TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}


async def happened(world: World, order: PlaceOrder, event: str) -> None:
    while event not in await world.events(order.order_id):  # noqa: ASYNC110 - it is in the database
        await asyncio.sleep(0.02)


async def live_and_captured(sandbox: SandboxForTests, order: PlaceOrder) -> list[tuple[str, int]]:
    rows = await sandbox.fetch(
        "SELECT status, captured_amount FROM payment_intents WHERE order_id = $1 AND status <> 'canceled'",
        str(order.order_id),
    )
    return [tuple(row) for row in rows]


async def test_reservation_is_made_anew_before_it_ends_and_the_shipment_is_captured_from_it(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        await happened(world, order, "payment_reauthorised")
        shipped = await world.client.ship(order.order_id, Ship(), wait=WAIT)

    assert isinstance(shipped, OrderOutcome)
    assert shipped.status is OrderStatus.SHIPPED
    assert await live_and_captured(sandbox, order) == [("succeeded", 2000)]
    operations = await world.operations(order.order_id)
    assert operations["void:1"] == "succeeded"
    assert operations["capture:1"] == "succeeded"
    assert set(operations.values()) == {"succeeded"}


async def test_part_that_is_captured_stays_and_only_the_rest_is_reserved_anew(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of_twenty(world)
    gate = Gate(RENEWAL, "before")
    async with world.working(gated(world, gate)):
        await world.place(order)
        await gate.reached.wait()
        shipping = asyncio.create_task(world.client.ship(order.order_id, await one(world, order), wait=WAIT))
        gate.opened.set()
        await shipping
        await happened(world, order, "payment_reauthorised")
        await world.client.ship(order.order_id, Ship(), wait=WAIT)

    captured = [amount for _, amount in await live_and_captured(sandbox, order)]
    assert sum(captured) == 2000
    assert await world.reserved_money(order.order_id) == 0


async def one(world: World, order: PlaceOrder) -> Ship:
    [[line]] = await world.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
    return Ship(lines=(ShippedLine(UUID(str(line)), 1),))


async def place_and_decline_the_renewal(world: World, sandbox: SandboxForTests, order: PlaceOrder, gate: Gate) -> None:
    await world.place(order)
    await gate.reached.wait()
    await sandbox.misbehave("declined", operation="confirm", times=1, order_id=str(order.order_id))
    gate.opened.set()


async def test_decline_keeps_the_old_reservation_calls_an_operator_and_tells_the_buyer(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of_twenty(world)
    gate = Gate(RENEWAL, "before")
    async with world.working(gated(world, gate)):
        await place_and_decline_the_renewal(world, sandbox, order, gate)
        stuck = await world.needs_operator(order.order_id)
        await world.told(order.order_id)
        assert await world.reserved_money(order.order_id) == 1
        shipped = await world.client.ship(order.order_id, Ship(), wait=WAIT)

    assert (stuck.status, stuck.operator_reason) == (OrderStatus.PLACED, "reauthorisation_declined")
    assert isinstance(shipped, OrderOutcome)
    assert shipped.status is OrderStatus.SHIPPED
    assert await live_and_captured(sandbox, order) == [("succeeded", 2000)]
    operations = await world.operations(order.order_id)
    assert (operations["authorise:1"], operations["authorise:2"]) == ("succeeded", "declined")
    assert "void:1" not in operations
    assert any("could not reserve" in mail.subject for mail in world.mail.sent)


async def test_operator_has_the_money_reserved_anew_after_a_decline(
    hasty_world: World, sandbox: SandboxForTests
) -> None:
    world = hasty_world
    order = await order_of_twenty(world)
    gate = Gate(RENEWAL, "before")
    async with world.working(gated(world, gate)):
        await place_and_decline_the_renewal(world, sandbox, order, gate)
        await world.needs_operator(order.order_id)
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        await happened(world, order, "payment_reauthorised")
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert (await world.order(order.order_id)).status is OrderStatus.CANCELLED
    assert await live_and_captured(sandbox, order) == []
    operations = await world.operations(order.order_id)
    assert (operations["void:1"], operations["authorise:3"]) == ("succeeded", "succeeded")


async def test_shipment_after_the_reservation_has_run_out_does_not_leave_until_it_is_reserved_anew(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        [[reference]] = await sandbox.fetch("SELECT id FROM payment_intents WHERE order_id = $1", str(order.order_id))
        await sandbox.control("POST", f"payment_intents/{reference}/expire")
        with pytest.raises(OrderRefusedError, match="do not send it"):
            await world.client.ship(order.order_id, Ship(), wait=WAIT)
        assert (await world.order(order.order_id)).operator_reason == "capture_declined"
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        shipped = await world.client.ship(order.order_id, Ship(), wait=WAIT)

    assert isinstance(shipped, OrderOutcome)
    assert shipped.status is OrderStatus.SHIPPED
    assert await world.charged(order.order_id) == [2000]


async def test_order_whose_shipment_could_not_be_charged_takes_another_card(
    world: World, sandbox: SandboxForTests
) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        with pytest.raises(IllegalStepError):
            await world.client.pay(order.order_id, Pay("pm_card_mastercard"), wait=WAIT)
        [[reference]] = await sandbox.fetch("SELECT id FROM payment_intents WHERE order_id = $1", str(order.order_id))
        await sandbox.control("POST", f"payment_intents/{reference}/expire")
        with pytest.raises(OrderRefusedError, match="do not send it"):
            await world.client.ship(order.order_id, Ship(), wait=WAIT)

        with pytest.raises(OrderRefusedError) as declined:
            await world.client.pay(order.order_id, Pay("pm_card_chargeDeclined"), wait=WAIT)
        assert declined.value.code == "payment_failed"
        assert (await world.order(order.order_id)).needs_operator
        with pytest.raises(IllegalStepError):
            await world.client.pay(order.order_id, Pay("bank_transfer"), wait=WAIT)
        paid = await world.client.pay(order.order_id, Pay("pm_card_mastercard", actor="guest"), wait=WAIT)
        assert isinstance(paid, OrderOutcome)
        assert (paid.status, paid.needs_operator) == (OrderStatus.PLACED, False)
        shipped = await world.client.ship(order.order_id, Ship(), wait=WAIT)

    assert isinstance(shipped, OrderOutcome)
    assert shipped.status is OrderStatus.SHIPPED
    assert (await world.order(order.order_id)).payment_method == "pm_card_mastercard"
    assert await world.charged(order.order_id) == [2000]
    assert await world.reserved_money(order.order_id) == 0
    assert (await world.events(order.order_id))[-3:] == ["payment_reauthorised", "operator_resolved", "shipped"]


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "replay_error"])
@pytest.mark.parametrize("operation", ["create", "confirm", "cancel"])
async def test_renewal_whose_answer_is_lost_leaves_one_reservation(
    world: World, sandbox: SandboxForTests, operation: str, fault: str
) -> None:
    order = await order_of_twenty(world)
    async with world.working():
        await world.place(order)
        [[reference]] = await sandbox.fetch("SELECT id FROM payment_intents WHERE order_id = $1", str(order.order_id))
        await world.shop.run(
            "UPDATE orders SET needs_operator = true, operator_reason = 'capture_declined' WHERE id = :id",
            id=order.order_id,
        )
        handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
        await handle.terminate("a test")
        async with world.sessions.begin() as session:
            await world.client.resume(await orders.restart(session, order.order_id))
        await sandbox.misbehave(fault, operation=operation, times=1, order_id=str(order.order_id))
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        await happened(world, order, "payment_reauthorised")

    assert [status for status, _ in await live_and_captured(sandbox, order) if status == "requires_capture"] == [
        "requires_capture"
    ]
    states = await sandbox.fetch("SELECT status FROM payment_intents WHERE id = $1", reference)
    assert [row["status"] for row in states] == ["canceled"]
    assert await world.operations(order.order_id) == {
        "authorise:1": "succeeded",
        "void:1": "succeeded",
        "authorise:2": "succeeded",
    }
