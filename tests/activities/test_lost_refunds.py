"""A refund that the books have lost, since they were restored from an older copy, is never taken for the next one."""

from uuid import UUID, uuid4

import pytest

from activities.reconciliation.refunds import LostRefunds
from contracts.orders import PlaceOrder
from contracts.payments import LookUpPayment, PaymentAnswer, PaymentDecision, PaymentLookedUp, Reversal
from contracts.refunds import BeginRefund, RefundAnswer, RefundStep
from db.reconciliation import books
from domain.errors import RefundTooLargeError
from domain.refunds import RefundStatus
from models.columns import utc_now
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


async def adopted(steps: Steps, order: PlaceOrder) -> bool:
    """Compare the order's payment with the books as reconciliation does, and write down what they have lost."""
    [payment] = [one async for one in steps.provider.ledger() if one.order_id == order.order_id]
    async with steps.sessions.begin() as session:
        known = await books.entries(session, "stripe", [(payment.reference, order.order_id)], before=utc_now())
    return await LostRefunds(steps.sessions).adopt(order.order_id, payment, known[payment.reference], "stripe")


async def known(steps: Steps, order: PlaceOrder) -> list[tuple[object, ...]]:
    """List what the books know of an order's refunds: operation, which refund, amount, and how both have ended."""
    return await steps.shop.run(
        "SELECT split_part(o.key, ':', 3), o.refund_id, o.amount, o.state, r.state FROM payment_operations o"
        " JOIN refunds r ON r.id = o.refund_id WHERE o.order_id = :id AND o.operation = 'refund' ORDER BY o.n",
        id=order.order_id,
    )


async def test_lost_refund_is_written_down_as_what_it_was(steps: Steps) -> None:
    order, lost = await steps.placed(), uuid4()
    await refund(steps, order, 500, lost)
    before = await known(steps, order)
    await forget_refunds(steps, order)

    assert [await adopted(steps, order), await adopted(steps, order)] == [True, False]

    assert await known(steps, order) == before == [("1", lost, 500, "succeeded", "succeeded")]
    assert await steps.books(order.order_id) == ("partially_refunded", 2000, 500)
    assert await given_back(steps, order) == [500]


async def test_lost_refund_whose_number_another_one_has_got_since_is_written_down_under_the_next(steps: Steps) -> None:
    order, lost, other = await steps.placed(), uuid4(), uuid4()
    await refund(steps, order, 500, lost)
    await forget_refunds(steps, order)
    await refund(steps, order, 700, other)

    assert [await adopted(steps, order), await adopted(steps, order)] == [True, False]

    given = [("1", other, 700, "succeeded", "succeeded"), ("2", lost, 500, "succeeded", "succeeded")]
    assert await known(steps, order) == given
    assert await steps.books(order.order_id) == ("partially_refunded", 2000, 1200)
    assert await given_back(steps, order) == [500, 700]

    await refund(steps, order, 800, uuid4())
    assert await adopted(steps, order) is False
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)


async def test_refund_that_is_begun_while_another_is_written_down_is_none_too_many(steps: Steps) -> None:
    order = await steps.placed()
    await refund(steps, order, 1500, uuid4())
    await forget_refunds(steps, order)
    await refund(steps, order, 500, uuid4())
    begin = BeginRefund(order.order_id, uuid4(), 1500, "GBP", "damaged", "operator:7")
    await attempt(steps.refunding.begin, begin)

    with pytest.raises(RefundTooLargeError):
        await adopted(steps, order)

    assert await given_back(steps, order) == [1500, 500]
    assert (await steps.books(order.order_id))[2] == 500


async def test_lost_refund_that_fails_later_does_not_take_back_the_one_that_has_its_number(steps: Steps) -> None:
    order, other = await steps.placed(), uuid4()
    await steps.sandbox.misbehave("pending", operation="refund", order_id=str(order.order_id))
    await refund(steps, order, 500, uuid4())
    await forget_refunds(steps, order)
    await refund(steps, order, 700, other)
    [payment] = [one async for one in steps.provider.ledger() if one.order_id == order.order_id]
    await steps.sandbox.control("POST", f"refunds/{payment.refunds[0].reference}/settle", {"status": "failed"})

    seen = await attempt(steps.payments.look_up, LookUpPayment(order.order_id, 1))

    assert seen == PaymentLookedUp(PaymentAnswer(PaymentDecision.APPROVED))
    assert await known(steps, order) == [("1", other, 700, "succeeded", "succeeded")]
    assert await steps.books(order.order_id) == ("partially_refunded", 2000, 700)
