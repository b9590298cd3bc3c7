"""A worker that dies in the middle of a step: either all of it has happened or nothing, and trying again ends it."""

from collections.abc import Callable
from typing import Any

import pytest

from activities.orders import OrderActivities
from contracts.orders import AdvanceOrder, FlagOrder, OrderStep, PlaceOrder
from domain.order_states import EventType, OrderStatus
from tests.support.dying import dying_sessions
from tests.support.meddler import CrashError
from tests.support.steps import Steps, another_card, attempt, cancel, declined


def step_of(order: PlaceOrder) -> OrderStep:
    return OrderStep(order.order_id)


def shipped(order: PlaceOrder) -> AdvanceOrder:
    return AdvanceOrder(order.order_id, EventType.SHIPPED, "operator:7")


def flagged(order: PlaceOrder) -> FlagOrder:
    return FlagOrder(order.order_id, needs_operator=True, reason="step_failed", actor="system")


def itself(order: PlaceOrder) -> PlaceOrder:
    return order


STEPS: list[tuple[str, OrderStatus | None, Callable[[PlaceOrder], Any], OrderStatus]] = [
    ("open", None, itself, OrderStatus.PENDING),
    ("begin_cancel", None, cancel, OrderStatus.CANCELLED),
    ("require_payment", OrderStatus.PENDING, declined, OrderStatus.PAYMENT_REQUIRED),
    ("retry_payment", OrderStatus.PAYMENT_REQUIRED, another_card, OrderStatus.PENDING),
    ("expire", OrderStatus.PAYMENT_REQUIRED, step_of, OrderStatus.FAILED),
    ("begin_cancel", OrderStatus.PLACED, cancel, OrderStatus.CANCELLING),
    ("begin_cancel", OrderStatus.SHIPPED, cancel, OrderStatus.SHIPPED),
    ("finish_cancel", OrderStatus.CANCELLING, step_of, OrderStatus.CANCELLED),
    ("advance", OrderStatus.PLACED, shipped, OrderStatus.SHIPPED),
    ("flag", OrderStatus.PLACED, flagged, OrderStatus.PLACED),
]


async def assert_all_or_nothing(steps: Steps, name: str, order: PlaceOrder, request: Any, target: OrderStatus) -> None:
    """Let a step die before its commit, then run it, then run it again as if its answer had been lost."""
    dying = OrderActivities(dying_sessions(steps.shop.engine))
    before = await steps.everything(order)
    with pytest.raises(CrashError):
        await attempt(getattr(dying, name), request)
    assert await steps.everything(order) == before

    done = await attempt(getattr(steps.orders, name), request, 2)
    assert done.status is target
    after = await steps.everything(order)
    assert after != before

    assert await attempt(getattr(steps.orders, name), request, 3) == done
    assert await steps.everything(order) == after


@pytest.mark.parametrize(("name", "status", "request_of", "target"), STEPS)
async def test_step_that_dies_before_its_commit_has_done_nothing_and_is_done_once_by_the_next_try(
    steps: Steps,
    name: str,
    status: OrderStatus | None,
    request_of: Callable[[PlaceOrder], Any],
    target: OrderStatus,
) -> None:
    order = await (steps.brought_to(status) if status else steps.buyer())
    await assert_all_or_nothing(steps, name, order, request_of(order), target)


async def test_placing_that_dies_before_its_commit_has_sold_nothing_and_the_next_try_sells_once(steps: Steps) -> None:
    order = await steps.paid()
    await assert_all_or_nothing(steps, "place", order, step_of(order), OrderStatus.PLACED)
    assert await steps.movements(order.order_id) == [("sale", -2)]
    assert await steps.messages(order.order_id) == [("order_confirmation", "pending", 0)]
