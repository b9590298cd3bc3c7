import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import OrderStep
from domain.order_states import OrderStatus, PaymentStatus
from tests.support.steps import Steps, at_once, attempt, authorise, cancel, capture, insist, reverse


async def test_placing_commits_the_stock_closes_the_cart_and_owes_one_message(steps: Steps) -> None:
    order = await steps.paid()

    placed = await attempt(steps.orders.place, OrderStep(order.order_id))

    assert (placed.status, placed.payment_status) == (OrderStatus.PLACED, PaymentStatus.CAPTURED)
    assert len(placed.messages) == 1
    assert await steps.stock(steps.sku) == (8, 0)
    assert await steps.reservations(order.order_id) == [(steps.sku, 2, "committed")]
    assert await steps.movements(order.order_id) == [("sale", -2)]
    assert await steps.messages(order.order_id) == [("order_confirmation", "pending", 0)]
    assert await steps.events(order.order_id) == ["opened", "placed"]
    assert await steps.cart_row(order.cart_id) == ("ordered", 1)
    assert steps.mail.sent == []


async def test_placing_twice_answers_the_same_and_sells_once(steps: Steps) -> None:
    order = await steps.paid()
    placed = await attempt(steps.orders.place, OrderStep(order.order_id))
    before = await steps.everything(order)

    assert await attempt(steps.orders.place, OrderStep(order.order_id)) == placed
    assert await steps.everything(order) == before


async def test_twenty_placings_at_once_sell_once(steps: Steps) -> None:
    order = await steps.paid()

    answers = await at_once(steps.orders.place, OrderStep(order.order_id))

    assert answers == [answers[0]] * 20
    assert await steps.stock(steps.sku) == (8, 0)
    assert await steps.movements(order.order_id) == [("sale", -2)]
    assert await steps.events(order.order_id) == ["opened", "placed"]
    assert await steps.messages(order.order_id) == [("order_confirmation", "pending", 0)]


async def test_unpaid_order_is_not_placed_and_keeps_its_hold(steps: Steps) -> None:
    order = await steps.opened()
    await insist(steps.payments.authorise, authorise(order))
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.place, OrderStep(order.order_id))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.unpaid_order", True)
    assert await steps.everything(order) == before
    assert await steps.stock(steps.sku) == (10, 2)


async def test_order_whose_money_was_given_back_is_not_placed(steps: Steps) -> None:
    order = await steps.paid()
    await insist(steps.payments.reverse, reverse(order))
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.place, OrderStep(order.order_id))

    assert refused.value.type == "everorder.unpaid_order"
    assert await steps.everything(order) == before


@pytest.mark.parametrize("finished", [False, True])
async def test_placing_after_a_cancellation_refuses_and_sells_nothing(steps: Steps, *, finished: bool) -> None:
    order = await steps.paid()
    await attempt(steps.orders.begin_cancel, cancel(order))
    if finished:
        await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    before = await steps.everything(order)

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.orders.place, OrderStep(order.order_id))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.illegal_transition", True)
    assert await steps.everything(order) == before
    assert await steps.messages(order.order_id) == []


async def test_order_that_costs_nothing_is_placed_without_money(steps: Steps) -> None:
    sku = await steps.goods(amount=0)
    order = steps.order_of(await steps.cart((sku, 1)))
    await attempt(steps.orders.open, order)

    placed = await attempt(steps.orders.place, OrderStep(order.order_id))

    assert (placed.status, placed.payment_status) == (OrderStatus.PLACED, PaymentStatus.NONE)
    assert steps.meddler.asked == []


async def test_placed_order_keeps_its_price_when_the_catalogue_changes(steps: Steps) -> None:
    order = await steps.opened()
    await steps.shop.price(steps.sku, 9999)

    await insist(steps.payments.authorise, authorise(order))
    await insist(steps.payments.capture, capture(order))
    placed = await attempt(steps.orders.place, OrderStep(order.order_id))

    assert placed.total.amount == 2000
    assert await steps.intents(order.order_id) == [("succeeded", 2000, 0)]
