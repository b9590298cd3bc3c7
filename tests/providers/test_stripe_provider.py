"""The provider against a real sandbox: what each operation answers, and what the provider's ledger says afterwards."""

import asyncio
import traceback
from uuid import UUID, uuid4

import pytest

from activities.ports import PaymentProvider
from domain.declines import kind_of
from domain.money import Money
from domain.provider_payments import (
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefundState,
)
from providers.stripe import StripeProvider
from tests.support.sandbox import SandboxForTests, installation

TOTAL = Money(4_200, "GBP")

DECLINES = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedStolenCard": "stolen_card",
    "pm_card_chargeDeclinedFraudulent": "fraudulent",
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": "card_velocity_exceeded",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
    "pm_card_chargeDeclinedProcessingError": "processing_error",
}


def keys(order_id: UUID, number: int = 1) -> dict[str, str]:
    return {name: f"{order_id}:{name}:{number}" for name in ("authorise", "capture", "void", "refund")}


async def prepared(provider: StripeProvider, order_id: UUID, total: Money = TOTAL) -> str:
    return await provider.prepare(f"{order_id}:authorise:1", order_id, total)


async def captured(provider: StripeProvider, order_id: UUID, total: Money = TOTAL) -> str:
    reference = await prepared(provider, order_id, total)
    await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
    await provider.capture(f"{order_id}:capture:1", reference, total)
    return reference


def test_provider_satisfies_the_port(provider: StripeProvider) -> None:
    port: PaymentProvider = provider
    assert port.name == "stripe"


async def test_payment_is_prepared_authorised_captured_and_refunded_in_parts(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    key = keys(order_id)
    reference = await prepared(provider, order_id)
    state = ProviderPaymentState

    def seen(payment: ProviderPayment) -> tuple[object, ...]:
        assert (payment.reference, payment.order_id, payment.key) == (reference, order_id, key["authorise"])
        assert payment.amount == TOTAL
        return payment.state, payment.capturable, payment.captured, payment.refunded

    assert seen(await provider.find(reference)) == (state.PREPARED, 0, 0, 0)
    authorised = await provider.authorise(key["authorise"], reference, "pm_card_visa")
    assert seen(authorised) == seen(await provider.find(reference)) == (state.AUTHORISED, 4_200, 0, 0)
    assert seen(await provider.capture(key["capture"], reference, TOTAL)) == (state.CAPTURED, 0, 4_200, 0)
    first = await provider.refund(key["refund"], reference, Money(200, "GBP"))
    assert (first.key, first.amount, first.state) == (key["refund"], 200, RefundState.SUCCEEDED)
    assert seen(await provider.find(reference)) == (state.CAPTURED, 0, 4_200, 200)
    second = await provider.refund(f"{order_id}:refund:2", reference, Money(4_000, "GBP"))
    assert seen(await provider.find(reference)) == (state.CAPTURED, 0, 4_200, 4_200)
    assert second.reference != first.reference
    (row,) = await sandbox.fetch(
        "SELECT id, status, amount, captured_amount, refunded_amount FROM payment_intents WHERE order_id = $1",
        str(order_id),
    )
    assert tuple(row) == (reference, "succeeded", 4_200, 4_200, 4_200)


@pytest.mark.parametrize(("token", "decline_code"), DECLINES.items())
async def test_declined_card_is_an_answer_and_takes_nothing(
    provider: StripeProvider, sandbox: SandboxForTests, token: str, decline_code: str
) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    declined = await provider.authorise(f"{order_id}:authorise:1", reference, token)
    assert (declined.state, declined.decline_code) == (ProviderPaymentState.DECLINED, decline_code)
    assert (declined.capturable, declined.captured, declined.decline) == (0, 0, kind_of(decline_code))
    assert await provider.find(reference) == declined
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.capture(f"{order_id}:capture:1", reference, TOTAL)


async def test_declined_payment_may_be_authorised_with_another_card(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa_chargeDeclined")
    payment = await provider.authorise(f"{order_id}:authorise:2", reference, "pm_card_mastercard")
    assert (payment.state, payment.decline_code) == (ProviderPaymentState.AUTHORISED, None)


async def test_card_that_authenticates_asks_for_action_until_the_bank_answers(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    asked = await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_authenticationRequired")
    assert asked.state is ProviderPaymentState.ACTION_REQUIRED
    with pytest.raises(ProviderRefusedError):
        await provider.capture(f"{order_id}:capture:1", reference, TOTAL)
    await sandbox.control("POST", f"payment_intents/{reference}/authenticate")
    assert (await provider.find(reference)).state is ProviderPaymentState.AUTHORISED


async def test_unknown_payment_method_is_refused_and_leaves_the_payment_prepared(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    with pytest.raises(ProviderRefusedError) as refusal:
        await provider.authorise(f"{order_id}:authorise:1", reference, "pm_of_nobody")
    assert refusal.value.code == "resource_missing"
    assert (await provider.find(reference)).state is ProviderPaymentState.PREPARED


async def test_unknown_payment_is_refused(provider: StripeProvider) -> None:
    with pytest.raises(ProviderRefusedError, match=r"^resource_missing$"):
        await provider.find("pi_of_nobody")


async def test_impossible_amount_is_refused(provider: StripeProvider) -> None:
    with pytest.raises(ProviderRefusedError, match=r"^parameter_invalid_integer$"):
        await prepared(provider, uuid4(), Money(0, "GBP"))


@pytest.mark.parametrize("token", ["", "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"])
async def test_void_cancels_for_good_in_every_state_before_capture(provider: StripeProvider, token: str) -> None:
    order_id = uuid4()
    key = keys(order_id)
    reference = await prepared(provider, order_id)
    if token:
        await provider.authorise(key["authorise"], reference, token)
    cancelled = await provider.void(key["void"], reference)
    assert (cancelled.state, cancelled.capturable, cancelled.captured) == (ProviderPaymentState.CANCELLED, 0, 0)
    assert await provider.void(f"{order_id}:void:2", reference) == cancelled
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.authorise(f"{order_id}:authorise:2", reference, "pm_card_visa")
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.capture(key["capture"], reference, TOTAL)
    assert await provider.find(reference) == cancelled


async def test_captured_payment_can_not_be_voided(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.void(f"{order_id}:void:1", reference)
    assert (await provider.find(reference)).captured == 4_200


async def test_more_than_was_authorised_can_not_be_captured(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
    with pytest.raises(ProviderRefusedError, match=r"^amount_too_large$"):
        await provider.capture(f"{order_id}:capture:1", reference, Money(4_201, "GBP"))
    assert (await provider.find(reference)).state is ProviderPaymentState.AUTHORISED


async def test_partial_capture_lets_the_rest_go_and_counts_it_neither_as_captured_nor_as_refunded(
    provider: StripeProvider,
) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_visa")
    await provider.capture(f"{order_id}:capture:1", reference, Money(1_000, "GBP"))
    found = await provider.find(reference)
    assert (found.captured, found.refunded) == (1_000, 0)
    await provider.refund(f"{order_id}:refund:1", reference, Money(300, "GBP"))
    refunded = await provider.find(reference)
    assert (refunded.captured, refunded.refunded) == (1_000, 300)


async def test_more_than_was_captured_can_not_be_refunded(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    with pytest.raises(ProviderRefusedError, match=r"^invalid_request_error$"):
        await provider.refund(f"{order_id}:refund:1", reference, Money(4_201, "GBP"))
    await provider.refund(f"{order_id}:refund:2", reference, TOTAL)
    with pytest.raises(ProviderRefusedError, match=r"^charge_already_refunded$"):
        await provider.refund(f"{order_id}:refund:3", reference, Money(1, "GBP"))
    assert (await provider.find(reference)).refunded == 4_200


async def test_uncaptured_payment_can_not_be_refunded(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await prepared(provider, order_id)
    with pytest.raises(ProviderRefusedError, match=r"^payment_intent_unexpected_state$"):
        await provider.refund(f"{order_id}:refund:1", reference, TOTAL)


async def test_repeated_operations_with_their_keys_have_one_effect(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    key = keys(order_id)
    references = {await prepared(provider, order_id) for _ in range(3)}
    assert len(references) == 1
    reference = references.pop()
    for _ in range(3):
        await provider.authorise(key["authorise"], reference, "pm_card_visa")
    for _ in range(3):
        await provider.capture(key["capture"], reference, TOTAL)
    refunds = [await provider.refund(key["refund"], reference, Money(100, "GBP")) for _ in range(3)]
    assert refunds == [refunds[0]] * 3
    (row,) = await sandbox.fetch("SELECT sum(amount), count(*) FROM refunds WHERE payment_intent = $1", reference)
    assert tuple(row) == (100, 1)


async def test_key_with_other_parameters_is_refused_and_changes_nothing(provider: StripeProvider) -> None:
    order_id = uuid4()
    reference = await captured(provider, order_id)
    await provider.refund(f"{order_id}:refund:1", reference, Money(100, "GBP"))
    with pytest.raises(ProviderRefusedError, match=r"^idempotency_error$"):
        await provider.refund(f"{order_id}:refund:1", reference, Money(200, "GBP"))
    assert (await provider.find(reference)).refunded == 100


async def test_ledger_lists_every_payment_newest_first_over_several_pages(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    await sandbox.fetch(
        "INSERT INTO payment_intents (id, amount, currency, status, capture_method, metadata) "
        "SELECT 'pi_ledger_' || n, n, 'gbp', 'requires_payment_method', 'manual', '{\"order_id\": \"no uuid\"}' "
        "FROM generate_series(1, 203) AS n ORDER BY n"
    )
    order_id = uuid4()
    reference = await captured(provider, order_id)
    await provider.refund(f"{order_id}:refund:1", reference, Money(200, "GBP"))
    ledger = [payment async for payment in provider.ledger()]
    assert ledger[0] == await provider.find(reference)
    assert (ledger[0].order_id, ledger[0].captured, ledger[0].refunded) == (order_id, 4_200, 200)
    assert [payment.amount.amount for payment in ledger[1:204]] == list(range(203, 0, -1))
    assert {payment.order_id for payment in ledger[1:204]} == {None}
    rows = await sandbox.fetch("SELECT id FROM payment_intents ORDER BY seq DESC")
    assert [payment.reference for payment in ledger] == [row["id"] for row in rows]


async def test_nobody_listening_is_an_unknown_outcome_without_secrets() -> None:
    provider = StripeProvider("sk_test_do_not_print_me", "http://127.0.0.1:9", timeout=2, installation=installation)
    with pytest.raises(ProviderUnavailableError) as failure:
        await provider.authorise("key-of-mine", "pi_1", "pm_card_visa")
    await provider.close()
    assert str(failure.value) == "APIConnectionError"
    assert "do_not_print_me" not in "".join(traceback.format_exception(failure.value))
    assert failure.value.__cause__ is None


async def test_answer_that_never_comes_ends_with_the_time_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client gives up
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = StripeProvider("sk_test_x", f"http://127.0.0.1:{port}", timeout=0.3, installation=installation)
    async with asyncio.timeout(3), server:
        with pytest.raises(ProviderUnavailableError):
            await provider.find("pi_1")
        await provider.close()


async def test_refused_secret_key_is_unavailable_rather_than_a_refused_order(sandbox: SandboxForTests) -> None:
    provider = StripeProvider("sk_live_do_not_print_me", sandbox.url, timeout=2, installation=installation)
    with pytest.raises(ProviderUnavailableError) as failure:
        await provider.find("pi_1")
    await provider.close()
    assert str(failure.value) == "AuthenticationError 401"
    assert "do_not_print_me" not in "".join(traceback.format_exception(failure.value))
