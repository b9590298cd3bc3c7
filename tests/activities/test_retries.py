"""Paying again without the buyer, for orders that have opted in: with a method that is kept, where it can be."""

import json

import pytest

from contracts.orders import PlaceOrder
from contracts.payments import AuthorisePayment, PaymentAnswer, PaymentDecision
from tests.support.meddler import CrashError
from tests.support.steps import TOTAL, Steps, at_once, attempt

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
NO_FUNDS = PaymentAnswer(PaymentDecision.DECLINED, "insufficient_funds", passes=True)
NEVER_KEPT = "pm_card_visa_chargeDeclinedInsufficientFunds"


def first(order: PlaceOrder) -> AuthorisePayment:
    return AuthorisePayment(order.order_id, 1, TOTAL, order.payment_method or "", keep=True)


def retry(order: PlaceOrder, number: int = 2) -> AuthorisePayment:
    return AuthorisePayment(order.order_id, number, TOTAL, order.payment_method or "", keep=True, off_session=True)


async def declined(steps: Steps, *, times: int = 1) -> PlaceOrder:
    """Have an order whose first payment is declined for want of money, and perhaps its retries."""
    order = await steps.opened()
    await steps.sandbox.misbehave("declined", operation="confirm", order_id=str(order.order_id), times=times)
    assert await attempt(steps.payments.authorise, first(order)) == NO_FUNDS
    return order


async def customers(steps: Steps, order: PlaceOrder) -> list[dict[str, str]]:
    """List whom the payments of an order belong to, at the provider: nothing of them is known but the order."""
    rows = await steps.sandbox.fetch(
        "SELECT DISTINCT c.id, c.metadata::text AS known FROM customers c JOIN payment_intents p ON p.customer = c.id"
        " WHERE p.order_id = $1",
        str(order.order_id),
    )
    return [json.loads(row["known"]) for row in rows]


async def kept(steps: Steps, order: PlaceOrder) -> int:
    rows = await steps.sandbox.fetch(
        "SELECT DISTINCT m.id FROM payment_methods m JOIN payment_intents p ON p.customer = m.customer"
        " WHERE p.order_id = $1",
        str(order.order_id),
    )
    return len(rows)


async def test_retry_pays_with_a_method_that_is_kept_for_the_same_customer(steps: Steps) -> None:
    order = await declined(steps)

    assert await attempt(steps.payments.authorise, retry(order)) == APPROVED

    assert await customers(steps, order) == [{"order_id": str(order.order_id)}]
    assert await kept(steps, order) == 1
    assert await steps.intents(order.order_id) == [("requires_capture", 0, 0)]


async def test_next_retry_pays_with_what_is_kept_already(steps: Steps) -> None:
    order = await declined(steps, times=2)
    assert await attempt(steps.payments.authorise, retry(order)) == NO_FUNDS

    assert await attempt(steps.payments.authorise, retry(order, 3)) == APPROVED

    assert steps.meddler.asked.count("save_method") == 1
    assert len(await customers(steps, order)) == 1
    assert await kept(steps, order) == 1


async def test_method_that_its_bank_does_not_let_keep_is_declined_as_it_is(steps: Steps) -> None:
    order = await steps.opened(card=NEVER_KEPT)
    assert await attempt(steps.payments.authorise, first(order)) == NO_FUNDS

    assert await attempt(steps.payments.authorise, retry(order)) == NO_FUNDS

    assert len(await customers(steps, order)) == 1
    assert await kept(steps, order) == 0
    assert await steps.intents(order.order_id) == []


@pytest.mark.parametrize("moment", ["before save_method", "after save_method", "after prepare", "after authorise"])
async def test_retry_after_a_crash_reserves_the_money_once(steps: Steps, moment: str) -> None:
    order = await declined(steps)
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.authorise, retry(order))

    assert await attempt(steps.payments.authorise, retry(order), 2) == APPROVED

    assert await steps.intents(order.order_id) == [("requires_capture", 0, 0)]
    assert await kept(steps, order) == 1


async def test_many_tries_of_a_retry_at_once_reserve_the_money_once(steps: Steps) -> None:
    order = await declined(steps)

    assert await at_once(steps.payments.authorise, retry(order), 8) == [APPROVED] * 8

    assert await steps.intents(order.order_id) == [("requires_capture", 0, 0)]
    assert await kept(steps, order) == 1
