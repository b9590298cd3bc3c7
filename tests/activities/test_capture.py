import asyncio

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import PlaceOrder
from contracts.payments import PaymentAnswer, PaymentDecision, PaymentReversed, Reversal
from tests.support.meddler import CrashError
from tests.support.steps import Steps, at_once, attempt, authorise, capture, insist, reverse

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
CAPTURED = [("succeeded", 2000, 0)]


async def authorised(steps: Steps) -> PlaceOrder:
    order = await steps.opened()
    await insist(steps.payments.authorise, authorise(order))
    return order


async def test_capturing_takes_the_money_once(steps: Steps) -> None:
    order = await authorised(steps)

    assert await attempt(steps.payments.capture, capture(order)) == APPROVED

    assert await steps.intents(order.order_id) == CAPTURED
    assert await steps.books(order.order_id) == ("captured", 2000, 0)
    assert await steps.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    before = await steps.everything(order)
    assert await attempt(steps.payments.capture, capture(order), 2) == APPROVED
    assert await steps.everything(order) == before
    assert steps.meddler.asked == ["prepare", "authorise", "capture"]


async def test_twenty_captures_at_once_take_the_money_once(steps: Steps) -> None:
    order = await authorised(steps)

    assert await at_once(steps.payments.capture, capture(order)) == [APPROVED] * 20

    assert await steps.intents(order.order_id) == CAPTURED
    assert await steps.books(order.order_id) == ("captured", 2000, 0)


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("moment", ["before capture", "after capture"])
async def test_capture_after_a_crash_takes_the_money_once(steps: Steps, moment: str, number: int) -> None:
    order = await authorised(steps)
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.capture, capture(order))
    assert (await steps.operations(order.order_id))["capture:1"] == "started"

    assert await attempt(steps.payments.capture, capture(order), number) == APPROVED

    assert await steps.intents(order.order_id) == CAPTURED
    assert await steps.books(order.order_id) == ("captured", 2000, 0)


@pytest.mark.parametrize("moment", ["before capture", "after capture"])
async def test_overtaken_capture_agrees_with_the_one_that_overtook_it(steps: Steps, moment: str) -> None:
    order = await authorised(steps)
    hold = steps.meddler.hold(moment)
    slow = asyncio.create_task(attempt(steps.payments.capture, capture(order)))
    await hold.reached.wait()

    assert await attempt(steps.payments.capture, capture(order), 5) == APPROVED
    hold.opened.set()

    assert await slow == APPROVED
    assert await steps.intents(order.order_id) == CAPTURED


async def test_nothing_is_captured_that_was_not_authorised(steps: Steps) -> None:
    order = await steps.opened()
    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.payments.capture, capture(order))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.payment_abandoned", True)
    assert steps.meddler.asked == []
    assert await steps.operations(order.order_id) == {}


async def test_authorisation_that_the_bank_has_let_go_is_declined_and_nothing_is_taken(steps: Steps) -> None:
    order = await authorised(steps)
    [row] = await steps.sandbox.fetch("SELECT id FROM payment_intents WHERE order_id = $1", str(order.order_id))
    await steps.sandbox.call("POST", f"/v1/payment_intents/{row['id']}/cancel")

    assert await attempt(steps.payments.capture, capture(order)) == PaymentAnswer(PaymentDecision.DECLINED, "cancelled")
    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert await steps.books(order.order_id) == ("authorised", 0, 0)


async def test_capture_before_its_undo_is_refunded_and_capturing_again_refuses(steps: Steps) -> None:
    order = await steps.paid()
    await insist(steps.payments.reverse, reverse(order))
    before = await steps.everything(order)

    for step, request in ((steps.payments.authorise, authorise(order)), (steps.payments.capture, capture(order))):
        with pytest.raises(ApplicationError) as refused:
            await attempt(step, request)  # type: ignore[arg-type]
        assert refused.value.type == "everorder.payment_abandoned"

    assert await insist(steps.payments.reverse, reverse(order)) == PaymentReversed(Reversal.REFUNDED, 2000)
    assert await steps.everything(order) == before
    assert await steps.intents(order.order_id) == [("succeeded", 2000, 2000)]
    assert await steps.refunds(order.order_id) == [2000]


async def test_capture_that_is_overtaken_by_its_undo_before_the_call_takes_nothing(steps: Steps) -> None:
    order = await authorised(steps)
    hold = steps.meddler.hold("before capture")
    late = asyncio.create_task(attempt(steps.payments.capture, capture(order)))
    await hold.reached.wait()

    assert await insist(steps.payments.reverse, reverse(order)) == PaymentReversed(Reversal.VOIDED)
    hold.opened.set()
    with pytest.raises(ApplicationError) as refused:
        await late

    assert refused.value.type == "everorder.payment_abandoned"
    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert await steps.books(order.order_id) == ("voided", 0, 0)
    expected = {"authorise:1": "succeeded", "capture:1": "abandoned", "void:1": "succeeded"}
    assert await steps.operations(order.order_id) == expected


async def test_capture_that_is_overtaken_by_its_undo_after_the_call_is_refunded(steps: Steps) -> None:
    order = await authorised(steps)
    hold = steps.meddler.hold("after capture")
    late = asyncio.create_task(attempt(steps.payments.capture, capture(order)))
    await hold.reached.wait()

    assert await insist(steps.payments.reverse, reverse(order)) == PaymentReversed(Reversal.REFUNDED, 2000)
    hold.opened.set()
    with pytest.raises(ApplicationError) as refused:
        await late

    assert refused.value.type == "everorder.payment_abandoned"
    assert await steps.intents(order.order_id) == [("succeeded", 2000, 2000)]
    assert await steps.refunds(order.order_id) == [2000]
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)
    expected = {"authorise:1": "succeeded", "capture:1": "succeeded", "refund:1": "succeeded"}
    assert await steps.operations(order.order_id) == expected
