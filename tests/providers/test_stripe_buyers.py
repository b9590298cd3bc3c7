"""Buyers who are known to the provider: saved methods, payments without them, and what the bank wants to see."""

from uuid import UUID, uuid4

import httpx2
import pytest

from domain.declines import DeclineKind
from domain.money import Money
from domain.provider_payments import ProviderPayment, ProviderPaymentState, ProviderRefusedError
from providers.stripe import StripeProvider
from tests.support.sandbox import SandboxForTests

TOTAL = Money(4_200, "GBP")
State = ProviderPaymentState


async def buyer_of(provider: StripeProvider) -> str:
    """Have a payment make a buyer, as the first one of an order does that keeps its method."""
    order_id = uuid4()
    reference = await provider.prepare(f"{order_id}:authorise:1", order_id, TOTAL, keep=True)
    return (await provider.find(reference)).buyer or ""


async def pay(
    provider: StripeProvider,
    buyer: str | None,
    method: str,
    *,
    keep: bool = False,
    off_session: bool = False,
    order_id: UUID | None = None,
) -> ProviderPayment:
    order = order_id or uuid4()
    key = f"{order}:authorise:1"
    reference = await provider.prepare(key, order, TOTAL, buyer=buyer, keep=keep)
    return await provider.authorise(key, reference, method, off_session=off_session)


async def test_buyer_is_created_once_and_the_provider_learns_nothing_but_our_id(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    key = f"{order_id}:authorise:1"
    references = {await provider.prepare(key, order_id, TOTAL, keep=True) for _ in range(3)}
    assert len(references) == 1
    rows = await sandbox.fetch("SELECT metadata FROM customers WHERE metadata ->> 'order_id' = $1", str(order_id))
    assert [row["metadata"] for row in rows] == [f'{{"order_id": "{order_id}"}}']


async def test_kept_method_pays_again_without_the_buyer_until_it_is_forgotten(provider: StripeProvider) -> None:
    buyer = await buyer_of(provider)
    first = await pay(provider, buyer, "pm_card_mastercard", keep=True)
    assert (first.state, first.buyer) == (State.AUTHORISED, buyer)
    assert first.method is not None
    [saved] = await provider.saved_methods(buyer)
    assert (saved.reference, saved.label) == (first.method, "mastercard 4242")

    again = await pay(provider, buyer, saved.reference, off_session=True)
    assert (again.state, again.method) == (State.AUTHORISED, saved.reference)

    for _ in range(2):
        await provider.forget_buyer(buyer)
    for late in (
        provider.saved_methods(buyer),
        provider.save_method("late", buyer, "pm_card_visa"),
        pay(provider, buyer, saved.reference, off_session=True),
    ):
        with pytest.raises(ProviderRefusedError, match=r"^resource_missing$"):
            await late
    with pytest.raises(ProviderRefusedError, match=r"^payment_method_unexpected_state$"):
        await pay(provider, None, saved.reference)
    assert (await provider.find(first.reference)).state is State.AUTHORISED


async def test_buyer_who_is_forgotten_while_they_pay_leaves_no_method(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    key = f"{order_id}:authorise:1"
    reference = await provider.prepare(key, order_id, TOTAL, keep=True)
    buyer = (await provider.find(reference)).buyer or ""
    await provider.forget_buyer(buyer)

    await provider.authorise(key, reference, "pm_card_visa")

    assert await sandbox.fetch("SELECT id FROM payment_methods WHERE customer = $1", buyer) == []


async def test_method_kept_by_a_guest_pays_the_next_payment_of_the_order_without_the_guest(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    order_id = uuid4()
    first = await pay(provider, None, "pm_card_visa", keep=True, order_id=order_id)
    rows = await sandbox.fetch("SELECT metadata FROM customers WHERE id = $1", first.buyer)
    assert [row["metadata"] for row in rows] == [f'{{"order_id": "{order_id}"}}']

    key = f"{order_id}:authorise:2"
    reference = await provider.prepare(key, order_id, TOTAL)
    again = await provider.authorise(key, reference, first.method or "", off_session=True)

    assert (again.state, again.buyer, again.method) == (State.AUTHORISED, first.buyer, first.method)
    assert (await provider.authorise(key, reference, first.method or "", off_session=True)) == again


async def test_method_that_was_not_kept_can_not_be_used_again(provider: StripeProvider) -> None:
    buyer = await buyer_of(provider)
    first = await pay(provider, buyer, "pm_card_visa")
    assert await provider.saved_methods(buyer) == []
    with pytest.raises(ProviderRefusedError, match=r"^payment_method_unexpected_state$"):
        await pay(provider, buyer, first.method or "", off_session=True)


async def test_declined_method_is_not_kept(provider: StripeProvider) -> None:
    buyer = await buyer_of(provider)
    declined = await pay(provider, buyer, "pm_card_chargeDeclinedInsufficientFunds", keep=True)
    assert (declined.state, declined.decline) == (State.DECLINED, DeclineKind.SOFT)
    assert await provider.saved_methods(buyer) == []


async def test_saved_method_belongs_to_its_buyer_alone(provider: StripeProvider) -> None:
    mine, theirs = await buyer_of(provider), await buyer_of(provider)
    saved = await provider.save_method("save-1", mine, "pm_card_visa")
    assert (await pay(provider, mine, saved.reference)).state is State.AUTHORISED
    with pytest.raises(ProviderRefusedError, match=r"^payment_method_unexpected_state$"):
        await pay(provider, theirs, saved.reference)
    with pytest.raises(ProviderRefusedError):
        await provider.save_method("save-2", theirs, saved.reference)
    assert await provider.saved_methods(theirs) == []


async def test_method_that_the_bank_declines_can_not_be_saved(provider: StripeProvider) -> None:
    buyer = await buyer_of(provider)
    with pytest.raises(ProviderRefusedError, match=r"^card_declined$"):
        await provider.save_method("save-3", buyer, "pm_card_chargeDeclined")
    later = await provider.save_method("save-4", buyer, "pm_card_chargeCustomerFail")
    assert (await pay(provider, buyer, later.reference, off_session=True)).state is State.DECLINED


async def test_unknown_buyer_is_refused(provider: StripeProvider) -> None:
    with pytest.raises(ProviderRefusedError, match=r"^resource_missing$"):
        await pay(provider, "cus_of_nobody", "pm_card_visa")
    with pytest.raises(ProviderRefusedError, match=r"^resource_missing$"):
        await provider.saved_methods("cus_of_nobody")


async def test_bank_that_wants_to_see_the_buyer_declines_when_they_are_not_there(provider: StripeProvider) -> None:
    buyer = await buyer_of(provider)
    saved = await provider.save_method("save-5", buyer, "pm_card_authenticationRequired")
    declined = await pay(provider, buyer, saved.reference, off_session=True)
    assert (declined.state, declined.decline_code) == (State.DECLINED, "authentication_required")
    assert declined.decline is DeclineKind.HARD


async def test_method_that_was_authenticated_once_is_kept_and_asks_no_more(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    buyer = await buyer_of(provider)
    asked = await pay(provider, buyer, "pm_card_authenticationRequiredOnSetup", keep=True)
    assert asked.state is State.ACTION_REQUIRED
    assert await provider.saved_methods(buyer) == []
    await sandbox.control("POST", f"payment_intents/{asked.reference}/authenticate")
    [saved] = await provider.saved_methods(buyer)
    assert (await pay(provider, buyer, saved.reference, off_session=True)).state is State.AUTHORISED


async def test_secret_is_there_while_the_buyer_has_to_act_and_is_never_printed(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    asked = await pay(provider, None, "pm_card_authenticationRequired")
    assert asked.client_secret is not None
    assert asked.client_secret.startswith(f"{asked.reference}_secret_")
    assert asked.client_secret not in repr(asked)
    assert (await provider.find(asked.reference)).client_secret == asked.client_secret

    await sandbox.control("POST", f"payment_intents/{asked.reference}/authenticate")

    found = await provider.find(asked.reference)
    assert (found.state, found.client_secret) == (State.AUTHORISED, None)


async def test_failed_authentication_is_a_hard_decline_and_another_card_may_follow(
    provider: StripeProvider, sandbox: SandboxForTests
) -> None:
    asked = await pay(provider, None, "pm_card_authenticationRequired")
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = f"{sandbox.url}/_sandbox/payment_intents/{asked.reference}/authenticate"
        assert (await client.post(url, json={"passes": False})).status_code == 402
    failed = await provider.find(asked.reference)
    assert (failed.state, failed.decline, failed.client_secret) == (State.DECLINED, DeclineKind.HARD, None)
    passed = await provider.authorise("o:authorise:2", asked.reference, "pm_card_visa")
    assert passed.state is State.AUTHORISED


@pytest.mark.parametrize(
    ("total", "text"),
    [
        (Money(4_200, "JPY"), "<td>4200 JPY</td>"),
        (Money(4_200, "KWD"), "<td>4.200 KWD</td>"),
        (Money(42, "ISK"), "<td>42.00 ISK</td>"),
    ],
)
async def test_page_writes_amounts_with_the_digits_of_their_currency(
    provider: StripeProvider, sandbox: SandboxForTests, total: Money, text: str
) -> None:
    order_id = uuid4()
    reference = await provider.prepare(f"{order_id}:authorise:1", order_id, total)
    await provider.authorise(f"{order_id}:authorise:1", reference, "pm_card_authenticationRequired")

    async with httpx2.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        [row] = [line for line in (await client.get("/_sandbox")).text.split("<tr>") if str(order_id) in line]
    assert text in row


async def test_page_lets_a_developer_play_the_buyer(provider: StripeProvider, sandbox: SandboxForTests) -> None:
    order_id = uuid4()
    asked = await pay(provider, None, "pm_card_authenticationRequired", order_id=order_id)
    async with httpx2.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        page = await client.get("/_sandbox")
        assert str(order_id) in page.text
        assert "42.00 GBP" in page.text
        pressed = await client.post(
            f"/_sandbox/payment_intents/{asked.reference}/authenticate", data={"passes": "true"}
        )
        assert (pressed.status_code, pressed.headers["location"]) == (303, "/_sandbox")
        assert str(order_id) not in (await client.get("/_sandbox")).text
    assert (await provider.find(asked.reference)).state is State.AUTHORISED
