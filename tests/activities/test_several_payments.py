"""An order whose shipments were paid by several payments of its card: what becomes of any of them is seen."""

from uuid import uuid4

import pytest

from activities.reauthorisations import ReauthorisationActivities
from contracts.orders import PlaceOrder
from contracts.payments import CapturePayment, LookUpPayment, PaymentAnswer, PaymentDecision, PaymentLookedUp
from contracts.reauthorisations import Reauthorise
from contracts.refunds import BeginRefund, RefundAnswer, RefundStep
from contracts.shipments import BeginShipment, ShipmentStep
from domain.money import Money
from domain.refunds import RefundStatus
from tests.activities.test_crashes_after_placement import placed_for_shipment, shipment
from tests.support.steps import Steps, attempt, insist
from tests.support.world import VISA

APPROVED = PaymentAnswer(PaymentDecision.APPROVED)
TEN = Money(1000, "GBP")


async def sent(steps: Steps, order: PlaceOrder, begin: BeginShipment, share: CapturePayment) -> None:
    await attempt(steps.shipments.begin, begin)
    assert await insist(steps.payments.capture, share) == APPROVED
    await attempt(steps.shipments.send, ShipmentStep(order.order_id, begin.shipment_id))


async def shipped_in_two(steps: Steps) -> PlaceOrder:
    """Have each half of an order paid by a payment of its own: the money was reserved anew in between."""
    order = await placed_for_shipment(steps)
    share = CapturePayment(order.order_id, 1, TEN, n=1, last=False)
    await sent(steps, order, await shipment(steps, order), share)
    renewal = ReauthorisationActivities(steps.sessions, steps.providers)
    assert await insist(renewal.reauthorise, Reauthorise(order.order_id, VISA)) == APPROVED
    rest = CapturePayment(order.order_id, 2, TEN, n=2)
    await sent(steps, order, await shipment(steps, order), rest)
    assert await steps.intents(order.order_id) == [("succeeded", 1000, 0)] * 2
    return order


async def references(steps: Steps, order: PlaceOrder) -> list[str]:
    rows = await steps.sandbox.fetch(
        "SELECT id FROM payment_intents WHERE order_id = $1 ORDER BY seq", str(order.order_id)
    )
    return [str(row["id"]) for row in rows]


async def test_nothing_is_found_where_each_payment_is_as_the_books_say(steps: Steps) -> None:
    order = await shipped_in_two(steps)
    assert await attempt(steps.payments.look_up, LookUpPayment(order.order_id, 2)) == PaymentLookedUp(APPROVED)


@pytest.mark.parametrize("which", [0, 1])
async def test_dispute_of_any_payment_is_seen(steps: Steps, which: int) -> None:
    order = await shipped_in_two(steps)
    disputed = (await references(steps, order))[which]
    await steps.sandbox.control("POST", f"payment_intents/{disputed}/dispute", {})

    seen = await attempt(steps.payments.look_up, LookUpPayment(order.order_id, 2))

    assert seen == PaymentLookedUp(APPROVED, disputed=True)


async def test_refund_of_any_payment_that_fails_later_can_be_made_again(steps: Steps) -> None:
    order = await shipped_in_two(steps)
    step = RefundStep(order.order_id, uuid4())
    await attempt(
        steps.refunding.begin, BeginRefund(order.order_id, step.refund_id, 1500, "GBP", "damaged", "operator:7")
    )
    assert await insist(steps.refunding.give_back, step) == RefundAnswer(RefundStatus.SUCCEEDED)
    await attempt(steps.refunding.settle, step)
    first = (await references(steps, order))[0]
    [row] = await steps.sandbox.fetch("SELECT id FROM refunds WHERE payment_intent = $1", first)
    await steps.sandbox.control("POST", f"refunds/{row['id']}/settle", {"status": "failed"})

    seen = await attempt(steps.payments.look_up, LookUpPayment(order.order_id, 2))

    assert seen == PaymentLookedUp(APPROVED, finding="refund_refused")
    assert await steps.books(order.order_id) == ("partially_refunded", 2000, 1000)


async def test_what_somebody_gives_back_of_any_payment_is_found(steps: Steps) -> None:
    order = await shipped_in_two(steps)
    form = {"payment_intent": (await references(steps, order))[0], "amount": "300"}
    assert (await steps.sandbox.call("POST", "/v1/refunds", form)).status_code == 200

    seen = await attempt(steps.payments.look_up, LookUpPayment(order.order_id, 2))

    assert seen == PaymentLookedUp(APPROVED, finding="refunded_elsewhere")
