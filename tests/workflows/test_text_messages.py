"""Text messages out of an order's own workflow, which does not know that there are any."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from contracts.orders import OrderOutcome, PlaceOrder, Ship
from contracts.queues import TaskQueue
from models.columns import new_id
from tests.support.histories import clear_text
from tests.support.sms import BROKEN, Gateway, refusing, running_gateway
from tests.support.world import WAIT, World
from workers.wiring import WORK, QueueWork

NUMBER = "+447700900123"
AWAY = 16
"""Tries that take more than an hour: 1, 2, 4 ... 512 and then 600 seconds lie between them."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with running_gateway() as gateway:
        yield gateway


def telling(world: World, gateway: Gateway) -> dict[TaskQueue, QueueWork]:
    resources = replace(world.resources, sms=gateway.adapter())
    return {TaskQueue.NOTIFICATIONS: WORK[TaskQueue.NOTIFICATIONS](resources)}


async def shipped(world: World) -> PlaceOrder:
    """Ship the order of somebody who has asked for text messages."""
    user, cart = new_id(), await world.cart((await world.goods(), 1))
    await world.shop.run(
        "INSERT INTO users (id, email) VALUES (:id, :email)", id=user, email=f"{uuid4().hex}@a.example"
    )
    await world.shop.run(
        "INSERT INTO notification_preferences (user_id, topic, channel, wanted)"
        " VALUES (:user, 'order_updates', 'sms', true)",
        user=user,
    )
    await world.shop.run("UPDATE carts SET customer_id = :u, phone = :p WHERE id = :id", u=user, p=NUMBER, id=cart)
    order = world.order_of(cart)
    await world.place(order)
    outcome = await world.client.ship(order.order_id, Ship("operator:7", "Royal Mail", "RM01"), wait=WAIT)
    assert isinstance(outcome, OrderOutcome)
    await world.settled(order.order_id)
    return order


async def states(world: World, order: UUID) -> list[tuple[object, ...]]:
    return await world.shop.run(
        "SELECT template, channel, state FROM notifications WHERE order_id = :id ORDER BY id", id=order
    )


async def test_who_has_asked_hears_of_a_shipment_both_ways_and_the_history_names_no_number(
    world: World, gateway: Gateway
) -> None:
    async with world.working(telling(world, gateway)):
        order = await shipped(world)

    number = (await world.order(order.order_id)).number
    text = f"Your order {number} is on its way with Royal Mail, tracking number RM01."
    assert gateway.kept == [(NUMBER, text)]
    assert [mail.subject for mail in world.mail.sent if number in mail.subject][1:] == [
        f"Your order {number} is on its way"
    ]
    assert await states(world, order.order_id) == [
        ("order_confirmation", "email", "sent"),
        ("shipment", "email", "sent"),
        ("shipment", "sms", "sent"),
    ]
    assert NUMBER[1:] not in clear_text(await world.history(order.order_id))


async def test_refused_number_leaves_the_order_shipped_the_mail_sent_and_no_number_in_the_history(
    world: World, gateway: Gateway
) -> None:
    gateway.answers = [refusing(21610, NUMBER)]
    async with world.working(telling(world, gateway)):
        order = await shipped(world)

    assert (await world.order(order.order_id)).status == "shipped"
    assert gateway.kept == []
    assert (await states(world, order.order_id))[1:] == [("shipment", "email", "sent"), ("shipment", "sms", "refused")]
    said = clear_text(await world.history(order.order_id))
    assert "everorder.sms_refused" in said
    assert NUMBER[1:] not in said


@pytest.mark.proof
async def test_gateway_that_is_away_for_an_hour_gets_the_message_once_when_it_is_back(
    hasty_world: World, gateway: Gateway
) -> None:
    gateway.answers = [BROKEN] * AWAY
    async with hasty_world.working(telling(hasty_world, gateway)):
        order = await shipped(hasty_world)

    assert len(gateway.asked) == AWAY + 1
    assert len(gateway.sent_to(NUMBER)) == 1
    assert (await states(hasty_world, order.order_id))[1:] == [
        ("shipment", "email", "sent"),
        ("shipment", "sms", "sent"),
    ]
    history = await hasty_world.history(order.order_id)
    assert (history.events[-1].event_time.ToDatetime() - history.events[0].event_time.ToDatetime()).seconds >= 3600
