"""No history holds a person, whatever has gone wrong."""

import pytest
from sqlalchemy.exc import SQLAlchemyError

from contracts.orders import OrderSnapshot, OrderStep
from contracts.queues import TaskQueue
from domain.messages import MailRefusedError, MailUnavailableError
from tests.support.gates import Replacement
from tests.support.histories import clear_text
from tests.support.stories import STORIES
from tests.support.world import World
from workers.wiring import WORK

PERSON = ("ada@example.com", "example.com", "Ada Example", "Analytical Row", "N1 1AA", "London")


@pytest.mark.parametrize("story", STORIES)
async def test_history_of_a_story_names_no_person(world: World, story: str) -> None:
    order = await STORIES[story](world)

    said = clear_text(await world.history(order.order_id))

    assert str(order.order_id) in said
    assert [word for word in PERSON if word in said] == []


async def test_failures_that_quote_a_person_leave_only_their_type(world: World) -> None:
    cart = await world.cart((await world.goods(), 1))
    order = world.order_of(cart)
    await world.shop.run("UPDATE carts SET email = 'no-ada@example.com' WHERE id = :id", id=cart)
    refused = MailRefusedError(550)
    refused.args = ("550 5.1.1 <no-ada@example.com>: user unknown",)
    world.mail.failures["no-ada@example.com"] = [MailUnavailableError("no-ada@example.com is busy"), refused]

    async def quoting(request: OrderStep) -> OrderSnapshot:
        raise SQLAlchemyError("Failing row contains (Ada Example, ada@example.com)")

    broken = Replacement("orders.place", quoting, times=2)
    async with world.working({TaskQueue.ORDERS: broken.apply(WORK[TaskQueue.ORDERS](world.resources))}):
        await world.place(order)
        await world.settled(order.order_id)

    said = clear_text(await world.history(order.order_id))
    assert await world.message_states(order.order_id) == ["refused"]
    assert "everorder.mail_refused" in said
    assert [word for word in PERSON if word in said] == []


async def test_business_refusal_that_quotes_a_person_in_its_cause_leaves_its_code(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))

    async def forbidden(request: OrderStep) -> OrderSnapshot:
        await world.shop.run(
            "INSERT INTO carts (id, status, currency, checkout_attempt, email)"
            " VALUES (:id, 'nonsense', 'GBP', 1, 'ada@example.com')",
            id=request.order_id,
        )
        raise AssertionError("the constraint is gone")

    broken = Replacement("orders.place", forbidden, times=1, through_refusals=True)
    async with world.working({TaskQueue.ORDERS: broken.apply(WORK[TaskQueue.ORDERS](world.resources))}):
        await world.client.resume(order)
        row = await world.needs_operator(order.order_id)

    assert row.operator_reason == "constraint_violated"
    said = clear_text(await world.history(order.order_id))
    assert "everorder.constraint_violated" in said
    assert [word for word in PERSON if word in said] == []
