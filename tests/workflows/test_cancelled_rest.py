"""What was not shipped of an order is cancelled once: its goods and its money go back, and what was sent stands."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from clients.orders import Accepted
from contracts.orders import (
    Cancel,
    Decision,
    MarkDelivered,
    OrderOutcome,
    OrderSnapshot,
    PlaceOrder,
    Refund,
    Resolve,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from db import orders
from domain.captures import CapturePolicy
from domain.errors import EverorderError, IllegalStepError
from domain.order_states import OrderStatus
from domain.payment_methods import PaymentWay
from tests.db.audited_shop import broken
from tests.support.gates import Gate
from tests.support.sandbox import SandboxForTests
from tests.support.world import VISA, WAIT, World
from tests.workflows.test_shipments import books, lines, ship, shipments, templates
from workers.wiring import WORK

REST = Cancel("fraud_suspected", "operator:7", rest_only=True)


class Goods:
    """Two cups at 10.00 and three saucers at 3.33, of ten each: 29.99 in all."""

    def __init__(self, cups: str, saucers: str) -> None:
        self.cups, self.saucers = cups, saucers

    async def on_hand(self, world: World) -> tuple[int, int]:
        return (await world.stock(self.cups))[0], (await world.stock(self.saucers))[0]


async def bought(world: World, capture: CapturePolicy, card: str = VISA) -> tuple[PlaceOrder, Goods]:
    goods = Goods(await world.goods(), await world.goods(amount=333))
    order = world.order_of(await world.cart((goods.cups, 2), (goods.saucers, 3)), card=card)
    return replace(order, capture=capture), goods


async def shipped_in_part(world: World, order: PlaceOrder, shipment: UUID | None = None) -> None:
    """Place the order, and send a cup and a saucer: 13.33 of 29.99."""
    await world.place(order)
    cups, saucers = await lines(world, order)
    await ship(world, order, (cups, 1), (saucers, 1), shipment=shipment)


async def cancel_rest(world: World, order: PlaceOrder, cancel: Cancel = REST) -> OrderOutcome:
    outcome = await world.client.cancel(order.order_id, cancel, wait=WAIT)
    assert not isinstance(outcome, Accepted)
    return outcome


async def quantities(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    """List what was bought, shipped and cancelled, line by line."""
    return await world.shop.run(
        "SELECT quantity, shipped_quantity, cancelled_quantity FROM order_lines WHERE order_id = :id ORDER BY position",
        id=order.order_id,
    )


async def standing(world: World, order: PlaceOrder, wanted: str) -> OrderSnapshot:
    """Wait until the money of an order stands as it should."""
    while (await world.order(order.order_id)).payment_status != wanted:  # noqa: ASYNC110 - it is in the database
        await asyncio.sleep(0.02)
    return await world.order(order.order_id)


async def require_clean(world: World, order: PlaceOrder) -> None:
    """Require that no check finds fault with an order at rest; other tests' orders may be under way."""
    async with world.sessions() as session:
        findings = await broken(session, settled=True)
    found = {name: row for name, one in findings.items() for row in one.rows if row.get("order_id") == order.order_id}
    assert found == {}


async def test_rest_of_a_paid_order_goes_back_and_exactly_its_share_is_refunded(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await shipped_in_part(world, order)
        outcome = await cancel_rest(world, order)
        refunded = await standing(world, order, "partially_refunded")
        again = await cancel_rest(world, order)
        await world.told(order.order_id)

    assert (outcome.status, again.status, again.needs_operator) == (OrderStatus.SHIPPED, OrderStatus.SHIPPED, False)
    assert refunded.cancelled == 1666
    assert await books(world, order) == ("partially_refunded", 2999, 1666)
    assert await world.charged(order.order_id) == [1333]
    assert await goods.on_hand(world) == (9, 9)
    assert await quantities(world, order) == [(2, 1, 1), (3, 1, 2)]
    events = await world.events(order.order_id)
    assert events[-3:] == ["partially_shipped", "rest_cancelled", "refunded"]
    assert {name for name, _ in await templates(world, order)} == {
        "order_confirmation",
        "shipment",
        "rest_cancelled",
        "refund_confirmation",
    }
    [mail] = [mail.text for mail in world.mail.sent if "was cancelled" in mail.subject]
    assert "1 x Enamel mug" in mail
    assert "2 x Enamel mug" in mail
    assert "costs 16.66 GBP less. What you have paid of that is given back" in mail
    await require_clean(world, order)


async def test_rest_of_an_order_paid_by_shipment_is_let_go_and_never_captured(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.SHIPMENT)
    async with world.working():
        await shipped_in_part(world, order)
        assert await world.reserved_money(order.order_id) == 1
        outcome = await cancel_rest(world, order)
        with pytest.raises(IllegalStepError):
            await ship(world, order)
        delivered = await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)

    assert isinstance(delivered, OrderOutcome)
    assert (outcome.status, delivered.status) == (OrderStatus.SHIPPED, OrderStatus.DELIVERED)
    assert await books(world, order) == ("captured", 1333, 0)
    assert await world.charged(order.order_id) == [1333]
    assert await world.reserved_money(order.order_id) == 0
    expected = {"authorise:1": "succeeded", "capture:1": "succeeded", "void:1": "succeeded"}
    assert await world.operations(order.order_id) == expected
    assert await shipments(world, order) == [(1, "delivered", 1333)]
    assert await goods.on_hand(world) == (9, 9)
    await require_clean(world, order)


async def test_rest_of_an_order_paid_at_the_door_is_not_paid_there(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT, PaymentWay.CASH_ON_DELIVERY)
    async with world.working():
        await shipped_in_part(world, order)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        outcome = await cancel_rest(world, order)

    assert outcome.status is OrderStatus.DELIVERED
    assert await books(world, order) == ("captured", 1333, 0)
    assert await goods.on_hand(world) == (9, 9)
    assert (await world.events(order.order_id))[-3:] == ["rest_cancelled", "delivered", "payment_collected"]
    await require_clean(world, order)


async def test_order_of_which_nothing_was_shipped_is_cancelled_whole(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        outcome = await cancel_rest(world, order)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.charged(order.order_id) == []
    assert await goods.on_hand(world) == (10, 10)
    assert await quantities(world, order) == [(2, 0, 0), (3, 0, 0)]


async def test_order_that_was_shipped_whole_has_no_rest_and_calls_nobody(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        await ship(world, order)
        with pytest.raises(IllegalStepError):
            await cancel_rest(world, order)

    assert not (await world.order(order.order_id)).needs_operator
    assert (await world.events(order.order_id))[-1] == "shipped"
    assert await world.charged(order.order_id) == [2999]
    assert await goods.on_hand(world) == (8, 7)


async def test_request_to_cancel_what_was_sent_as_well_waits_for_an_operators_word_also_after_the_rest_was_cancelled(
    world: World,
) -> None:
    order, _ = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await shipped_in_part(world, order)
        await cancel_rest(world, order, Cancel("changed_mind", "guest"))
        assert (await world.order(order.order_id)).needs_operator
        await cancel_rest(world, order)
        settled = await standing(world, order, "partially_refunded")
        assert (settled.status, settled.operator_reason) == (OrderStatus.SHIPPED, "cancel_after_shipment")
        assert settled.needs_operator
        while "refunded" not in await world.events(order.order_id):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        await world.client.resolve(order, Resolve(Decision.SKIP, "return_agreed", "operator:7"), wait=WAIT)

    decided = await world.order(order.order_id)
    assert (decided.status, decided.needs_operator) == (OrderStatus.SHIPPED, False)
    assert await world.charged(order.order_id) == [1333]
    assert (await world.events(order.order_id))[-5:] == [
        *("partially_shipped", "cancel_requested", "rest_cancelled", "refunded", "operator_resolved")
    ]
    await require_clean(world, order)


async def test_refund_that_left_less_than_the_rest_is_not_exceeded(world: World) -> None:
    order, _ = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await shipped_in_part(world, order)
        await world.client.refund(order, Refund(2000), wait=WAIT)
        await cancel_rest(world, order)
        await standing(world, order, "refunded")

    assert await books(world, order) == ("refunded", 2999, 2999)
    assert await world.charged(order.order_id) == []
    await require_clean(world, order)


async def test_rest_that_many_cancel_while_it_is_shipped_is_cancelled_or_shipped_and_never_both(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.SHIPMENT)
    async with world.working():
        await shipped_in_part(world, order)
        asked = [cancel_rest(world, order), ship(world, order), *(cancel_rest(world, order) for _ in range(3))]
        answers = await asyncio.gather(*asked, return_exceptions=True)

    assert all(isinstance(answer, OrderOutcome | EverorderError) for answer in answers)
    stands = await world.order(order.order_id)
    assert (stands.status, stands.needs_operator) == (OrderStatus.SHIPPED, False)
    kept = 1333 if stands.cancelled else 2999
    assert await world.charged(order.order_id) == [kept]
    assert await world.reserved_money(order.order_id) == 0
    assert await goods.on_hand(world) == ((9, 9) if stands.cancelled else (8, 7))
    await require_clean(world, order)


async def test_rest_is_cancelled_after_the_shipment_that_is_under_way_has_left(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.SHIPMENT)
    gate = Gate("payments.capture", "before")
    async with world.working({TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}):
        await world.place(order)
        cups, saucers = await lines(world, order)
        shipping = asyncio.create_task(ship(world, order, (cups, 1), (saucers, 1)))
        await gate.reached.wait()
        await world.client.signal_cancel(order.order_id, REST)
        assert (await world.order(order.order_id)).cancelled == 0
        gate.opened.set()
        await shipping
        await standing(world, order, "captured")
        outcome = await cancel_rest(world, order)

    assert outcome.status is OrderStatus.SHIPPED
    assert await world.charged(order.order_id) == [1333]
    assert await world.reserved_money(order.order_id) == 0
    assert await goods.on_hand(world) == (9, 9)


async def test_refund_of_the_rest_that_is_refused_calls_an_operator_who_has_it_tried_again(
    world: World, sandbox: SandboxForTests
) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    await sandbox.misbehave("refused", operation="refund", times=1, order_id=str(order.order_id))
    async with world.working():
        await shipped_in_part(world, order)
        await cancel_rest(world, order)
        stuck = await world.needs_operator(order.order_id)
        assert await world.charged(order.order_id) == [2999]
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        await standing(world, order, "partially_refunded")

    assert (stuck.status, stuck.operator_reason) == (OrderStatus.SHIPPED, "refund_refused")
    assert await goods.on_hand(world) == (9, 9)
    assert await world.charged(order.order_id) == [1333]
    await require_clean(world, order)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "capture"),
    [
        ("shipments.cancel_rest", CapturePolicy.SHIPMENT),
        ("payments.let_go_rest", CapturePolicy.SHIPMENT),
        ("refunds.give_back", CapturePolicy.PLACEMENT),
    ],
)
async def test_rest_of_an_order_terminated_around_a_step_is_cancelled_once(
    world: World, step: str, capture: CapturePolicy, where: str
) -> None:
    order, goods = await bought(world, capture)
    gate = Gate(step, where)
    queue = TaskQueue.ORDERS if step.startswith("shipments") else TaskQueue.PAYMENTS
    async with world.working():
        await shipped_in_part(world, order, uuid4())
    async with world.working({queue: gate.apply(WORK[queue](world.resources))}):
        cancelling = asyncio.create_task(cancel_rest(world, order))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).terminate("a test")
        gate.opened.set()
        await asyncio.gather(cancelling, return_exceptions=True)
    async with world.working():
        async with world.sessions.begin() as session:
            await world.client.resume(await orders.restart(session, order.order_id))
        again = await cancel_rest(world, order)
        await standing(world, order, "captured" if capture is CapturePolicy.SHIPMENT else "partially_refunded")

    assert again.status is OrderStatus.SHIPPED
    assert await world.charged(order.order_id) == [1333]
    assert await world.reserved_money(order.order_id) == 0
    assert await goods.on_hand(world) == (9, 9)
    assert await quantities(world, order) == [(2, 1, 1), (3, 1, 2)]
    assert (await world.events(order.order_id)).count("rest_cancelled") == 1
    await require_clean(world, order)
