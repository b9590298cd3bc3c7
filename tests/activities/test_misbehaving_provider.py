"""The whole life of a payment against a provider that misbehaves in every way: one effect, and books that agree."""

import pytest

from contracts.payments import PaymentAnswer, PaymentDecision, PaymentReversed, Reversal
from tests.support.steps import Steps, authorise, capture, insist, reverse

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
FAULTS = [
    "drop_before",
    "drop_after",
    "error_before",
    "error_after",
    "replay_error",
    "replay_error_before",
    "forget_keys",
    "rate_limited",
]


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("operation", ["create", "confirm", "capture", "retrieve", "refund"])
async def test_captured_and_refunded_once_whatever_goes_wrong(steps: Steps, operation: str, kind: str) -> None:
    order = await steps.opened()
    await steps.sandbox.misbehave(kind, operation=operation, times=2, order_id=str(order.order_id))

    assert await insist(steps.payments.authorise, authorise(order)) == APPROVED
    assert await insist(steps.payments.capture, capture(order)) == APPROVED
    assert await steps.intents(order.order_id) == [("succeeded", 2000, 0)]
    assert await steps.books(order.order_id) == ("captured", 2000, 0)

    assert await insist(steps.payments.reverse, reverse(order)) == PaymentReversed(Reversal.REFUNDED, 2000)
    assert await steps.intents(order.order_id) == [("succeeded", 2000, 2000)]
    assert await steps.refunds(order.order_id) == [2000]
    assert set((await steps.operations(order.order_id)).values()) == {"succeeded"}


@pytest.mark.parametrize("kind", FAULTS)
async def test_voided_once_whatever_goes_wrong(steps: Steps, kind: str) -> None:
    order = await steps.opened()
    await insist(steps.payments.authorise, authorise(order))
    await steps.sandbox.misbehave(kind, operation="cancel", times=2, order_id=str(order.order_id))

    assert await insist(steps.payments.reverse, reverse(order)) == PaymentReversed(Reversal.VOIDED)

    assert await steps.intents(order.order_id) == [("canceled", 0, 0)]
    assert await steps.books(order.order_id) == ("voided", 0, 0)
    assert (await steps.operations(order.order_id))["void:1"] == "succeeded"


@pytest.mark.parametrize("kind", FAULTS)
async def test_decline_stays_a_decline_whatever_goes_wrong(steps: Steps, kind: str) -> None:
    order = await steps.opened(card="pm_card_visa_chargeDeclinedInsufficientFunds")
    await steps.sandbox.misbehave(kind, operation="confirm", times=2, order_id=str(order.order_id))

    answer = await insist(steps.payments.authorise, authorise(order))

    assert answer == PaymentAnswer(PaymentDecision.DECLINED, "insufficient_funds", passes=True)
    assert await steps.intents(order.order_id) == []
    assert await steps.books(order.order_id) == ("none", 0, 0)
