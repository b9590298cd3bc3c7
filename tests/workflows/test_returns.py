"""Goods that were sent come back: at most what was sent, each once, with its stock and exactly its money."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from clients.orders import Accepted, OrderRefusedError
from contracts.orders import (
    ArrivedLine,
    Cancel,
    Decision,
    MarkDelivered,
    OrderOutcome,
    PlaceOrder,
    ReceiveReturn,
    Refund,
    Resolve,
    Ship,
    ShippedLine,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from contracts.returns import TakeBack
from contracts.shipments import BeginShipment, CancelRest
from db import backorders, orders, returns, shipments, stocking, unshipped
from db.returns import ReturnRequest
from db.stocking import Receipt
from domain.captures import CapturePolicy
from domain.errors import IllegalStepError, ReturnTooLargeError
from domain.order_states import OrderStatus
from domain.payment_methods import PaymentWay
from domain.returns import MOST_RETURNS
from tests.support.gates import Gate
from tests.support.returning import ask
from tests.support.sandbox import SandboxForTests
from tests.support.stock import place, somebody_waits
from tests.support.world import VISA, WAIT, World
from tests.workflows.test_cancelled_rest import REST, Goods, bought, cancel_rest, require_clean
from tests.workflows.test_shipments import books, lines, ship
from workers.wiring import WORK


async def receive(world: World, order: PlaceOrder, arrived: ReceiveReturn) -> OrderOutcome:
    again = replace(order, payment_method=None)
    outcome = await world.client.receive_return(again, replace(arrived, actor="operator:7"), wait=WAIT)
    assert not isinstance(outcome, Accepted)
    return outcome


async def sent(
    world: World, capture: CapturePolicy = CapturePolicy.PLACEMENT, card: str = VISA
) -> tuple[PlaceOrder, Goods]:
    """Send two cups at 10.00 and three saucers at 3.33."""
    order, goods = await bought(world, capture, card)
    await world.place(order)
    await ship(world, order)
    return order, goods


async def quantities(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    """List what was sent and is in returns, line by line."""
    return await world.shop.run(
        "SELECT shipped_quantity, returned_quantity FROM order_lines WHERE order_id = :id ORDER BY position",
        id=order.order_id,
    )


async def noted(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run(
        "SELECT state, refund_amount FROM returns WHERE order_id = :id ORDER BY n", id=order.order_id
    )


async def refunds(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run("SELECT amount, state FROM refunds WHERE order_id = :id ORDER BY n", id=order.order_id)


async def refunded(world: World, order: PlaceOrder, *amounts: int) -> None:
    """Wait until these refunds have succeeded."""
    while await refunds(world, order) != [(amount, "succeeded") for amount in amounts]:  # noqa: ASYNC110 - in the database
        await asyncio.sleep(0.02)


async def movements(world: World, order: PlaceOrder) -> list[tuple[object, ...]]:
    return await world.shop.run(
        "SELECT location, delta FROM stock_movements WHERE order_id = :id AND reason = 'return' ORDER BY id",
        id=order.order_id,
    )


async def test_order_that_comes_back_in_parts_is_given_back_to_the_penny(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        await world.shop.run(
            "UPDATE order_lines SET discount_amount = 100 WHERE order_id = :id AND position = 1", id=order.order_id
        )
        cups, saucers = await lines(world, order)
        for number in range(3):
            await receive(world, order, ReceiveReturn(await ask(world, order, (saucers, 1))))
            await refunded(world, order, *(299, 300, 300)[: number + 1])
        await receive(world, order, ReceiveReturn(await ask(world, order)))
        await refunded(world, order, 299, 300, 300, 2000)
        with pytest.raises(ReturnTooLargeError):
            await ask(world, order, (cups, 1))
        with pytest.raises(ReturnTooLargeError):
            await ask(world, order)
        await world.told(order.order_id)

    assert await goods.on_hand(world) == (10, 10)
    assert await quantities(world, order) == [(2, 2), (3, 3)]
    assert await books(world, order) == ("partially_refunded", 2999, 2899)
    assert await world.charged(order.order_id) == [100]
    assert await noted(world, order) == [("received", amount) for amount in (299, 300, 300, 2000)]
    assert await movements(world, order) == [("main", 1), ("main", 1), ("main", 1), ("main", 2)]
    events = await world.events(order.order_id)
    assert [events.count(f"return_{what}") for what in ("requested", "received")] == [4, 4]
    assert [mail.subject.startswith("Your refund") for mail in world.mail.sent].count(True) == 4


async def test_many_returns_of_the_same_goods_at_once_hold_no_more_than_was_sent(world: World) -> None:
    async with world.working():
        order, _ = await sent(world)
    cups, _ = await lines(world, order)
    answers = await asyncio.gather(*(ask(world, order, (cups, 1)) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(answer, UUID) for answer in answers) == 2
    assert sum(isinstance(answer, ReturnTooLargeError) for answer in answers) == 6
    assert await quantities(world, order) == [(2, 2), (3, 0)]
    assert await noted(world, order) == [("requested", 0)] * 2
    await require_clean(world, order)


async def test_return_that_is_received_many_times_at_once_is_booked_once(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        arrived = ReceiveReturn(await ask(world, order))
        outcomes = await asyncio.gather(*(receive(world, order, arrived) for _ in range(5)))
        await refunded(world, order, 2999)

    assert {outcome.status for outcome in outcomes} == {OrderStatus.SHIPPED}
    assert await goods.on_hand(world) == (10, 10)
    assert await world.charged(order.order_id) == []
    assert (await world.events(order.order_id)).count("return_received") == 1
    await require_clean(world, order)


async def test_what_was_not_sent_yet_does_not_come_back(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.SHIPMENT)
    async with world.working():
        await world.place(order)
        cups, saucers = await lines(world, order)
        with pytest.raises(IllegalStepError):
            await ask(world, order)
        await ship(world, order, (cups, 1), (saucers, 1))
        for parts in [((cups, 2),), ((cups, 1), (cups, 1)), ((uuid4(), 1),), ((saucers, 0),), ((saucers, -1),)]:
            with pytest.raises(ReturnTooLargeError):
                await ask(world, order, *parts)
        await receive(world, order, ReceiveReturn(await ask(world, order)))
        await refunded(world, order, 1333)
        await ship(world, order)
        await receive(world, order, ReceiveReturn(await ask(world, order, (cups, 1))))
        await refunded(world, order, 1333, 1000)

    assert await goods.on_hand(world) == (10, 8)
    assert await world.charged(order.order_id) == [666]
    await require_clean(world, order)


async def test_rest_that_is_cancelled_beside_a_return_gives_back_each_part_once(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        cups, saucers = await lines(world, order)
        await ship(world, order, (cups, 1), (saucers, 1))
        arrived = ReceiveReturn(await ask(world, order))
        await asyncio.gather(receive(world, order, arrived), cancel_rest(world, order, REST))
        while await world.charged(order.order_id):  # noqa: ASYNC110 - it is at the provider
            await asyncio.sleep(0.02)
        await world.told(order.order_id)

    assert sorted(await refunds(world, order)) == [(1333, "succeeded"), (1666, "succeeded")]
    assert await goods.on_hand(world) == (10, 10)
    await require_clean(world, order)


async def test_part_that_arrives_is_given_back_and_the_rest_may_be_asked_for_again(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        cups, saucers = await lines(world, order)
        return_id = await ask(world, order)
        for wrong in [ArrivedLine(cups, 3), ArrivedLine(cups, 1, 2), ArrivedLine(uuid4(), 1), ArrivedLine(cups, 0)]:
            with pytest.raises(OrderRefusedError) as refused:
                await receive(world, order, ReceiveReturn(return_id, lines=(wrong,)))
            assert refused.value.code == "return_too_large"
        assert await noted(world, order) == [("requested", 0)]
        damaged = (ArrivedLine(cups, 1, 0), ArrivedLine(saucers, 2, 1))
        await receive(world, order, ReceiveReturn(return_id, lines=damaged))
        await refunded(world, order, 1666)
        assert await quantities(world, order) == [(2, 1), (3, 2)]
        await ask(world, order, (cups, 1), (saucers, 1))

    assert await goods.on_hand(world) == (8, 8)
    assert await movements(world, order) == [("main", 1)]
    await require_clean(world, order)


async def test_goods_go_back_to_the_places_that_they_came_from_or_to_the_one_that_is_named(world: World) -> None:
    far = await place(world.shop, f"far-{uuid4().hex[:8]}", priority=200)
    sku = await world.goods(stock=2)
    await world.shop.stock(sku, 5, location=far)
    await world.shop.run(
        "INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)"
        " VALUES (uuidv7(), :sku, :far, 5, 'receipt', 'test', '')",
        sku=sku,
        far=far,
    )
    order = world.order_of(await world.cart((sku, 6)))
    async with world.working():
        await world.place(order)
        await ship(world, order)
        [[line]] = await world.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
        cups = UUID(str(line))
        took = await world.shop.run(
            "SELECT location, quantity FROM reservations WHERE order_id = :id ORDER BY quantity", id=order.order_id
        )
        assert took == [("main", 1), (far, 5)]
        for quantity, place_ in [(3, None), (1, "main"), (2, None)]:
            arrived = ReceiveReturn(await ask(world, order, (cups, quantity)), location=place_)
            await receive(world, order, arrived)
        with pytest.raises(OrderRefusedError) as refused:
            await receive(world, order, ReceiveReturn(uuid4()))

    assert refused.value.code == "not_found"
    assert await movements(world, order) == [("main", 1), (far, 2), ("main", 1), (far, 2)]


async def test_place_that_is_not_there_is_refused_and_nothing_is_booked(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        return_id = await ask(world, order)
        with pytest.raises(OrderRefusedError) as refused:
            await receive(world, order, ReceiveReturn(return_id, location="nowhere"))

    assert refused.value.code == "not_found"
    assert await noted(world, order) == [("requested", 0)]
    assert await refunds(world, order) == []
    assert await goods.on_hand(world) == (8, 7)


async def test_refund_by_hand_that_left_less_than_the_goods_cost_is_not_exceeded(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        await world.client.refund(order, Refund(2500), wait=WAIT)
        await receive(world, order, ReceiveReturn(await ask(world, order)))
        await refunded(world, order, 2500, 499)

    assert await books(world, order) == ("refunded", 2999, 2999)
    assert await noted(world, order) == [("received", 499)]
    assert await goods.on_hand(world) == (10, 10)
    await require_clean(world, order)


async def test_return_and_refund_by_hand_at_once_give_back_no_more_than_was_taken(world: World) -> None:
    async with world.working():
        order, _ = await sent(world)
        arrived = ReceiveReturn(await ask(world, order))
        await asyncio.gather(
            receive(world, order, arrived),
            *(world.client.refund(order, Refund(1000), wait=WAIT) for _ in range(3)),
            return_exceptions=True,
        )
        while (await books(world, order))[0] != "refunded":  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)

    assert await books(world, order) == ("refunded", 2999, 2999)
    assert await world.charged(order.order_id) == []
    await require_clean(world, order)


async def test_return_without_a_refund_puts_the_goods_back_and_gives_no_money(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        await receive(world, order, ReceiveReturn(await ask(world, order), refund=False))

    assert await noted(world, order) == [("received", 0)]
    assert await refunds(world, order) == []
    assert await world.charged(order.order_id) == [2999]
    assert await goods.on_hand(world) == (10, 10)
    await require_clean(world, order)


async def test_money_that_is_disputed_is_not_given_back_and_its_goods_are_taken_without(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        await world.shop.run("UPDATE orders SET payment_status = 'disputed' WHERE id = :id", id=order.order_id)
        return_id = await ask(world, order)
        with pytest.raises(IllegalStepError, match="without one"):
            await receive(world, order, ReceiveReturn(return_id))
        assert await noted(world, order) == [("requested", 0)]
        await receive(world, order, ReceiveReturn(return_id, refund=False))

    assert await refunds(world, order) == []
    assert await goods.on_hand(world) == (10, 10)
    await world.shop.run("UPDATE orders SET payment_status = 'captured' WHERE id = :id", id=order.order_id)


async def test_goods_that_are_paid_at_the_door_come_back_once_their_money_is_here(world: World) -> None:
    order, goods = await bought(world, CapturePolicy.PLACEMENT, PaymentWay.CASH_ON_DELIVERY)
    async with world.working():
        await world.place(order)
        cups, saucers = await lines(world, order)
        await ship(world, order, (cups, 1), (saucers, 1))
        return_id = await ask(world, order)
        for refund in (True, False):
            with pytest.raises(IllegalStepError, match="not paid yet"):
                await receive(world, order, ReceiveReturn(return_id, refund=refund))
        assert (await noted(world, order), await goods.on_hand(world)) == ([("requested", 0)], (8, 7))
        await ship(world, order)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        await receive(world, order, ReceiveReturn(return_id))

    assert await books(world, order) == ("captured", 2999, 0)
    assert await refunds(world, order) == [(1333, "started")]
    assert await goods.on_hand(world) == (9, 8)


async def test_refund_that_the_provider_refuses_calls_an_operator_and_the_goods_are_in_stock_all_the_same(
    world: World, sandbox: SandboxForTests
) -> None:
    async with world.working():
        order, goods = await sent(world)
        await sandbox.misbehave("refused", operation="refund", times=1, order_id=str(order.order_id))
        await receive(world, order, ReceiveReturn(await ask(world, order)))
        stuck = await world.needs_operator(order.order_id)
        assert await goods.on_hand(world) == (10, 10)
        assert await world.charged(order.order_id) == [2999]
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        await refunded(world, order, 2999)

    assert (stuck.status, stuck.operator_reason) == (OrderStatus.SHIPPED, "refund_refused")
    assert await world.charged(order.order_id) == []
    assert await goods.on_hand(world) == (10, 10)
    await require_clean(world, order)


async def test_free_goods_come_back_and_ask_no_provider(world: World) -> None:
    sku = await world.goods(amount=0)
    order = world.order_of(await world.cart((sku, 2)))
    async with world.working():
        await world.place(order)
        await ship(world, order)
        await receive(world, order, ReceiveReturn(await ask(world, order)))

    assert await refunds(world, order) == []
    assert await noted(world, order) == [("received", 0)]
    assert await world.stock(sku) == (10, 0)


async def test_goods_that_come_back_go_to_whoever_waits_for_them(world: World) -> None:
    sku = await world.goods(stock=2)
    await world.shop.run("INSERT INTO stock_policies (sku, backorder_limit) VALUES (:sku, 5)", sku=sku)
    first, second = [world.order_of(await world.cart((sku, 2))) for _ in range(2)]
    async with world.working():
        await world.place(first)
        await world.place(second)
        await ship(world, first)
        await receive(world, first, ReceiveReturn(await ask(world, first)))
        shipped = await ship(world, second)

    assert shipped.status is OrderStatus.SHIPPED
    assert await world.stock(sku) == (0, 0)
    await require_clean(world, first)
    await require_clean(world, second)


async def test_closed_order_takes_its_goods_back_by_a_workflow_that_begins_again_and_ends(hasty_world: World) -> None:
    world = hasty_world
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        return_id = await ask(world, order)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        assert (await world.ended(order.order_id)).status is OrderStatus.CLOSED
        received = await receive(world, order, ReceiveReturn(return_id))
        ended = await world.ended(order.order_id)

    assert (received.status, ended.status) == (OrderStatus.CLOSED, OrderStatus.CLOSED)
    assert await books(world, order) == ("refunded", 2999, 2999)
    assert await world.charged(order.order_id) == []
    assert await goods.on_hand(world) == (10, 10)
    assert (await world.events(order.order_id))[-3:] == ["closed", "return_received", "refunded"]


@pytest.mark.parametrize(
    ("decision", "state", "left"), [(Decision.RETRY, "succeeded", []), (Decision.SKIP, "abandoned", [2999])]
)
async def test_refund_that_the_provider_refuses_a_closed_order_is_resolved_by_a_workflow_that_begins_again(
    hasty_world: World, sandbox: SandboxForTests, decision: Decision, state: str, left: list[int]
) -> None:
    world = hasty_world
    order, _ = await bought(world, CapturePolicy.PLACEMENT)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        return_id = await ask(world, order)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        await world.ended(order.order_id)
        await sandbox.misbehave("refused", operation="refund", times=1, order_id=str(order.order_id))
        await receive(world, order, ReceiveReturn(return_id))
        refused = await world.ended(order.order_id)
        await world.client.resolve(replace(order, payment_method=None), Resolve(decision), wait=WAIT)
        resolved = await world.ended(order.order_id)

    assert (refused.status, refused.needs_operator) == (OrderStatus.CLOSED, True)
    assert (resolved.status, resolved.needs_operator) == (OrderStatus.CLOSED, False)
    assert await refunds(world, order) == [(2999, state)]
    assert await world.charged(order.order_id) == left


async def test_goods_come_back_to_a_closed_order_whose_last_message_is_still_on_its_way(hasty_world: World) -> None:
    world = hasty_world
    order, goods = await bought(world, CapturePolicy.PLACEMENT)
    again = replace(order, payment_method=None)
    async with world.working():
        await world.place(order)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        return_id = await ask(world, order)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        assert (await world.ended(order.order_id)).status is OrderStatus.CLOSED
    gate = Gate("notifications.deliver", "before")
    telling = gate.apply(WORK[TaskQueue.NOTIFICATIONS](world.resources))
    async with world.working({TaskQueue.NOTIFICATIONS: telling}):
        await world.client.refund(again, Refund(1000), wait=WAIT)
        await gate.reached.wait()
        await receive(world, order, ReceiveReturn(return_id))
        await refunded(world, order, 1000, 1999)
        gate.opened.set()
        ended = await world.ended(order.order_id)

    assert ended.status is OrderStatus.CLOSED
    assert await world.charged(order.order_id) == []
    assert await goods.on_hand(world) == (10, 10)
    assert set(await world.message_states(order.order_id)) == {"sent"}


@pytest.mark.parametrize("where", ["before", "after"])
async def test_return_of_an_order_terminated_around_its_step_is_booked_and_given_back_once(
    world: World, where: str
) -> None:
    gate = Gate("returns.take_back", where)
    async with world.working():
        order, goods = await sent(world)
        arrived = ReceiveReturn(await ask(world, order))
    async with world.working({TaskQueue.ORDERS: gate.apply(WORK[TaskQueue.ORDERS](world.resources))}):
        receiving = asyncio.create_task(receive(world, order, arrived))
        await gate.reached.wait()
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).terminate("a test")
        gate.opened.set()
        await asyncio.gather(receiving, return_exceptions=True)
    async with world.working():
        async with world.sessions.begin() as session:
            await world.client.resume(await orders.restart(session, order.order_id))
        await receive(world, order, arrived)
        await refunded(world, order, 2999)

    assert await world.charged(order.order_id) == []
    assert await goods.on_hand(world) == (10, 10)
    assert (await world.events(order.order_id)).count("return_received") == 1
    await require_clean(world, order)


async def test_return_that_was_cancelled_is_not_received_and_its_goods_may_be_asked_for_again(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        cancelled = await ask(world, order)
        async with world.sessions.begin() as session:
            await returns.cancel(session, order.order_id, cancelled, actor="guest")
            await returns.cancel(session, order.order_id, cancelled, actor="guest")
        with pytest.raises(IllegalStepError):
            await receive(world, order, ReceiveReturn(cancelled))
        assert await goods.on_hand(world) == (8, 7)
        received = await ask(world, order)
        await receive(world, order, ReceiveReturn(received))
        with pytest.raises(IllegalStepError):
            async with world.sessions.begin() as session:
                await returns.cancel(session, order.order_id, received, actor="guest")
        await refunded(world, order, 2999)

    assert await noted(world, order) == [("cancelled", 0), ("received", 2999)]
    events = await world.events(order.order_id)
    assert (events.count("return_cancelled"), events.count("return_received")) == (1, 1)
    assert await goods.on_hand(world) == (10, 10)
    await require_clean(world, order)


async def test_cancelling_what_was_sent_calls_an_operator_and_the_return_goes_on(world: World) -> None:
    async with world.working():
        order, goods = await sent(world)
        arrived = ReceiveReturn(await ask(world, order))
        await asyncio.gather(world.client.cancel(order.order_id, Cancel(), wait=WAIT), receive(world, order, arrived))
        await refunded(world, order, 2999)

    stands = await world.order(order.order_id)
    assert (stands.status, stands.operator_reason) == (OrderStatus.SHIPPED, "cancel_after_shipment")
    assert await goods.on_hand(world) == (10, 10)


async def part_of_what_waits(world: World) -> tuple[PlaceOrder, str]:
    """Send the two pieces that are there of an order that waits for two more."""
    sku = await world.goods(stock=2)
    await world.shop.run("INSERT INTO stock_policies (sku, backorder_limit) VALUES (:sku, 5)", sku=sku)
    order = world.order_of(await world.cart((sku, 4)))
    async with world.working():
        await world.place(order)
        await ship(world, order)
    return order, sku


async def while_goods_arrive(world: World, sku: str, change: Callable[[AsyncSession], Awaitable[object]]) -> None:
    """Change an order that waits for goods while a delivery of them to a new place, which began before, serves it."""
    far = await place(world.shop, f"far-{uuid4().hex[:8]}", priority=200)

    async def changed() -> None:
        async with world.sessions.begin() as session:
            await change(session)

    async with world.sessions.begin() as session:
        await backorders.lock(session, [sku])
        waiting = asyncio.create_task(changed())
        await somebody_waits(world.shop)
        await stocking.receive(session, [Receipt(sku, 1)], note="a delivery", location=far)
    await waiting


async def test_order_takes_goods_back_while_a_delivery_serves_it(world: World) -> None:
    order, sku = await part_of_what_waits(world)
    arrived = TakeBack(order.order_id, await ask(world, order), "operator:7", refund=False)
    await while_goods_arrive(world, sku, lambda session: returns.take_back(session, arrived))

    assert await noted(world, order) == [("received", 0)]
    assert await world.shop.run("SELECT quantity FROM backorders WHERE order_id = :id", id=order.order_id) == []


async def test_rest_is_cancelled_while_a_delivery_serves_it(world: World) -> None:
    order, sku = await part_of_what_waits(world)
    rest = CancelRest(order.order_id, "operator:7", "fraud_suspected")
    await while_goods_arrive(world, sku, lambda session: unshipped.cancel(session, rest))

    assert await world.shop.run("SELECT FROM backorders WHERE order_id = :id", id=order.order_id) == []


async def test_goods_are_asked_back_while_a_shipment_of_the_same_line_is_given_up(world: World) -> None:
    order, _ = await bought(world, CapturePolicy.PLACEMENT)
    shipment = uuid4()
    async with world.working():
        await world.place(order)
        cups, _ = await lines(world, order)
        await ship(world, order, (cups, 1))
    async with world.sessions.begin() as session:
        await shipments.begin(session, BeginShipment(order.order_id, shipment, "test", (ShippedLine(cups, 1),)))

    async def given_up() -> None:
        async with world.sessions.begin() as session:
            await shipments.abandon(session, shipment, "declined")
            await orders.flag(session, order.order_id, reason="capture_declined")

    async with world.sessions.begin() as session:
        await session.execute(text("SELECT FROM orders WHERE id = :id FOR UPDATE"), {"id": order.order_id})
        waiting = asyncio.create_task(given_up())
        await somebody_waits(world.shop)
        await returns.request(session, ReturnRequest(uuid4(), order.order_id, "guest", ((cups, 1),)))
    await waiting

    assert await quantities(world, order) == [(1, 1), (0, 0)]


async def test_order_has_so_many_returns_and_no_more(world: World) -> None:
    async with world.working():
        order, _ = await sent(world)
    for _ in range(MOST_RETURNS):
        async with world.sessions.begin() as session:
            return_id = uuid4()
            await returns.request(session, ReturnRequest(return_id, order.order_id, "guest"))
            await returns.cancel(session, order.order_id, return_id, actor="guest")
    with pytest.raises(IllegalStepError, match="has had 100"):
        await ask(world, order)

    assert await noted(world, order) == [("cancelled", 0)] * MOST_RETURNS
