"""Each way in which the sandbox misbehaves: an unknown outcome, and then `find` tells the truth."""

import asyncio
from uuid import UUID, uuid4

import pytest

from domain.money import Money
from domain.provider_payments import ProviderPaymentState, ProviderRefusedError, ProviderUnavailableError
from providers.stripe import StripeProvider
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation

TOTAL = Money(4_200, "GBP")
WITH_EFFECT = {"drop_after": "APIConnectionError", "error_after": "APIError 500", "replay_error": "APIError 500"}
WITHOUT_EFFECT = {
    "drop_before": "APIConnectionError",
    "error_before": "APIError 500",
    "replay_error_before": "APIError 500",
    "rate_limited": "RateLimitError 429",
}
FAULTS = [(kind, text, True) for kind, text in WITH_EFFECT.items()]
FAULTS += [(kind, text, False) for kind, text in WITHOUT_EFFECT.items()]


async def payment_in(provider: StripeProvider, order_id: UUID, state: ProviderPaymentState) -> str:
    reference = await provider.prepare(f"{order_id}:authorise:1", order_id, TOTAL)
    if state is not ProviderPaymentState.PREPARED:
        await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
    if state is ProviderPaymentState.CAPTURED:
        await provider.capture(f"{order_id}:capture:1", reference, TOTAL)
    return reference


async def operate(provider: StripeProvider, operation: str, order_id: UUID, reference: str) -> None:
    match operation:
        case "confirm":
            await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
        case "capture":
            await provider.capture(f"{order_id}:capture:1", reference, TOTAL)
        case "cancel":
            await provider.void(f"{order_id}:void:1", reference)
        case "refund":
            await provider.refund(f"{order_id}:refund:1", reference, Money(100, "GBP"))


CHANGES = {
    "confirm": (ProviderPaymentState.PREPARED, ProviderPaymentState.AUTHORISED),
    "capture": (ProviderPaymentState.AUTHORISED, ProviderPaymentState.CAPTURED),
    "cancel": (ProviderPaymentState.AUTHORISED, ProviderPaymentState.CANCELLED),
    "refund": (ProviderPaymentState.CAPTURED, ProviderPaymentState.CAPTURED),
}


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize(("kind", "message", "happened"), FAULTS)
async def test_fault_is_an_unknown_outcome_and_find_tells_what_became_of_it(
    provider: StripeProvider, sandbox: SandboxForTests, operation: str, kind: str, message: str, *, happened: bool
) -> None:
    before, after = CHANGES[operation]
    order_id = uuid4()
    reference = await payment_in(provider, order_id, before)
    await sandbox.misbehave(kind, operation=operation)
    with pytest.raises(ProviderUnavailableError) as failure:
        await operate(provider, operation, order_id, reference)
    assert str(failure.value) == message
    found = await provider.find(reference)
    assert found.state is (after if happened else before)
    assert found.refunded == (100 if happened and operation == "refund" else 0)


@pytest.mark.parametrize(("kind", "message", "happened"), FAULTS)
async def test_fault_while_preparing_leaves_at_most_a_forgotten_payment_that_took_nothing(
    provider: StripeProvider, sandbox: SandboxForTests, kind: str, message: str, *, happened: bool
) -> None:
    order_id = uuid4()
    await sandbox.misbehave(kind, operation="create")
    with pytest.raises(ProviderUnavailableError, match=f"^{message}$"):
        await provider.prepare(f"{order_id}:authorise:1", order_id, TOTAL)
    rows = await sandbox.fetch("SELECT status FROM payment_intents WHERE order_id = $1", str(order_id))
    assert [row["status"] for row in rows] == (["requires_payment_method"] if happened else [])


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_repeated_call_after_a_lost_answer_brings_back_the_first_effect(
    provider: StripeProvider, sandbox: SandboxForTests, kind: str
) -> None:
    order_id = uuid4()
    reference = await payment_in(provider, order_id, ProviderPaymentState.CAPTURED)
    await sandbox.misbehave(kind, operation="refund")
    with pytest.raises(ProviderUnavailableError):
        await operate(provider, "refund", order_id, reference)
    await operate(provider, "refund", order_id, reference)
    assert (await provider.find(reference)).refunded == 100


@pytest.mark.parametrize("kind", ["replay_error", "replay_error_before"])
async def test_saved_error_comes_back_for_ever_under_its_key(
    provider: StripeProvider, sandbox: SandboxForTests, kind: str
) -> None:
    order_id = uuid4()
    reference = await payment_in(provider, order_id, ProviderPaymentState.AUTHORISED)
    await sandbox.misbehave(kind, operation="capture")
    for _ in range(3):
        with pytest.raises(ProviderUnavailableError, match=r"^APIError 500$"):
            await operate(provider, "capture", order_id, reference)
    found = await provider.find(reference)
    assert found.captured == (4_200 if kind == "replay_error" else 0)


async def test_forgotten_key_lets_a_repeated_refund_take_effect_again(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await payment_in(provider, order_id, ProviderPaymentState.CAPTURED)
    await operate(provider, "refund", order_id, reference)
    await sandbox.misbehave("forget_keys", operation="refund")
    await operate(provider, "refund", order_id, reference)
    assert (await provider.find(reference)).refunded == 200


async def test_forgotten_key_refuses_a_repeated_capture(provider: StripeProvider, sandbox: SandboxForTests) -> None:
    order_id = uuid4()
    reference = await payment_in(provider, order_id, ProviderPaymentState.CAPTURED)
    await sandbox.misbehave("forget_keys", operation="capture")
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await operate(provider, "capture", order_id, reference)
    assert (await provider.find(reference)).captured == 4_200


async def test_slow_capture_takes_effect_after_its_caller_gave_up(sandbox: SandboxForTests) -> None:
    hasty = StripeProvider(SECRET_KEY, sandbox.url, timeout=0.3, installation=installation)
    order_id = uuid4()
    reference = await payment_in(hasty, order_id, ProviderPaymentState.AUTHORISED)
    await sandbox.misbehave("slow", operation="capture", delay=0.8)
    with pytest.raises(ProviderUnavailableError, match=r"^timeout$"):
        await operate(hasty, "capture", order_id, reference)
    assert (await hasty.find(reference)).state is ProviderPaymentState.AUTHORISED
    await asyncio.sleep(0.8)
    assert (await hasty.find(reference)).state is ProviderPaymentState.CAPTURED
    await hasty.close()


async def test_slow_answer_comes_after_the_effect_and_its_key_is_in_use_meanwhile(sandbox: SandboxForTests) -> None:
    hasty = StripeProvider(SECRET_KEY, sandbox.url, timeout=0.3, installation=installation)
    order_id = uuid4()
    reference = await payment_in(hasty, order_id, ProviderPaymentState.AUTHORISED)
    await sandbox.misbehave("slow_after", operation="capture", delay=0.8)
    with pytest.raises(ProviderUnavailableError, match=r"^timeout$"):
        await operate(hasty, "capture", order_id, reference)
    assert (await hasty.find(reference)).state is ProviderPaymentState.CAPTURED
    with pytest.raises(ProviderUnavailableError, match=r"^APIError 409$"):
        await operate(hasty, "capture", order_id, reference)
    await hasty.close()


async def test_find_that_fails_says_nothing_and_works_the_next_time(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    reference = await payment_in(provider, uuid4(), ProviderPaymentState.PREPARED)
    await sandbox.misbehave("drop_before", operation="retrieve")
    with pytest.raises(ProviderUnavailableError):
        await provider.find(reference)
    assert (await provider.find(reference)).state is ProviderPaymentState.PREPARED


async def test_fault_of_one_order_spares_the_others(provider: StripeProvider, sandbox: SandboxForTests) -> None:
    struck, spared = uuid4(), uuid4()
    await sandbox.misbehave("error_before", operation="confirm", order_id=str(struck))
    for order_id in (spared, struck):
        reference = await payment_in(provider, order_id, ProviderPaymentState.PREPARED)
        if order_id == spared:
            await operate(provider, "confirm", order_id, reference)
        else:
            with pytest.raises(ProviderUnavailableError):
                await operate(provider, "confirm", order_id, reference)


async def test_fault_hits_as_often_as_it_was_told_and_reports_it(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    reference = await payment_in(provider, uuid4(), ProviderPaymentState.PREPARED)
    await sandbox.misbehave("error_before", operation="retrieve", times=2)
    failures = 0
    for _ in range(4):
        try:
            await provider.find(reference)
        except ProviderUnavailableError:
            failures += 1
    (fault,) = (await sandbox.control("GET", "faults")).json()["faults"]
    assert (failures, fault["hits"], fault["remaining"]) == (2, 2, 0)


async def test_fault_with_a_rate_hits_some(provider: StripeProvider, sandbox: SandboxForTests) -> None:
    reference = await payment_in(provider, uuid4(), ProviderPaymentState.PREPARED)
    await sandbox.misbehave("error_before", operation="retrieve", rate=0.5)
    failures = 0
    for _ in range(40):
        try:
            await provider.find(reference)
        except ProviderUnavailableError:
            failures += 1
    assert 4 < failures < 36  # outside once in a million runs
