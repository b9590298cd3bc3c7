"""What a provider is slower over than all tries: it is asked for once, and never a second time beside itself."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from contracts.payments import CapturePayment, PaymentAnswer, PaymentDecision
from contracts.refunds import BeginRefund, RefundAnswer, RefundStep
from domain.money import Money
from domain.provider_payments import ProviderUnavailableError
from domain.refunds import RefundStatus
from providers.stripe import StripeProvider
from tests.activities.test_crashes_after_placement import preparing
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation
from tests.support.shop import Shop
from tests.support.steps import Request, Result, Step, Steps, attempt

HASTE, SLOWNESS, PAUSE = 0.4, 2.0, 0.1


@pytest.fixture
async def hasty(shop: Shop, sandbox: SandboxForTests) -> AsyncIterator[Steps]:
    """Steps whose calls are given up long before a slow provider has done what they ask for."""
    provider = StripeProvider(SECRET_KEY, sandbox.url, timeout=HASTE, installation=installation)
    yield Steps(shop, provider, sandbox)
    await sandbox.behave()
    await provider.close()


async def insist(step: Step[Request, Result], request: Request) -> Result:
    """Try a step as Temporal does, with pauses that are shorter than the provider is slow."""
    number = 1
    while True:
        try:
            return await attempt(step, request, number)
        except ProviderUnavailableError:
            number += 1
            await asyncio.sleep(PAUSE)


async def slowly(step: Step[Request, Result], request: Request) -> Result:
    """Insist on a step whose first request is slow, and wait until that one is over, whatever became of others."""
    answer, _ = await asyncio.gather(insist(step, request), asyncio.sleep(SLOWNESS + 2 * HASTE))
    return answer


async def test_refund_that_outlasts_its_tries_is_made_once(hasty: Steps) -> None:
    order = await hasty.placed()
    step = RefundStep(order.order_id, uuid4())
    begin = BeginRefund(order.order_id, step.refund_id, 500, "GBP", "damaged", "operator:7")
    await attempt(hasty.refunding.begin, begin)
    await hasty.sandbox.misbehave("slow", operation="refund", order_id=str(order.order_id), delay=SLOWNESS)

    assert await slowly(hasty.refunding.give_back, step) == RefundAnswer(RefundStatus.SUCCEEDED)

    assert await hasty.refunds(order.order_id) == [500]
    assert await hasty.books(order.order_id) == ("partially_refunded", 2000, 500)


async def test_share_of_a_shipment_whose_capture_outlasts_its_tries_is_taken_once(hasty: Steps) -> None:
    order, _ = await preparing(hasty)
    share = CapturePayment(order.order_id, 1, Money(1000, "GBP"), n=1, last=False)
    await hasty.sandbox.misbehave("slow", operation="capture", order_id=str(order.order_id), delay=SLOWNESS)

    assert await slowly(hasty.payments.capture, share) == PaymentAnswer(PaymentDecision.APPROVED)

    assert await hasty.intents(order.order_id) == [("requires_capture", 1000, 0)]
    assert await hasty.books(order.order_id) == ("partially_captured", 1000, 0)


@pytest.mark.parametrize("kind", ["replay_error", "replay_error_before"])
async def test_failures_that_are_repeated_under_their_keys_are_got_over(hasty: Steps, kind: str) -> None:
    order, _ = await preparing(hasty)
    await hasty.sandbox.misbehave(kind, operation="capture", order_id=str(order.order_id), times=3)
    share = CapturePayment(order.order_id, 1, Money(1000, "GBP"), n=1, last=False)
    assert await insist(hasty.payments.capture, share) == PaymentAnswer(PaymentDecision.APPROVED)
    assert await hasty.intents(order.order_id) == [("requires_capture", 1000, 0)]

    paid = await hasty.placed()
    step = RefundStep(paid.order_id, uuid4())
    await attempt(hasty.refunding.begin, BeginRefund(paid.order_id, step.refund_id, 500, "GBP", "damaged", "staff"))
    await hasty.sandbox.misbehave(kind, operation="refund", order_id=str(paid.order_id), times=3)
    assert await insist(hasty.refunding.give_back, step) == RefundAnswer(RefundStatus.SUCCEEDED)
    assert await hasty.refunds(paid.order_id) == [500]


async def test_refund_that_is_under_way_for_long_is_not_made_again_after_ten_others(steps: Steps) -> None:
    order = await steps.placed()
    given = [RefundStep(order.order_id, uuid4()) for _ in range(12)]
    await steps.sandbox.misbehave("pending", operation="refund", order_id=str(order.order_id))
    for step in given:
        begin = BeginRefund(order.order_id, step.refund_id, 100, "GBP", "damaged", "operator:7")
        await attempt(steps.refunding.begin, begin)
        await attempt(steps.refunding.give_back, step)
    await steps.sandbox.misbehave("forget_keys", operation="refund", order_id=str(order.order_id))

    assert await attempt(steps.refunding.give_back, given[0]) == RefundAnswer(RefundStatus.STARTED)

    assert await steps.refunds(order.order_id) == [100] * 12
