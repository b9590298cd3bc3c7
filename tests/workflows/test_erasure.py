"""Erasing an account with a real Temporal, where nothing and where everything goes wrong."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from clients.erasures import ErasureClient
from contracts.erasures import erasure_workflow_id
from db.closing import close_account
from domain.errors import OrdersOpenError, UnauthenticatedError
from domain.messages import MailUnavailableError
from models.columns import new_id
from tests.support.histories import clear_text
from tests.support.world import World


async def person(world: World) -> tuple[UUID, str]:
    user_id = new_id()
    email = f"ada-{user_id.hex[-12:]}@example.com"
    await world.shop.run(
        "INSERT INTO users (id, email, name, phone, password_hash, email_verified_at)"
        " VALUES (:id, :email, 'Ada Example', '+441904123456', 'hash', now())",
        id=user_id,
        email=email,
    )
    return user_id, email


async def close(world: World, user_id: UUID) -> None:
    async with world.sessions.begin() as session:
        await close_account(session, user_id)


async def account(world: World, user_id: UUID) -> tuple[object, ...]:
    [row] = await world.shop.run(
        "SELECT u.email, u.name, u.phone, u.password_hash, u.erased_at IS NOT NULL, e.completed_at IS NOT NULL"
        " FROM users u JOIN erasures e ON e.user_id = u.id WHERE u.id = :id",
        id=user_id,
    )
    return row


async def looks(handle: WorkflowHandle[Any, Any]) -> int:
    """Count how often somebody has tried to erase."""
    return clear_text(await handle.fetch_history()).count("open_orders")


GONE = (None, None, None, None, True, True)


async def erased(world: World, user_id: UUID) -> None:
    """Begin an erasure and wait for its end."""
    await ErasureClient(world.temporal).begin(user_id)
    await world.temporal.get_workflow_handle(erasure_workflow_id(user_id)).result()


async def test_closed_account_is_told_and_erased(hasty_world: World) -> None:
    world = hasty_world
    user_id, email = await person(world)
    await close(world, user_id)
    async with world.working():
        await erased(world, user_id)

    assert await account(world, user_id) == GONE
    [farewell] = world.mail.sent_to(email)
    assert (farewell.recipient, farewell.subject) == (email, "Your account is erased")


async def test_erasure_that_is_begun_again_after_its_end_changes_nothing_and_tells_nobody(hasty_world: World) -> None:
    world = hasty_world
    user_id, email = await person(world)
    await close(world, user_id)
    async with world.working():
        await erased(world, user_id)
        before = await world.shop.run(
            "SELECT * FROM erasures e JOIN users u ON u.id = e.user_id WHERE id = :id", id=user_id
        )
        await erased(world, user_id)

    after = await world.shop.run("SELECT * FROM erasures e JOIN users u ON u.id = e.user_id WHERE id = :id", id=user_id)
    assert [row[:4] for row in after] == [row[:4] for row in before]
    assert len(world.mail.sent_to(email)) == 1


async def test_mail_server_that_stays_away_does_not_keep_a_person_from_being_erased(hasty_world: World) -> None:
    world = hasty_world
    user_id, email = await person(world)
    world.mail.failures[email] = [MailUnavailableError() for _ in range(1_000)]
    await close(world, user_id)
    async with world.working():
        await erased(world, user_id)

    assert await account(world, user_id) == GONE
    assert world.mail.sent_to(email) == []
    assert await world.shop.run("SELECT state FROM notifications WHERE user_id = :id", id=user_id) == [("dropped",)]


async def test_order_that_was_begun_just_before_keeps_the_person_until_it_is_over(hasty_world: World) -> None:
    world = hasty_world
    user_id, _ = await person(world)
    await close(world, user_id)
    cart = await world.cart((await world.goods(), 1))
    await world.shop.run("UPDATE carts SET customer_id = :user WHERE id = :id", user=user_id, id=cart)
    order = world.order_of(cart)
    handle = world.temporal.get_workflow_handle(erasure_workflow_id(user_id))
    async with world.working():
        await world.place(order)
        await ErasureClient(world.temporal).begin(user_id)
        while await looks(handle) < 3:  # noqa: ASYNC110 - the history tells no other way
            await asyncio.sleep(0.02)
        assert (await account(world, user_id))[-2:] == (False, False)
        await world.shop.run("UPDATE orders SET status = 'delivered' WHERE id = :id", id=order.order_id)
        await handle.result()

    assert await account(world, user_id) == GONE
    [row] = await world.shop.run(
        "SELECT email, phone, payment_method, shipping_address, total_amount, customer_id FROM orders WHERE id = :id",
        id=order.order_id,
    )
    assert row == (None, None, None, {"country": "GB"}, 1000, user_id)


async def test_account_with_an_order_under_way_is_not_closed(hasty_world: World) -> None:
    world = hasty_world
    user_id, _ = await person(world)
    cart = await world.cart((await world.goods(), 1))
    await world.shop.run("UPDATE carts SET customer_id = :user WHERE id = :id", user=user_id, id=cart)
    order = world.order_of(cart)
    async with world.working():
        await world.place(order)
    number = (await world.order(order.order_id)).number

    with pytest.raises(OrdersOpenError) as refused:
        await close(world, user_id)

    assert refused.value.numbers == (number,)
    assert await world.shop.run("SELECT 1 FROM erasures WHERE user_id = :id", id=user_id) == []
    assert await world.shop.run("SELECT password_hash FROM users WHERE id = :id", id=user_id) == [("hash",)]


async def test_account_is_closed_once(hasty_world: World) -> None:
    user_id, _ = await person(hasty_world)
    await close(hasty_world, user_id)
    with pytest.raises(UnauthenticatedError):
        await close(hasty_world, user_id)


async def test_terminated_erasure_is_begun_again_and_ends(hasty_world: World) -> None:
    world = hasty_world
    user_id, _ = await person(world)
    await close(world, user_id)
    client = ErasureClient(world.temporal)
    handle = world.temporal.get_workflow_handle(erasure_workflow_id(user_id))
    await client.begin(user_id)
    await handle.terminate()
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED

    async with world.working():
        await erased(world, user_id)

    assert await account(world, user_id) == GONE
