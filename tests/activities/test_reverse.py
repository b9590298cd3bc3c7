import asyncio

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import OrderStep, PlaceOrder
from contracts.payments import PaymentReversed, Reversal
from domain.provider_payments import ProviderUnavailableError
from tests.support.meddler import CrashError
from tests.support.steps import (
    Steps,
    another_card,
    at_once,
    attempt,
    authorise,
    capture,
    declined,
    insist,
    reverse,
)

NOTHING = PaymentReversed(Reversal.NOTHING_TAKEN)
VOIDED = PaymentReversed(Reversal.VOIDED)
REFUNDED = PaymentReversed(Reversal.REFUNDED, 2000)


async def authorised(steps: Steps) -> PlaceOrder:
    order = await steps.opened()
    await insist(steps.payments.authorise, authorise(order))
    return order


async def reference_of(steps: Steps, order: PlaceOrder) -> str:
    [row] = await steps.sandbox.fetch("SELECT id FROM payment_intents WHERE order_id = $1", str(order.order_id))
    return str(row["id"])


async def test_undo_of_what_never_began_asks_nobody_and_leaves_its_tombstones(steps: Steps) -> None:
    order = await steps.opened()

    assert await at_once(steps.payments.reverse, reverse(order)) == [NOTHING] * 20

    assert steps.meddler.asked == []
    assert await steps.operations(order.order_id) == {"authorise:1": "abandoned", "capture:1": "abandoned"}
    assert await steps.books(order.order_id) == ("none", 0, 0)


async def test_authorised_money_is_let_go_once(steps: Steps) -> None:
    order = await authorised(steps)

    assert await attempt(steps.payments.reverse, reverse(order)) == VOIDED

    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert await steps.books(order.order_id) == ("voided", 0, 0)
    before = await steps.everything(order)
    assert await at_once(steps.payments.reverse, reverse(order)) == [VOIDED] * 20
    assert await steps.everything(order) == before
    assert await steps.refunds(order.order_id) == []


async def test_twenty_undos_at_once_let_authorised_money_go(steps: Steps) -> None:
    order = await authorised(steps)

    assert await at_once(steps.payments.reverse, reverse(order)) == [VOIDED] * 20

    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert (await steps.operations(order.order_id))["void:1"] == "succeeded"


async def test_twenty_undos_at_once_refund_captured_money_once(steps: Steps) -> None:
    order = await steps.paid()

    assert await at_once(steps.payments.reverse, reverse(order)) == [REFUNDED] * 20

    assert await steps.intents(order.order_id) == [("succeeded", 2000, 2000)]
    assert await steps.refunds(order.order_id) == [2000]
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)


async def test_declined_attempt_is_closed_at_the_provider_and_the_decline_stays_on_record(steps: Steps) -> None:
    order = await steps.opened(card="pm_card_visa_chargeDeclinedInsufficientFunds")
    await insist(steps.payments.authorise, authorise(order))

    assert await insist(steps.payments.reverse, reverse(order)) == VOIDED

    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert await steps.books(order.order_id) == ("none", 0, 0)
    assert (await steps.operations(order.order_id))["authorise:1"] == "declined"


@pytest.mark.parametrize("moment", ["before find", "after find", "before void", "after void"])
async def test_undo_after_a_crash_lets_authorised_money_go(steps: Steps, moment: str) -> None:
    order = await authorised(steps)
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.reverse, reverse(order))

    assert await attempt(steps.payments.reverse, reverse(order), 2) == VOIDED

    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert await steps.books(order.order_id) == ("voided", 0, 0)
    assert "started" not in (await steps.operations(order.order_id)).values()


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("moment", ["before find", "after find", "before refund", "after refund"])
async def test_undo_after_a_crash_refunds_captured_money_once(steps: Steps, moment: str, number: int) -> None:
    order = await steps.paid()
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.reverse, reverse(order))

    assert await attempt(steps.payments.reverse, reverse(order), number) == REFUNDED

    assert await steps.refunds(order.order_id) == [2000]
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)
    assert "started" not in (await steps.operations(order.order_id)).values()


async def test_capture_that_lands_between_a_crashed_void_and_the_next_try_is_refunded(steps: Steps) -> None:
    order = await authorised(steps)
    late = steps.meddler.hold("before capture")
    capturing = asyncio.create_task(attempt(steps.payments.capture, capture(order)))
    await late.reached.wait()
    steps.meddler.crash("before void")
    with pytest.raises(CrashError):
        await attempt(steps.payments.reverse, reverse(order))
    late.opened.set()
    with pytest.raises(ApplicationError):
        await capturing

    assert await attempt(steps.payments.reverse, reverse(order), 2) == REFUNDED

    assert await steps.refunds(order.order_id) == [2000]
    expected = {"authorise:1": "succeeded", "capture:1": "succeeded", "void:1": "abandoned", "refund:1": "succeeded"}
    assert await steps.operations(order.order_id) == expected


async def test_capture_that_lands_between_the_look_up_and_the_void_is_refunded(steps: Steps) -> None:
    order = await authorised(steps)
    hold = steps.meddler.hold("before void")
    undoing = asyncio.create_task(attempt(steps.payments.reverse, reverse(order)))
    await hold.reached.wait()
    await steps.sandbox.call("POST", f"/v1/payment_intents/{await reference_of(steps, order)}/capture")
    hold.opened.set()

    assert await undoing == REFUNDED
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)
    assert (await steps.operations(order.order_id))["void:1"] == "abandoned"


async def test_what_an_operator_has_refunded_by_hand_is_not_refunded_again(steps: Steps) -> None:
    order = await steps.paid()
    reference = await reference_of(steps, order)
    await steps.sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "500"})

    assert await insist(steps.payments.reverse, reverse(order)) == REFUNDED

    assert sorted(await steps.refunds(order.order_id)) == [500, 1500]
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)


async def test_refund_by_hand_between_the_look_up_and_ours_is_still_all_of_it_and_no_more(steps: Steps) -> None:
    order = await steps.paid()
    hold = steps.meddler.hold("before refund")
    undoing = asyncio.create_task(attempt(steps.payments.reverse, reverse(order)))
    await hold.reached.wait()
    await steps.sandbox.call("POST", "/v1/refunds", {"payment_intent": await reference_of(steps, order)})
    hold.opened.set()

    assert await undoing == REFUNDED
    assert await steps.refunds(order.order_id) == [2000]


async def test_refund_that_the_provider_refuses_needs_an_operator_and_is_not_written_down_as_done(
    steps: Steps,
) -> None:
    order = await steps.paid()
    hold = steps.meddler.hold("before refund")
    undoing = asyncio.create_task(attempt(steps.payments.reverse, reverse(order)))
    await hold.reached.wait()
    reference = await reference_of(steps, order)
    await steps.sandbox.call("POST", "/v1/refunds", {"payment_intent": reference, "amount": "1"})
    hold.opened.set()
    with pytest.raises(ApplicationError) as refused:
        await undoing

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.refund_refused", True)
    assert await steps.books(order.order_id) == ("captured", 2000, 0)
    assert await steps.refunds(order.order_id) == [1]
    assert await attempt(steps.payments.reverse, reverse(order), 5) == REFUNDED
    assert sorted(await steps.refunds(order.order_id)) == [1, 1999]


async def test_provider_that_is_away_leaves_the_fence_up_and_the_money_to_the_next_try(steps: Steps) -> None:
    order = await authorised(steps)
    await steps.sandbox.misbehave("drop_before", operation="cancel", times=1, order_id=str(order.order_id))

    with pytest.raises(ProviderUnavailableError):
        await attempt(steps.payments.reverse, reverse(order))
    with pytest.raises(ApplicationError, match="its undo has run"):
        await attempt(steps.payments.capture, capture(order))

    assert await steps.intents(order.order_id) == [("requires_capture", 0, 0)]
    assert await attempt(steps.payments.reverse, reverse(order), 2) == VOIDED


async def test_order_that_was_refunded_is_not_placed_by_a_second_card_and_gives_that_money_back_too(
    steps: Steps,
) -> None:
    order = await steps.paid()
    await insist(steps.payments.reverse, reverse(order))
    await attempt(steps.orders.require_payment, declined(order))
    await attempt(steps.orders.retry_payment, another_card(order))
    await insist(steps.payments.authorise, authorise(order, 2, "pm_card_mastercard"))
    await insist(steps.payments.capture, capture(order, 2))

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.place, OrderStep(order.order_id))

    assert refused.value.type == "everorder.unpaid_order"
    assert await insist(steps.payments.reverse, reverse(order, 2)) == REFUNDED
    assert await steps.intents(order.order_id) == [("succeeded", 2000, 2000), ("succeeded", 2000, 2000)]
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)


async def test_first_attempt_undone_again_does_not_touch_the_books_of_the_second(steps: Steps) -> None:
    order = await authorised(steps)
    await insist(steps.payments.reverse, reverse(order))
    await attempt(steps.orders.require_payment, declined(order))
    await attempt(steps.orders.retry_payment, another_card(order))
    await insist(steps.payments.authorise, authorise(order, 2, "pm_card_mastercard"))

    assert await insist(steps.payments.reverse, reverse(order)) == VOIDED
    assert await steps.books(order.order_id) == ("authorised", 0, 0)
    assert await steps.intents(order.order_id) == [("canceled", 0, 0), ("requires_capture", 0, 0)]
