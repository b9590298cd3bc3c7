"""What holds of any payment provider: the port is a port. Each test runs with cards and with the shop's own book."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from activities.ports import PaymentProvider
from domain.money import Money
from domain.provider_payments import ProviderPayment, ProviderPaymentState, ProviderRefusedError, RefundState
from providers.manual import ManualProvider
from providers.stripe import StripeProvider
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation
from tests.support.shop import Shop, opened_shop

TOTAL = Money(4_200, "GBP")
State = ProviderPaymentState


@dataclass(frozen=True)
class Offer:
    """A provider, a method that reserves money at once, one that the buyer has to act for, and orders to be paid."""

    provider: PaymentProvider
    reserves: str
    asks: str
    order: Callable[[], Awaitable[UUID]]


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated()) as shop:
        yield shop


@pytest.fixture(params=["cards", "book"])
async def offer(request: pytest.FixtureRequest, shop: Shop, sandbox: SandboxForTests) -> AsyncIterator[Offer]:
    if request.param == "book":
        yield Offer(ManualProvider(shop.sessions), "cash_on_delivery", "bank_transfer", lambda: written(shop))
        return
    provider = StripeProvider(SECRET_KEY, sandbox.url, installation=installation)

    async def drawn() -> UUID:
        return uuid4()

    yield Offer(provider, "pm_card_visa", "pm_card_authenticationRequired", drawn)
    await provider.close()


async def written(shop: Shop) -> UUID:
    """Write an order: the shop's own book is about orders that there are."""
    cart, order = uuid4(), uuid4()
    await shop.run(
        "INSERT INTO carts (id, status, checkout_attempt, currency) VALUES (:id, 'frozen', 1, 'GBP')", id=cart
    )
    await shop.run(
        "INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount,"
        " discount_amount, shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount,"
        " payment_attempt) VALUES (:id, :cart, 1, 'pending', 'none', 'GBP', 4200, 0, 0, 0, 4200, 0, 0, 1)",
        id=order,
        cart=cart,
    )
    return order


async def prepared(offer: Offer, attempt: int = 1) -> tuple[UUID, str]:
    order = await offer.order()
    return order, await offer.provider.prepare(f"{order}:authorise:{attempt}", order, TOTAL)


async def authorised(offer: Offer) -> tuple[UUID, str]:
    order, reference = await prepared(offer)
    await offer.provider.authorise(f"{order}:authorise:1", reference, offer.reserves)
    return order, reference


async def captured(offer: Offer) -> tuple[UUID, str]:
    order, reference = await authorised(offer)
    await offer.provider.capture(f"{order}:capture:1", reference, TOTAL)
    return order, reference


def figures(payment: ProviderPayment) -> tuple[State, int, int, int]:
    return payment.state, payment.capturable, payment.captured, payment.refunded


async def test_payment_is_prepared_once_and_known_by_its_order_and_key(offer: Offer) -> None:
    order, reference = await prepared(offer)
    again = await offer.provider.prepare(f"{order}:authorise:1", order, TOTAL)
    found = await offer.provider.find(reference)

    assert again == reference
    assert (found.order_id, found.key, found.amount) == (order, f"{order}:authorise:1", TOTAL)
    assert figures(found) == (State.PREPARED, 0, 0, 0)


async def test_money_is_reserved_taken_and_given_back(offer: Offer) -> None:
    order, reference = await prepared(offer)
    provider = offer.provider
    seen = [await provider.authorise(f"{order}:authorise:1", reference, offer.reserves)]
    seen.append(await provider.capture(f"{order}:capture:1", reference, TOTAL))
    given = await provider.refund(f"{order}:refund:1", reference, Money(200, "GBP"))
    seen.append(await provider.find(reference))

    assert [figures(one) for one in seen] == [
        (State.AUTHORISED, 4_200, 0, 0),
        (State.CAPTURED, 0, 4_200, 0),
        (State.CAPTURED, 0, 4_200, 200),
    ]
    assert (given.key, given.amount) == (f"{order}:refund:1", 200)
    assert given.state in {RefundState.SUCCEEDED, RefundState.PENDING}
    assert seen[-1].refunds == (given,)


async def test_same_refund_asked_for_many_times_at_once_is_one(offer: Offer) -> None:
    order, reference = await captured(offer)
    asked = [offer.provider.refund(f"{order}:refund:1", reference, Money(4_200, "GBP")) for _ in range(10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    given = {one.reference for one in answers if not isinstance(one, BaseException)}
    assert len(given) == 1
    assert (await offer.provider.find(reference)).refunded == 4_200


async def test_refunds_at_once_never_give_back_more_than_was_taken(offer: Offer) -> None:
    order, reference = await captured(offer)
    asked = [offer.provider.refund(f"{order}:refund:{n}", reference, Money(1_000, "GBP")) for n in range(1, 9)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(not isinstance(one, BaseException) for one in answers) == 4
    assert all(isinstance(one, ProviderRefusedError) for one in answers if isinstance(one, BaseException))
    assert (await offer.provider.find(reference)).refunded == 4_000


async def test_payment_waits_for_a_buyer_who_has_to_act(offer: Offer) -> None:
    order, reference = await prepared(offer)
    asked = await offer.provider.authorise(f"{order}:authorise:1", reference, offer.asks)

    assert figures(asked) == (State.ACTION_REQUIRED, 0, 0, 0)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.capture(f"{order}:capture:1", reference, TOTAL)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.refund(f"{order}:refund:1", reference, TOTAL)


@pytest.mark.parametrize("way", ["", "reserves", "asks"])
async def test_void_is_for_good_in_every_state_before_capture(offer: Offer, way: str) -> None:
    order, reference = await prepared(offer)
    if way:
        await offer.provider.authorise(f"{order}:authorise:1", reference, getattr(offer, way))
    for number in (1, 2):
        voided = await offer.provider.void(f"{order}:void:{number}", reference)
        assert figures(voided) == (State.CANCELLED, 0, 0, 0)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.authorise(f"{order}:authorise:2", reference, offer.reserves)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.capture(f"{order}:capture:1", reference, TOTAL)
    assert figures(await offer.provider.find(reference)) == (State.CANCELLED, 0, 0, 0)


async def test_void_and_capture_at_once_leave_one_of_them(offer: Offer) -> None:
    order, reference = await authorised(offer)
    voided, taken = await asyncio.gather(
        offer.provider.void(f"{order}:void:1", reference),
        offer.provider.capture(f"{order}:capture:1", reference, TOTAL),
        return_exceptions=True,
    )

    found = await offer.provider.find(reference)
    assert isinstance(voided, ProviderRefusedError) != isinstance(taken, ProviderRefusedError)
    assert found.state is (State.CAPTURED if isinstance(voided, ProviderRefusedError) else State.CANCELLED)


async def test_taken_money_is_neither_voided_nor_taken_again(offer: Offer) -> None:
    order, reference = await captured(offer)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.void(f"{order}:void:1", reference)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.capture(f"{order}:capture:2", reference, TOTAL)
    assert figures(await offer.provider.find(reference)) == (State.CAPTURED, 0, 4_200, 0)


async def test_more_than_was_reserved_is_not_taken(offer: Offer) -> None:
    order, reference = await authorised(offer)
    with pytest.raises(ProviderRefusedError):
        await offer.provider.capture(f"{order}:capture:1", reference, Money(4_201, "GBP"))
    assert figures(await offer.provider.find(reference)) == (State.AUTHORISED, 4_200, 0, 0)


async def test_what_nobody_knows_is_refused(offer: Offer) -> None:
    for call in (
        offer.provider.find("nothing"),
        offer.provider.void("x:void:1", "nothing"),
        offer.provider.refund("x:refund:1", "nothing", TOTAL),
        offer.provider.capture("x:capture:1", "nothing", TOTAL),
    ):
        with pytest.raises(ProviderRefusedError):
            await call
    await offer.provider.forget_buyer("nobody")


async def test_ledger_tells_of_each_payment_what_a_look_up_tells(offer: Offer) -> None:
    references = [(await captured(offer))[1], (await authorised(offer))[1], (await prepared(offer))[1]]
    listed = [one async for one in offer.provider.ledger()]

    assert [one.reference for one in listed[:3]] == references[::-1]
    assert listed[:3] == [await offer.provider.find(one) for one in references[::-1]]


async def test_book_tells_of_hundreds_of_payments_each_once(shop: Shop) -> None:
    provider = ManualProvider(shop.sessions)
    order = await written(shop)
    for attempt in range(1, 206):
        await provider.prepare(f"{order}:authorise:{attempt}", order, TOTAL)
    listed = [one.reference async for one in provider.ledger() if one.order_id == order]

    assert len(listed) == len(set(listed)) == 205
