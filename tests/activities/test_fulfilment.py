from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import AdvanceOrder, FlagOrder
from domain.order_states import EventType, OrderStatus
from tests.support.steps import Steps, at_once, attempt

STEPS = [
    (OrderStatus.PLACED, EventType.FULFILMENT_STARTED, OrderStatus.FULFILLING),
    (OrderStatus.PLACED, EventType.SHIPPED, OrderStatus.SHIPPED),
    (OrderStatus.FULFILLING, EventType.SHIPPED, OrderStatus.SHIPPED),
    (OrderStatus.SHIPPED, EventType.DELIVERED, OrderStatus.DELIVERED),
    (OrderStatus.DELIVERED, EventType.CLOSED, OrderStatus.CLOSED),
]


@pytest.mark.parametrize(("source", "event", "target"), STEPS)
async def test_fulfilment_advances_once_however_often_it_is_asked(
    steps: Steps, source: OrderStatus, event: EventType, target: OrderStatus
) -> None:
    order = await steps.brought_to(source)
    request = AdvanceOrder(order.order_id, event, "operator:7", "as_agreed")

    answers = await at_once(steps.orders.advance, request)

    assert answers == [answers[0]] * 20
    assert answers[0].status is target
    assert await steps.shop.run(
        "SELECT from_status, to_status, actor, reason FROM order_events WHERE order_id = :id AND type = :type",
        id=order.order_id,
        type=event,
    ) == [(source, target, "operator:7", "as_agreed")]
    assert await steps.stock(steps.sku) == (8, 0)


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.PLACED, OrderStatus.FULFILLING}))
async def test_order_is_not_shipped_from_anywhere_else(steps: Steps, status: OrderStatus) -> None:
    order = await steps.brought_to(status)
    before = await steps.everything(order)

    if status is OrderStatus.SHIPPED:
        await attempt(steps.orders.advance, AdvanceOrder(order.order_id, EventType.SHIPPED, "operator:7"))
    else:
        with pytest.raises(ApplicationError) as refused:
            await attempt(steps.orders.advance, AdvanceOrder(order.order_id, EventType.SHIPPED, "operator:7"))
        assert (refused.value.type, refused.value.non_retryable) == ("everorder.illegal_transition", True)

    assert await steps.everything(order) == before


async def test_operator_is_called_once_and_the_decision_is_recorded_once(steps: Steps) -> None:
    order = await steps.placed()
    call = FlagOrder(order.order_id, needs_operator=True, reason="refund_refused", actor="system")
    decision = FlagOrder(order.order_id, needs_operator=False, reason="resolved", actor="operator:7")

    called = await at_once(steps.orders.flag, call)
    assert called == [called[0]] * 20
    assert (called[0].needs_operator, called[0].operator_reason) == (True, "refund_refused")

    decided = await at_once(steps.orders.flag, decision)
    assert decided == [decided[0]] * 20
    assert (decided[0].status, decided[0].needs_operator) == (OrderStatus.PLACED, False)
    assert await steps.shop.run(
        "SELECT type, from_status, to_status, actor, reason FROM order_events"
        " WHERE order_id = :id ORDER BY id OFFSET 2",
        id=order.order_id,
    ) == [
        ("operator_needed", "placed", "placed", "system", "refund_refused"),
        ("operator_resolved", "placed", "placed", "operator:7", "resolved"),
    ]


async def test_second_trouble_calls_the_operator_again(steps: Steps) -> None:
    order = await steps.placed()
    for reason in ("refund_refused", "step_failed"):
        await attempt(steps.orders.flag, FlagOrder(order.order_id, needs_operator=True, reason=reason, actor="system"))

    assert (await steps.snapshot(order)).operator_reason == "step_failed"
    assert await steps.events(order.order_id) == ["opened", "placed", "operator_needed", "operator_needed"]


async def test_order_that_does_not_exist_is_refused_for_good(steps: Steps) -> None:
    nobody = uuid4()
    with pytest.raises(ApplicationError) as advanced:
        await attempt(steps.orders.advance, AdvanceOrder(nobody, EventType.SHIPPED, "operator:7"))
    with pytest.raises(ApplicationError) as flagged:
        await attempt(steps.orders.flag, FlagOrder(nobody, needs_operator=True, reason="x", actor="system"))

    assert (advanced.value.type, advanced.value.non_retryable) == ("everorder.illegal_transition", True)
    assert (flagged.value.type, flagged.value.non_retryable) == ("everorder.not_found", True)
