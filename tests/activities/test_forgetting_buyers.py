"""What a provider keeps to charge an order without its buyer is forgotten once nothing charges it any more."""

from collections.abc import Awaitable, Callable

import pytest
from temporalio.testing import ActivityEnvironment

from activities.forgetting_buyers import BuyerChores
from contracts.orders import AdvanceOrder, OrderStep, PlaceOrder
from contracts.payments import AuthorisePayment, PaymentAnswer, PaymentDecision, ReversePayment
from domain.order_states import EventType
from domain.provider_payments import ProviderUnavailableError
from tests.support.meddler import CrashError
from tests.support.steps import TOTAL, Steps, attempt, cancel, capture, declined

End = Callable[[Steps], Awaitable[PlaceOrder]]

NO_FUNDS = PaymentAnswer(PaymentDecision.DECLINED, "insufficient_funds", passes=True)


async def kept(steps: Steps, order: PlaceOrder) -> list[tuple[bool, int]]:
    """Tell of each buyer that the provider has for an order whether it is forgotten, and how many methods are left."""
    rows = await steps.sandbox.fetch(
        "SELECT deleted, (SELECT count(*) FROM payment_methods m WHERE m.customer = c.id) AS methods FROM customers c"
        " WHERE c.metadata ->> 'order_id' = $1",
        str(order.order_id),
    )
    return [(row["deleted"], row["methods"]) for row in rows]


async def still_kept(steps: Steps, order: PlaceOrder) -> int:
    """Count the payments of an order whose method is to be forgotten, as the books say."""
    [(count,)] = await steps.shop.run(
        "SELECT count(*) FROM payment_operations WHERE order_id = :id AND keeps_method", id=order.order_id
    )
    return int(str(count))


async def sweep(steps: Steps) -> int:
    """Run the chore as the schedule does."""
    forgotten: int = await ActivityEnvironment().run(BuyerChores(steps.sessions, steps.providers).forget)
    return forgotten


async def authorised(steps: Steps) -> PlaceOrder:
    """Have an order whose payment has left its method with the provider."""
    order = await steps.opened()
    keeping = AuthorisePayment(order.order_id, 1, TOTAL, order.payment_method or "", keep=True)
    assert (await attempt(steps.payments.authorise, keeping)).decision is PaymentDecision.APPROVED
    return order


async def unpaid(steps: Steps) -> PlaceOrder:
    """Have an order that was declined, and once more with the method that was left for that."""
    order = await steps.opened()
    await steps.sandbox.misbehave("declined", operation="confirm", order_id=str(order.order_id), times=2)
    for number in (1, 2):
        retry = AuthorisePayment(
            order.order_id, number, TOTAL, order.payment_method or "", keep=True, off_session=number > 1
        )
        assert await attempt(steps.payments.authorise, retry) == NO_FUNDS
    return order


async def expired(steps: Steps) -> PlaceOrder:
    order = await unpaid(steps)
    await attempt(steps.payments.reverse, ReversePayment(order.order_id, 2, whole=True))
    await attempt(steps.orders.require_payment, declined(order))
    await attempt(steps.orders.expire, OrderStep(order.order_id))
    return order


async def cancelled(steps: Steps) -> PlaceOrder:
    order = await authorised(steps)
    await attempt(steps.orders.begin_cancel, cancel(order))
    await attempt(steps.payments.reverse, ReversePayment(order.order_id, 1, whole=True))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    return order


async def shipped(steps: Steps) -> PlaceOrder:
    order = await authorised(steps)
    await attempt(steps.payments.capture, capture(order))
    await attempt(steps.orders.place, OrderStep(order.order_id))
    await attempt(steps.orders.advance, AdvanceOrder(order.order_id, EventType.SHIPPED, "operator:1"))
    return order


async def delivered(steps: Steps) -> PlaceOrder:
    """Have an order whose buyer may be erased."""
    order = await shipped(steps)
    await attempt(steps.orders.advance, AdvanceOrder(order.order_id, EventType.DELIVERED, "operator:1"))
    return order


@pytest.mark.parametrize("end", [expired, cancelled, shipped, delivered])
async def test_method_of_an_order_that_is_charged_no_more_is_forgotten_once(steps: Steps, end: End) -> None:
    order = await end(steps)
    paid = (await steps.intents(order.order_id), await steps.books(order.order_id))
    assert await kept(steps, order) == [(False, 1)]

    await sweep(steps)
    assert (await kept(steps, order), await still_kept(steps, order)) == ([(True, 0)], 0)
    steps.meddler.asked.clear()
    assert await sweep(steps) == 0

    assert steps.meddler.asked == []
    assert (await steps.intents(order.order_id), await steps.books(order.order_id)) == paid


async def test_method_is_kept_while_its_order_may_still_be_charged(steps: Steps) -> None:
    waiting, placed = await unpaid(steps), await authorised(steps)
    cancelling = await authorised(steps)
    await attempt(steps.payments.capture, capture(placed))
    await attempt(steps.orders.place, OrderStep(placed.order_id))
    await attempt(steps.orders.begin_cancel, cancel(cancelling))

    await sweep(steps)

    for order, payments in ((waiting, 2), (placed, 1), (cancelling, 1)):
        assert (await kept(steps, order), await still_kept(steps, order)) == ([(False, 1)], payments)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_before", "error_after"])
async def test_method_is_forgotten_in_the_next_round_where_the_provider_did_not_answer(
    steps: Steps, fault: str
) -> None:
    order, other = await cancelled(steps), await cancelled(steps)
    await steps.sandbox.misbehave(fault, operation="customer", times=1)

    with pytest.raises(ProviderUnavailableError):
        await sweep(steps)
    assert sorted([await still_kept(steps, order), await still_kept(steps, other)]) == [0, 1]

    assert await sweep(steps) == 1
    for one in (order, other):
        assert (await kept(steps, one), await still_kept(steps, one)) == ([(True, 0)], 0)


async def test_provider_that_is_away_is_asked_few_times_a_round(steps: Steps) -> None:
    orders = [await cancelled(steps) for _ in range(7)]
    await steps.sandbox.misbehave("rate_limited", operation="retrieve", times=1_000)
    steps.meddler.asked.clear()

    with pytest.raises(ProviderUnavailableError):
        await sweep(steps)

    assert steps.meddler.asked == ["find"] * 5
    await steps.sandbox.behave()
    assert await sweep(steps) == 7
    assert [await kept(steps, order) for order in orders] == [[(True, 0)]] * 7


@pytest.mark.parametrize("moment", ["before forget_buyer", "after forget_buyer"])
async def test_round_that_died_is_gone_on_with(steps: Steps, moment: str) -> None:
    order = await cancelled(steps)
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await sweep(steps)
    assert await still_kept(steps, order) == 1

    assert await sweep(steps) == 1

    assert (await kept(steps, order), await still_kept(steps, order)) == ([(True, 0)], 0)


async def test_retry_that_comes_after_its_order_was_forgotten_keeps_and_charges_nothing(steps: Steps) -> None:
    order = await expired(steps)
    await sweep(steps)

    late = AuthorisePayment(order.order_id, 3, TOTAL, order.payment_method or "", keep=True, off_session=True)
    answer = await attempt(steps.payments.authorise, late)

    assert answer.decision is PaymentDecision.DECLINED
    assert await kept(steps, order) == [(True, 0)]
    assert {intent[1] for intent in await steps.intents(order.order_id)} <= {0}


async def test_payment_that_never_came_to_the_provider_is_not_asked_about_again(steps: Steps) -> None:
    order = await steps.opened()
    steps.meddler.crash("before prepare")
    with pytest.raises(CrashError):
        await attempt(
            steps.payments.authorise,
            AuthorisePayment(order.order_id, 1, TOTAL, order.payment_method or "", keep=True),
        )
    await attempt(steps.orders.begin_cancel, cancel(order))
    await attempt(steps.payments.reverse, ReversePayment(order.order_id, 1, whole=True))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    steps.meddler.asked.clear()

    await sweep(steps)

    assert (steps.meddler.asked, await still_kept(steps, order)) == ([], 0)
