"""Signals and updates that somebody has typed wrongly: an order goes on, and does nothing that nobody has asked for."""

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from contracts.orders import PlaceOrder, order_workflow_id
from domain.order_states import OrderStatus
from tests.support.world import World

DROPPED: list[tuple[str, list[Any]]] = [
    ("payment_event", []),
    ("payment_event", [{"reference": "pi_1"}, {"reference": "pi_2"}]),
    ("claimed", []),
    ("look_at_row", ["now"]),
    ("cancel_order", [{}, {}]),
    ("cancel_order", ["please"]),
    ("cancel", [{"reason": "fraud_suspected"}]),
]
REFUSED: list[tuple[str, list[Any]]] = [
    ("cancel", []),
    ("cancel", [{}, {}]),
    ("ship", []),
    ("pay", []),
    ("refund", []),
    ("mark_delivered", []),
    ("resolve", []),
]


@pytest.fixture
async def order(world: World) -> PlaceOrder:
    return world.order_of(await world.cart((await world.goods(), 1)))


def handle_of(world: World, order: PlaceOrder) -> WorkflowHandle[Any, Any]:
    return world.temporal.get_workflow_handle(order_workflow_id(order.order_id))


async def require_untroubled(handle: WorkflowHandle[Any, Any]) -> None:
    async for event in handle.fetch_history_events():
        assert event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


async def test_signals_that_no_handler_takes_are_dropped_and_the_order_goes_on(world: World, order: PlaceOrder) -> None:
    async with world.working():
        await world.place(order)
        handle = handle_of(world, order)
        for name, inputs in DROPPED:
            await handle.signal(name, args=inputs)
        assert (await handle.query("status"))["status"] == OrderStatus.PLACED
        await handle.signal("cancel_order")  # which needs no more than its name
        assert (await handle.result())["status"] == OrderStatus.CANCELLED
        await require_untroubled(handle)
    assert await world.charged(order.order_id) == []


async def test_updates_that_no_handler_takes_are_refused_and_the_order_goes_on(world: World, order: PlaceOrder) -> None:
    async with world.working():
        await world.place(order)
        handle = handle_of(world, order)
        for name, inputs in REFUSED:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(name, args=inputs)
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == "everorder.validation_error"
            assert refused.value.cause.message == f"The update {name} is not sent with {len(inputs)} inputs."
        assert (await handle.query("status"))["status"] == OrderStatus.PLACED
        await require_untroubled(handle)
    assert await world.charged(order.order_id) != []
