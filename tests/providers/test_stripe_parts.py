"""Payments in parts: several captures, refunds that take their time, disputes, and reservations that run out."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from domain.declines import DeclineKind
from domain.money import Money
from domain.provider_payments import (
    ProviderCapture,
    ProviderPaymentState,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefundState,
)
from providers.stripe import StripeProvider
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation

TOTAL = Money(4_200, "GBP")
State = ProviderPaymentState


def pounds(amount: int) -> Money:
    return Money(amount, "GBP")


async def authorised(provider: StripeProvider, order_id: UUID, card: str = "pm_card_visa") -> str:
    reference = await provider.prepare(f"{order_id}:authorise:1", order_id, TOTAL)
    await provider.authorise(f"{order_id}:authorise:1", reference, card)
    return reference


async def captured(provider: StripeProvider, order_id: UUID, card: str = "pm_card_visa") -> str:
    reference = await authorised(provider, order_id, card)
    await provider.capture(f"{order_id}:capture:1", reference, TOTAL)
    return reference


async def test_several_captures_take_their_parts_and_each_is_told_by_its_key(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await authorised(provider, order_id)

    first = await provider.capture(f"{order_id}:capture:1", reference, pounds(1_000), last=False)
    assert (first.state, first.captured, first.capturable) == (State.AUTHORISED, 1_000, 3_200)
    again = await provider.capture(f"{order_id}:capture:1", reference, pounds(1_000), last=False)
    assert again.captured == 1_000
    second = await provider.capture(f"{order_id}:capture:2:4", reference, pounds(700), last=False)
    assert (second.captured, second.capturable) == (1_700, 2_500)
    third = await provider.capture(f"{order_id}:capture:3", reference, pounds(2_000))

    assert (third.state, third.captured, third.capturable) == (State.CAPTURED, 3_700, 0)
    assert third.captures == (
        ProviderCapture(f"{order_id}:capture:1", 1_000),
        ProviderCapture(f"{order_id}:capture:2", 700),
        ProviderCapture(f"{order_id}:capture:3", 2_000),
    )
    found = await provider.find(reference)
    assert (found.captured, found.refunded) == (3_700, 0)


async def test_more_than_is_left_can_not_be_captured_and_nothing_after_the_last(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await authorised(provider, order_id)
    await provider.capture(f"{order_id}:capture:1", reference, pounds(4_000), last=False)
    with pytest.raises(ProviderRefusedError, match=r"^amount_too_large$"):
        await provider.capture(f"{order_id}:capture:2", reference, pounds(201))
    await provider.capture(f"{order_id}:capture:3", reference, pounds(100))
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.capture(f"{order_id}:capture:4", reference, pounds(100))
    found = await provider.find(reference)
    assert (found.captured, [capture.amount for capture in found.captures]) == (4_100, [4_000, 100])


async def test_captures_at_once_never_take_more_than_was_authorised(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await authorised(provider, order_id)

    answers = await asyncio.gather(
        *(provider.capture(f"{order_id}:capture:{n}", reference, pounds(1_000), last=False) for n in range(1, 10)),
        return_exceptions=True,
    )

    assert sum(not isinstance(answer, BaseException) for answer in answers) == 4
    assert (await provider.find(reference)).captured == 4_000


async def test_void_after_a_partial_capture_lets_the_rest_go_and_keeps_the_part(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await authorised(provider, order_id)
    await provider.capture(f"{order_id}:capture:1", reference, pounds(1_000), last=False)

    for voided in (await provider.void(f"{order_id}:void:1", reference), await provider.find(reference)):
        assert (voided.state, voided.captured, voided.capturable) == (State.CAPTURED, 1_000, 0)

    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.void(f"{order_id}:void:2", reference)
    assert (await provider.find(reference)).refunded == 0


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_credit_disableEnterpriseCardFeatures"])
async def test_refunds_of_a_part_are_counted_rightly_whether_or_not_more_captures_were_possible(
    provider: StripeProvider, card: str
) -> None:
    order_id = uuid4()
    reference = await authorised(provider, order_id, card)
    await provider.capture(f"{order_id}:capture:1", reference, pounds(1_000))
    await provider.refund(f"{order_id}:refund:1", reference, pounds(300))
    found = await provider.find(reference)
    assert (found.captured, found.refunded, found.capturable) == (1_000, 300, 0)


async def test_card_or_account_without_multicapture_refuses_to_be_captured_twice(sandbox: SandboxForTests) -> None:
    provider = StripeProvider(SECRET_KEY, sandbox.url, multicapture=False, installation=installation)
    for card in ("pm_card_visa", "pm_card_credit_disableEnterpriseCardFeatures"):
        order_id = uuid4()
        reference = await authorised(provider, order_id, card)
        with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
            await provider.capture(f"{order_id}:capture:1", reference, pounds(1_000), last=False)
        assert (await provider.find(reference)).captured == 0
    await provider.close()


async def test_authorisation_tells_when_it_ends_and_ends_then(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await provider.prepare(f"{order_id}:authorise:1", order_id, TOTAL)
    answer = await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
    assert answer.authorised_until is not None
    assert timedelta(days=6) < answer.authorised_until - datetime.now(UTC) < timedelta(days=8)
    assert (await provider.find(reference)).authorised_until == answer.authorised_until

    await sandbox.control("POST", f"payment_intents/{reference}/expire")

    assert (await provider.find(reference)).state is State.CANCELLED
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.capture(f"{order_id}:capture:1", reference, TOTAL)


async def test_short_authorisation_ends_by_itself_and_what_was_captured_stays(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    await sandbox.control("POST", "delays", {"name": "authorisation", "seconds": 0.5})
    untouched = await authorised(provider, uuid4())
    await sandbox.control("POST", "delays", {"name": "authorisation", "seconds": 604_800})
    async with asyncio.timeout(20):
        while (await provider.find(untouched)).state is not State.CANCELLED:  # noqa: ASYNC110 - the sandbox's clock knows
            await asyncio.sleep(0.05)
    order_id = uuid4()
    begun = await authorised(provider, order_id)
    await provider.capture(f"{order_id}:capture:1", begun, pounds(900), last=False)
    await sandbox.control("POST", f"payment_intents/{begun}/expire")
    kept = await provider.find(begun)
    assert (kept.state, kept.captured, kept.capturable) == (State.CAPTURED, 900, 0)


async def test_pending_refund_is_looked_up_until_it_has_succeeded(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    await sandbox.misbehave("pending", operation="refund", order_id=str(order_id))
    refund = await provider.refund(f"{order_id}:refund:1", reference, pounds(500))
    assert (refund.state, refund.key) == (RefundState.PENDING, f"{order_id}:refund:1")
    found = await provider.find(reference)
    assert (found.refunded, found.refunds) == (500, (refund,))

    await sandbox.control("POST", f"refunds/{refund.reference}/settle", {"status": "succeeded"})

    [settled] = (await provider.find(reference)).refunds
    assert (settled.reference, settled.state) == (refund.reference, RefundState.SUCCEEDED)


async def test_refund_that_fails_later_counts_no_more_and_may_be_asked_for_again(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id, "pm_card_refundFail")
    refund = await provider.refund(f"{order_id}:refund:1", reference, TOTAL)
    assert refund.state is RefundState.SUCCEEDED

    await sandbox.control("POST", f"refunds/{refund.reference}/settle", {"status": "failed"})

    failed = await provider.find(reference)
    assert (failed.refunded, [one.state for one in failed.refunds]) == (0, [RefundState.FAILED])
    again = await provider.refund(f"{order_id}:refund:2", reference, TOTAL)
    found = await provider.find(reference)
    assert (found.refunded, [one.key for one in found.refunds]) == (
        4_200,
        [f"{order_id}:refund:1", f"{order_id}:refund:2"],
    )
    assert again.reference != refund.reference


async def test_card_whose_refunds_are_pending_settles_them_by_itself(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id, "pm_card_pendingRefund")
    await sandbox.control("POST", "delays", {"name": "refund", "seconds": 0.3})
    refund = await provider.refund(f"{order_id}:refund:1", reference, pounds(100))
    await sandbox.control("POST", "delays", {"name": "refund", "seconds": 60})
    assert refund.state is RefundState.PENDING
    async with asyncio.timeout(20):
        while (await provider.find(reference)).refunds[0].state is RefundState.PENDING:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
    assert (await provider.find(reference)).refunds[0].state is RefundState.SUCCEEDED


async def test_refused_refund_moves_nothing_and_stays_refused_under_its_key(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    await sandbox.misbehave("refused", operation="refund", order_id=str(order_id))
    for _ in range(2):
        with pytest.raises(ProviderRefusedError, match=r"^charge_disputed$"):
            await provider.refund(f"{order_id}:refund:1", reference, TOTAL)
    found = await provider.find(reference)
    assert (found.refunded, found.refunds) == (0, ())


async def test_dispute_shows_on_the_payment_refuses_refunds_and_ends(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    dispute = (await sandbox.control("POST", f"payment_intents/{reference}/dispute")).json()
    disputed = await provider.find(reference)
    assert (disputed.disputed, disputed.dispute_lost) == (True, False)
    assert (disputed.state, disputed.captured, disputed.refunded) == (State.CAPTURED, 4_200, 0)
    with pytest.raises(ProviderRefusedError, match=r"^charge_disputed$"):
        await provider.refund(f"{order_id}:refund:1", reference, TOTAL)

    await sandbox.control("POST", f"disputes/{dispute['id']}/close", {"status": "won"})

    won = await provider.find(reference)
    assert (won.disputed, won.dispute_lost) == (False, False)
    assert (await provider.refund(f"{order_id}:refund:2", reference, TOTAL)).state is RefundState.SUCCEEDED


async def test_lost_dispute_stays_on_the_payment_and_in_the_ledger(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    dispute = (await sandbox.control("POST", f"payment_intents/{reference}/dispute")).json()
    await sandbox.control("POST", f"disputes/{dispute['id']}/close", {"status": "lost"})
    lost = await provider.find(reference)
    assert (lost.disputed, lost.dispute_lost) == (True, True)
    [listed] = [payment async for payment in provider.ledger() if payment.reference == reference]
    assert listed == lost


async def test_decline_on_demand_hits_any_card_once_and_says_whether_to_try_again(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    for code, kind in (("insufficient_funds", DeclineKind.SOFT), ("stolen_card", DeclineKind.HARD)):
        order_id = uuid4()
        await sandbox.misbehave("declined", operation="confirm", order_id=str(order_id), code=code)
        reference = await provider.prepare(f"{order_id}:authorise:1", order_id, TOTAL)
        declined = await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
        assert (declined.state, declined.decline_code, declined.decline) == (State.DECLINED, code, kind)
        passed = await provider.authorise(f"{order_id}:authorise:2", reference, "pm_card_visa")
        assert (passed.state, passed.decline) == (State.AUTHORISED, None)


async def test_currency_whose_units_differ_at_stripe_is_charged_and_given_back_as_much_as_here(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id, total = uuid4(), Money(4_200, "ISK")
    key = f"{order_id}:authorise:1"
    reference = await provider.prepare(key, order_id, total)
    authorised = await provider.authorise(key, reference, "pm_card_visa")
    taken = await provider.capture(f"{order_id}:capture:1", reference, Money(4_000, "ISK"))
    given = await provider.refund(f"{order_id}:refund:1", reference, Money(1_500, "ISK"))

    rows = await sandbox.fetch(
        "SELECT amount, captured_amount, refunded_amount FROM payment_intents WHERE id = $1", reference
    )
    assert [tuple(row) for row in rows] == [(420_000, 400_000, 150_000)]
    assert (authorised.amount, authorised.capturable, taken.captured, given.amount) == (total, 4_200, 4_000, 1_500)
    found = await provider.find(reference)
    assert (found.amount, found.captured, found.refunded, found.refunds) == (total, 4_000, 1_500, (given,))
    assert [(one.key, one.amount) for one in found.captures] == [(f"{order_id}:capture:1", 4_000)]


async def test_amount_that_stripe_has_no_unit_for_is_refused_and_nothing_is_made(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    with pytest.raises(ProviderRefusedError, match=r"^amount_not_payable$"):
        await provider.prepare(f"{order_id}:authorise:1", order_id, Money(550, "MGA"))
    assert await sandbox.fetch("SELECT 1 FROM payment_intents WHERE order_id = $1", str(order_id)) == []


async def test_ledger_since_a_time_leaves_older_payments_out(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    old, new = await authorised(provider, uuid4()), await authorised(provider, uuid4())
    await sandbox.fetch("UPDATE payment_intents SET created_at = created_at - interval '1 day' WHERE id = $1", old)
    since = datetime.now(UTC) - timedelta(hours=1)
    listed = {payment.reference async for payment in provider.ledger(since)}
    assert (new in listed, old in listed) == (True, False)


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "replay_error"])
async def test_partial_capture_whose_answer_is_lost_is_found_by_its_key(
    provider: StripeProvider, sandbox: SandboxForTests, fault: str
) -> None:
    order_id = uuid4()
    reference = await authorised(provider, order_id)
    await provider.capture(f"{order_id}:capture:1", reference, pounds(1_000), last=False)
    await sandbox.misbehave(fault, operation="capture", order_id=str(order_id))
    with pytest.raises(ProviderUnavailableError):
        await provider.capture(f"{order_id}:capture:2", reference, pounds(1_000), last=False)
    found = await provider.find(reference)
    assert found.captures[-1] == ProviderCapture(f"{order_id}:capture:2", 1_000)
    assert (found.captured, found.capturable) == (2_000, 2_200)


async def test_refunds_that_a_charge_leaves_out_are_found_too(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    given = [await provider.refund(f"{order_id}:refund:{n}", reference, pounds(100)) for n in range(1, 14)]

    shown = await sandbox.call("GET", f"/v1/payment_intents/{reference}", {"expand[0]": "latest_charge.refunds"})
    assert len(shown.json()["latest_charge"]["refunds"]["data"]) == 10
    found = await provider.find(reference)
    assert found.refunds == tuple(given)
    assert [one async for one in provider.ledger() if one.reference == reference] == [found]
