"""Refunds, shipments and their captures: a crash at any point, twice, at once, and each has happened once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.exceptions import ApplicationError

from activities.refunds import RefundActivities
from activities.returns import ReturnActivities
from activities.shipments import ShipmentActivities
from contracts.orders import OrderSnapshot, OrderStep, PlaceOrder, ShippedLine
from contracts.payments import CapturePayment, PaymentAnswer, PaymentDecision
from contracts.refunds import BeginRefund, RefundAnswer, RefundStep
from contracts.returns import TakeBack
from contracts.shipments import AbandonShipment, BeginShipment, DeliverShipments, ShipmentStep
from db import returns
from db.returns import ReturnRequest
from domain.captures import CapturePolicy
from domain.money import Money
from domain.refunds import RefundStatus
from tests.support.dying import dying_sessions
from tests.support.meddler import CrashError
from tests.support.steps import Steps, at_once, attempt, authorise, insist

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
GIVEN = RefundAnswer(RefundStatus.SUCCEEDED)
TEN = Money(1000, "GBP")


@dataclass(frozen=True, slots=True)
class Case:
    """An order that stands before a step, and what the step is asked."""

    order: PlaceOrder
    request: Any


async def placed_for_shipment(steps: Steps) -> PlaceOrder:
    """Place an order whose money is only reserved: each shipment takes its share."""
    order = replace(await steps.buyer(), capture=CapturePolicy.SHIPMENT)
    await attempt(steps.orders.open, order)
    await insist(steps.payments.authorise, authorise(order))
    await attempt(steps.orders.place, OrderStep(order.order_id))
    return order


async def shipment(steps: Steps, order: PlaceOrder) -> BeginShipment:
    [[line]] = await steps.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
    half = (ShippedLine(UUID(str(line)), 1),)
    return BeginShipment(order.order_id, uuid4(), "operator:7", half, "Post", "AB1")


async def preparing(steps: Steps) -> tuple[PlaceOrder, ShipmentStep]:
    """Set a half of an order aside, with the capture that is to pay for it."""
    order = await placed_for_shipment(steps)
    begun = await shipment(steps, order)
    await attempt(steps.shipments.begin, begun)
    return order, ShipmentStep(order.order_id, begun.shipment_id)


async def refunding(steps: Steps) -> tuple[PlaceOrder, RefundStep]:
    """Reserve 4.00 GBP of an order for a refund."""
    order, refund_id = await steps.placed(), uuid4()
    await attempt(steps.refunding.begin, begin_refund(order, refund_id))
    return order, RefundStep(order.order_id, refund_id)


async def refused(steps: Steps) -> PlaceOrder:
    """Have the provider refuse a refund."""
    order, step = await refunding(steps)
    await steps.sandbox.misbehave("refused", operation="refund", order_id=str(order.order_id))
    assert await attempt(steps.refunding.give_back, step) == RefundAnswer(RefundStatus.FAILED)
    await attempt(steps.refunding.settle, step)
    return order


def begin_refund(order: PlaceOrder, refund_id: UUID) -> BeginRefund:
    return BeginRefund(order.order_id, refund_id, 400, "GBP", "damaged", "operator:7")


# Steps that only touch PostgreSQL: all of it or nothing -----------------------------------------------------------


async def begins_a_refund(steps: Steps) -> Case:
    order = await steps.placed()
    return Case(order, begin_refund(order, uuid4()))


async def settles_a_refund(steps: Steps) -> Case:
    order, step = await refunding(steps)
    await insist(steps.refunding.give_back, step)
    return Case(order, step)


async def begins_a_refund_again(steps: Steps) -> Case:
    order = await refused(steps)
    return Case(order, OrderStep(order.order_id))


async def begins_a_shipment(steps: Steps) -> Case:
    order = await placed_for_shipment(steps)
    return Case(order, await shipment(steps, order))


async def begins_a_shipment_that_is_paid(steps: Steps) -> Case:
    order = await steps.placed()
    return Case(order, await shipment(steps, order))


async def sends_a_shipment(steps: Steps) -> Case:
    return Case(*await preparing(steps))


async def abandons_a_shipment(steps: Steps) -> Case:
    order, step = await preparing(steps)
    return Case(order, AbandonShipment(order.order_id, step.shipment_id, "card_declined"))


async def delivers_a_shipment(steps: Steps) -> Case:
    order, step = await preparing(steps)
    await attempt(steps.shipments.send, step)
    return Case(order, DeliverShipments(order.order_id, "operator:7", step.shipment_id))


async def takes_goods_back(steps: Steps) -> Case:
    order, return_id = await steps.placed(), uuid4()
    await attempt(steps.shipments.begin, BeginShipment(order.order_id, uuid4(), "operator:7"))
    async with steps.sessions.begin() as session:
        await returns.request(session, ReturnRequest(return_id, order.order_id, "guest"))
    return Case(order, TakeBack(order.order_id, return_id, "operator:7"))


STEPS: list[tuple[str, str, Callable[[Steps], Awaitable[Case]]]] = [
    ("refunding", "begin", begins_a_refund),
    ("refunding", "settle", settles_a_refund),
    ("refunding", "begin_again", begins_a_refund_again),
    ("refunding", "abandon", begins_a_refund_again),
    ("shipments", "begin", begins_a_shipment),
    ("shipments", "begin", begins_a_shipment_that_is_paid),
    ("shipments", "send", sends_a_shipment),
    ("shipments", "abandon", abandons_a_shipment),
    ("shipments", "deliver", delivers_a_shipment),
    ("returns", "take_back", takes_goods_back),
]


@pytest.mark.parametrize(("part", "name", "case_of"), STEPS)
async def test_step_that_dies_before_its_commit_has_done_nothing_and_the_next_try_does_it_once(
    steps: Steps, part: str, name: str, case_of: Callable[[Steps], Awaitable[Case]]
) -> None:
    case = await case_of(steps)
    before = await steps.everything(case.order)
    with pytest.raises(CrashError):
        await attempt(getattr(dying(steps)[part], name), case.request)
    assert await steps.everything(case.order) == before

    step: Callable[[Any], Awaitable[OrderSnapshot]] = getattr(getattr(steps, part), name)
    done = await attempt(step, case.request, 2)
    after = await steps.everything(case.order)
    assert after != before

    assert await attempt(step, case.request, 3) == done
    assert await steps.everything(case.order) == after


@pytest.mark.parametrize(("part", "name", "case_of"), STEPS)
async def test_step_that_runs_many_times_at_once_is_done_once(
    steps: Steps, part: str, name: str, case_of: Callable[[Steps], Awaitable[Case]]
) -> None:
    case = await case_of(steps)
    step: Callable[[Any], Awaitable[OrderSnapshot]] = getattr(getattr(steps, part), name)

    answers = await at_once(step, case.request, 8)

    assert answers == [answers[0]] * 8
    after = await steps.everything(case.order)
    assert await attempt(step, case.request) == answers[0]
    assert await steps.everything(case.order) == after


def dying(steps: Steps) -> dict[str, Any]:
    sessions = dying_sessions(steps.shop.engine)
    return {
        "refunding": RefundActivities(sessions, steps.providers),
        "returns": ReturnActivities(sessions),
        "shipments": ShipmentActivities(sessions, timedelta(days=30)),
    }


# Calls to the provider: once, whatever happens around them ----------------------------------------------------------


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("moment", ["before refund", "after refund"])
async def test_refund_after_a_crash_gives_the_money_back_once(steps: Steps, moment: str, number: int) -> None:
    order, step = await refunding(steps)
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.refunding.give_back, step)
    assert (await steps.operations(order.order_id))["refund:1"] == "started"

    assert await attempt(steps.refunding.give_back, step, number) == GIVEN

    assert await steps.refunds(order.order_id) == [400]
    assert await steps.books(order.order_id) == ("partially_refunded", 2000, 400)


async def test_twenty_tries_of_a_refund_at_once_give_the_money_back_once(steps: Steps) -> None:
    order, step = await refunding(steps)

    assert await at_once(steps.refunding.give_back, step) == [GIVEN] * 20

    assert await steps.refunds(order.order_id) == [400]
    assert await steps.books(order.order_id) == ("partially_refunded", 2000, 400)


async def test_refund_whose_answer_was_lost_is_not_asked_for_again(steps: Steps) -> None:
    order, step = await refunding(steps)
    assert await attempt(steps.refunding.give_back, step) == GIVEN
    asked = len(steps.meddler.asked)

    assert await attempt(steps.refunding.give_back, step, 2) == GIVEN

    assert steps.meddler.asked[asked:] == []
    assert await steps.refunds(order.order_id) == [400]


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("moment", ["before capture", "after capture"])
async def test_capture_of_a_shipment_after_a_crash_takes_its_share_once(steps: Steps, moment: str, number: int) -> None:
    order, _ = await preparing(steps)
    steps.meddler.crash(moment)
    with pytest.raises(CrashError):
        await attempt(steps.payments.capture, share(order))
    assert (await steps.operations(order.order_id))["capture:1"] == "started"

    assert await attempt(steps.payments.capture, share(order), number) == APPROVED

    assert await steps.intents(order.order_id) == [("requires_capture", 1000, 0)]
    assert await steps.books(order.order_id) == ("partially_captured", 1000, 0)


async def test_twenty_captures_of_a_shipment_at_once_take_its_share_once(steps: Steps) -> None:
    order, _ = await preparing(steps)

    assert await at_once(steps.payments.capture, share(order)) == [APPROVED] * 20

    assert await steps.intents(order.order_id) == [("requires_capture", 1000, 0)]
    assert await steps.books(order.order_id) == ("partially_captured", 1000, 0)


async def test_capture_without_a_shipment_takes_nothing(steps: Steps) -> None:
    order = await placed_for_shipment(steps)

    with pytest.raises(ApplicationError) as fenced:
        await attempt(steps.payments.capture, share(order))

    assert fenced.value.type == "everorder.payment_abandoned"
    assert await steps.intents(order.order_id) == [("requires_capture", 0, 0)]
    assert await steps.books(order.order_id) == ("authorised", 0, 0)


def share(order: PlaceOrder) -> CapturePayment:
    return CapturePayment(order.order_id, 1, TEN, n=1, last=False)
