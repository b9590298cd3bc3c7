"""Steps that die around a provider call, against a server that nobody here wrote and that ignores idempotency keys.

What keeps each effect single is then nothing but looking the payment up before asking again.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from contracts.orders import PlaceOrder
from contracts.payments import AuthorisePayment, PaymentAnswer, PaymentDecision, PaymentReversed, Reversal
from domain.provider_payments import ProviderPayment, ProviderPaymentState
from providers.stripe import StripeProvider
from tests.support import localstripe
from tests.support.localstripe import LocalstripeDialect, running_localstripe
from tests.support.meddler import CrashError
from tests.support.sandbox import SandboxForTests, installation
from tests.support.shop import Shop
from tests.support.steps import TOTAL, Request, Result, Step, Steps, attempt, authorise, capture, insist, reverse

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
State = ProviderPaymentState


@pytest.fixture(scope="module")
def localstripe_url() -> Iterator[str]:
    with running_localstripe() as url:
        yield url


@pytest.fixture
async def steps(shop: Shop, sandbox: SandboxForTests, localstripe_url: str) -> AsyncIterator[Steps]:
    provider = StripeProvider(
        localstripe.SECRET_KEY, localstripe_url, transport=LocalstripeDialect(5.0), installation=installation
    )
    yield Steps(shop, provider, sandbox)
    await provider.close()


async def payments_of(steps: Steps, order: PlaceOrder) -> list[tuple[State, int, int]]:
    """List what the server says of an order's payments that were touched: state, captured, refunded."""
    listed = [one async for one in steps.provider.ledger() if one.order_id == order.order_id]
    return [_seen(one) for one in listed if one.state is not State.PREPARED]


def _seen(payment: ProviderPayment) -> tuple[State, int, int]:
    return payment.state, payment.captured, payment.refunded


async def survive(steps: Steps, moment: str, step: Step[Request, Result], request: Request) -> Result:
    """Kill a step at a moment, then have it tried again."""
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(step, request)
    return await insist(step, request, 2)


@pytest.mark.parametrize("moment", ["before prepare", "after prepare", "before authorise", "after authorise"])
async def test_authorisation_that_died_reserves_the_money_once(steps: Steps, moment: str) -> None:
    order = await steps.opened()
    answer = await survive(steps, moment, steps.payments.authorise, authorise(order))
    assert answer.decision is PaymentDecision.APPROVED
    assert await payments_of(steps, order) == [(State.AUTHORISED, 0, 0)]
    assert await steps.operations(order.order_id) == {"authorise:1": "succeeded"}


@pytest.mark.parametrize("moment", ["before capture", "after capture"])
async def test_capture_that_died_takes_the_money_once(steps: Steps, moment: str) -> None:
    order = await steps.opened()
    await insist(steps.payments.authorise, authorise(order))
    assert await survive(steps, moment, steps.payments.capture, capture(order)) == APPROVED
    assert await payments_of(steps, order) == [(State.CAPTURED, 2000, 0)]
    assert await steps.books(order.order_id) == ("captured", 2000, 0)


@pytest.mark.parametrize("moment", ["before void", "after void"])
async def test_void_that_died_lets_the_money_go(steps: Steps, moment: str) -> None:
    order = await steps.opened()
    await insist(steps.payments.authorise, authorise(order))
    answer = await survive(steps, moment, steps.payments.reverse, reverse(order))
    assert answer == PaymentReversed(Reversal.VOIDED)
    assert await payments_of(steps, order) == [(State.CANCELLED, 0, 0)]
    assert (await steps.books(order.order_id))[0] == "voided"


@pytest.mark.parametrize("moment", ["before refund", "after refund"])
async def test_refund_that_died_gives_the_money_back_once(steps: Steps, moment: str) -> None:
    order = await steps.paid()
    answer = await survive(steps, moment, steps.payments.reverse, reverse(order))
    assert answer == PaymentReversed(Reversal.REFUNDED, 2000)
    assert await payments_of(steps, order) == [(State.CAPTURED, 2000, 2000)]
    assert await steps.books(order.order_id) == ("refunded", 2000, 2000)


async def test_retries_without_the_buyer_use_one_method_that_is_kept_for_one_customer(steps: Steps) -> None:
    order = await steps.opened(card="pm_card_chargeCustomerFail")
    asked = AuthorisePayment(order.order_id, 1, TOTAL, order.payment_method or "", keep=True)
    answers = [await attempt(steps.payments.authorise, asked)]
    for number in (2, 3):
        retry = replace(asked, attempt=number, off_session=True)
        answers.append(await attempt(steps.payments.authorise, retry))

    assert {answer.decision for answer in answers} == {PaymentDecision.DECLINED}
    [buyer] = {one.buyer async for one in steps.provider.ledger() if one.order_id == order.order_id}
    assert len(await steps.provider.saved_methods(buyer or "")) == 1
    assert steps.meddler.asked.count("save_method") == 1
