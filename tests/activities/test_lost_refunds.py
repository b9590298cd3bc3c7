"""A refund that the books have lost, since they were restored from an older copy, is never taken for the next one."""

from uuid import UUID, uuid4

import pytest

from contracts.orders import PlaceOrder
from contracts.payments import Reversal
from contracts.refunds import BeginRefund, RefundAnswer, RefundStep
from domain.refunds import RefundStatus
from tests.support.steps import Steps, attempt, cancel, insist, reverse

GIVEN = RefundAnswer(RefundStatus.SUCCEEDED)


async def refund(steps: Steps, order: PlaceOrder, amount: int, refund_id: UUID) -> RefundAnswer:
    begin = BeginRefund(order.order_id, refund_id, amount, "GBP", "damaged", "operator:7")
    await attempt(steps.refunding.begin, begin)
    step = RefundStep(order.order_id, refund_id)
    answer = await insist(steps.refunding.give_back, step)
    await attempt(steps.refunding.settle, step)
    return answer


async def forget_refunds(steps: Steps, order: PlaceOrder) -> None:
    """Have the books stand as they stood in a copy that was made before anything was refunded."""
    for statement in (
        "DELETE FROM payment_operations WHERE order_id = :id AND operation = 'refund'",
        "DELETE FROM refunds WHERE order_id = :id",
        "UPDATE orders SET refunded_amount = 0, payment_status = 'captured' WHERE id = :id",
    ):
        await steps.shop.run(statement, id=order.order_id)


async def given_back(steps: Steps, order: PlaceOrder) -> list[int]:
    """List what the provider has given back."""
    [payment] = [one async for one in steps.provider.ledger() if one.order_id == order.order_id]
    return [one.amount for one in payment.refunds]


@pytest.mark.parametrize("amount", [500, 700], ids=["of as much", "of another amount"])
async def test_another_refund_than_the_lost_one_is_made(steps: Steps, amount: int) -> None:
    order = await steps.placed()
    await refund(steps, order, 500, uuid4())
    await forget_refunds(steps, order)

    assert await refund(steps, order, amount, uuid4()) == GIVEN
    assert await given_back(steps, order) == [500, amount]
    assert (await steps.order(order.order_id)).payment_status == "partially_refunded"


async def test_lost_refund_that_is_asked_for_again_is_found_and_not_made_twice(steps: Steps) -> None:
    order, same = await steps.placed(), uuid4()
    await refund(steps, order, 500, same)
    await forget_refunds(steps, order)

    assert await refund(steps, order, 500, same) == GIVEN
    assert await given_back(steps, order) == [500]


async def test_order_that_is_cancelled_gives_back_all_that_its_lost_refund_has_left(steps: Steps) -> None:
    order = await steps.placed()
    await refund(steps, order, 500, uuid4())
    await forget_refunds(steps, order)
    await attempt(steps.orders.begin_cancel, cancel(order))

    reversed_ = await insist(steps.payments.reverse, reverse(order))

    assert reversed_.reversal is Reversal.REFUNDED
    assert await given_back(steps, order) == [500, 1500]
