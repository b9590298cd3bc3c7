import asyncio

import pytest
from temporalio.exceptions import ApplicationError

from contracts.payments import PaymentAnswer, PaymentDecision
from tests.support.meddler import CrashError
from tests.support.steps import Steps, at_once, attempt, authorise, insist, reverse

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
AUTHORISED = [("requires_capture", 0, 0)]
MOMENTS = ["before prepare", "after prepare", "before authorise", "after authorise"]
DECLINES = {
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_that_does_not_exist": "resource_missing",
}


async def test_authorising_reserves_the_money_once_and_takes_none(steps: Steps) -> None:
    order = await steps.opened()

    assert await attempt(steps.payments.authorise, authorise(order)) == APPROVED

    assert await steps.intents(order.order_id) == AUTHORISED
    assert await steps.books(order.order_id) == ("authorised", 0, 0)
    assert await steps.shop.run(
        "SELECT key, amount, currency, provider, state, code, provider_reference IS NOT NULL FROM payment_operations"
        " WHERE order_id = :id",
        id=order.order_id,
    ) == [(f"{order.order_id}:authorise:1", 2000, "GBP", "stripe", "succeeded", None, True)]
    assert steps.meddler.asked == ["prepare", "authorise"]


async def test_authorising_twice_asks_the_provider_once(steps: Steps) -> None:
    order = await steps.opened()
    await attempt(steps.payments.authorise, authorise(order))
    before = await steps.everything(order)

    assert await attempt(steps.payments.authorise, authorise(order), 2) == APPROVED

    assert await steps.everything(order) == before
    assert steps.meddler.asked == ["prepare", "authorise"]


async def test_twenty_authorisations_at_once_reserve_the_money_once(steps: Steps) -> None:
    order = await steps.opened()

    assert await at_once(steps.payments.authorise, authorise(order)) == [APPROVED] * 20

    assert await steps.intents(order.order_id) == AUTHORISED
    assert await steps.operations(order.order_id) == {"authorise:1": "succeeded"}
    assert await steps.books(order.order_id) == ("authorised", 0, 0)


@pytest.mark.parametrize(("card", "code"), DECLINES.items())
async def test_decline_is_an_answer_that_reserves_nothing_and_stays_the_same(
    steps: Steps, card: str, code: str
) -> None:
    order = await steps.opened(card=card)
    declined = PaymentAnswer(PaymentDecision.DECLINED, code, passes=code == "insufficient_funds")

    assert await attempt(steps.payments.authorise, authorise(order)) == declined
    assert await at_once(steps.payments.authorise, authorise(order)) == [declined] * 20

    assert await steps.books(order.order_id) == ("none", 0, 0)
    assert await steps.operations(order.order_id) == {"authorise:1": "declined"}
    assert AUTHORISED[0] not in await steps.intents(order.order_id)
    assert (await steps.snapshot(order)).decline_code == code


async def test_twenty_declines_at_once_are_one_decline(steps: Steps) -> None:
    order = await steps.opened(card="pm_card_visa_chargeDeclined")
    declined = PaymentAnswer(PaymentDecision.DECLINED, "generic_decline")

    assert await at_once(steps.payments.authorise, authorise(order)) == [declined] * 20
    assert await steps.intents(order.order_id) == []


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_authorisation_after_a_crash_reserves_the_money_once(steps: Steps, moment: str, number: int) -> None:
    order = await steps.opened()
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.authorise, authorise(order))
    assert await steps.operations(order.order_id) == {"authorise:1": "started"}

    assert await attempt(steps.payments.authorise, authorise(order), number) == APPROVED

    assert await steps.intents(order.order_id) == AUTHORISED
    assert await steps.operations(order.order_id) == {"authorise:1": "succeeded"}
    assert await steps.books(order.order_id) == ("authorised", 0, 0)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_decline_after_a_crash_is_still_that_decline(steps: Steps, moment: str) -> None:
    order = await steps.opened(card="pm_card_visa_chargeDeclinedInsufficientFunds")
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.authorise, authorise(order))

    answer = await attempt(steps.payments.authorise, authorise(order), 2)

    assert answer == PaymentAnswer(PaymentDecision.DECLINED, "insufficient_funds", passes=True)
    assert await steps.intents(order.order_id) == []


@pytest.mark.parametrize("moment", MOMENTS)
async def test_overtaken_attempt_agrees_with_the_one_that_overtook_it(steps: Steps, moment: str) -> None:
    order = await steps.opened()
    hold = steps.meddler.hold(moment)
    slow = asyncio.create_task(attempt(steps.payments.authorise, authorise(order)))
    await hold.reached.wait()

    assert await attempt(steps.payments.authorise, authorise(order), 5) == APPROVED
    hold.opened.set()

    assert await slow == APPROVED
    assert await steps.intents(order.order_id) == AUTHORISED


async def test_confirmation_that_lands_between_the_look_up_and_the_next_one_is_no_decline(steps: Steps) -> None:
    order = await steps.opened()
    late, early = steps.meddler.hold("before authorise"), steps.meddler.hold("after find")
    first = asyncio.create_task(attempt(steps.payments.authorise, authorise(order)))
    await late.reached.wait()
    second = asyncio.create_task(attempt(steps.payments.authorise, authorise(order), 5))
    await early.reached.wait()
    late.opened.set()
    assert await first == APPROVED
    early.opened.set()

    assert await second == APPROVED
    assert await steps.intents(order.order_id) == AUTHORISED


async def test_payment_that_another_attempt_has_noted_first_is_the_one_that_is_confirmed(steps: Steps) -> None:
    order = await steps.opened()
    hold = steps.meddler.hold("after prepare")
    slow = asyncio.create_task(attempt(steps.payments.authorise, authorise(order), 5))
    await hold.reached.wait()
    steps.meddler.crash("before authorise")
    with pytest.raises(CrashError):
        await attempt(steps.payments.authorise, authorise(order))
    hold.opened.set()

    assert await slow == APPROVED
    rows = await steps.sandbox.fetch(
        "SELECT status FROM payment_intents WHERE order_id = $1 ORDER BY seq", str(order.order_id)
    )
    assert sorted(row["status"] for row in rows) == ["requires_capture", "requires_payment_method"]


async def test_authorising_after_its_undo_refuses_and_never_reaches_the_provider(steps: Steps) -> None:
    order = await steps.opened()
    await attempt(steps.payments.reverse, reverse(order))

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.payments.authorise, authorise(order))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.payment_abandoned", True)
    assert steps.meddler.asked == []
    assert await steps.operations(order.order_id) == {"authorise:1": "abandoned", "capture:1": "abandoned"}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_authorisation_that_is_overtaken_by_its_undo_refuses_and_reserves_nothing(
    steps: Steps, moment: str
) -> None:
    order = await steps.opened()
    hold = steps.meddler.hold(moment)
    late = asyncio.create_task(attempt(steps.payments.authorise, authorise(order)))
    await hold.reached.wait()

    await insist(steps.payments.reverse, reverse(order))
    hold.opened.set()
    with pytest.raises(ApplicationError) as refused:
        await late

    assert refused.value.type == "everorder.payment_abandoned"
    assert await steps.intents(order.order_id) == ([("canceled", 0, 0)] if "authorise" in moment else [])
    assert await steps.books(order.order_id) == ("none", 0, 0)
    assert (await steps.operations(order.order_id))["authorise:1"] == "abandoned"
