"""Messages about accounts, each by a workflow of its own, with a real Temporal."""

import asyncio
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from clients.messages import MessageClient
from contracts.messages import message_workflow_id
from db import messages
from domain.messages import AccountMessage, MailRefusedError, MailUnavailableError
from models.columns import new_id
from tests.support.histories import clear_text
from tests.support.world import World


async def queued(world: World) -> tuple[UUID, str]:
    """Owe somebody a message; return it and where it goes."""
    user_id = new_id()
    email = f"ada-{user_id.hex[-12:]}@example.com"
    await world.shop.run(
        "INSERT INTO users (id, email, name, email_verified_at) VALUES (:id, :email, 'Ada Example', now())",
        id=user_id,
        email=email,
    )
    async with world.sessions.begin() as session:
        message = await messages.queue_message(session, user_id, AccountMessage.PASSWORD_CHANGED)
    assert message is not None
    return message, email


async def state(world: World, message: UUID) -> object:
    [(state,)] = await world.shop.run("SELECT state FROM notifications WHERE id = :id", id=message)
    return state


async def test_message_is_begun_many_times_and_sent_once(world: World) -> None:
    message, email = await queued(world)
    client = MessageClient(world.temporal)
    async with world.working():
        await asyncio.gather(*(client.begin(message) for _ in range(10)))
        await world.temporal.get_workflow_handle(message_workflow_id(message)).result()
        await client.begin(message)
        await world.temporal.get_workflow_handle(message_workflow_id(message)).result()

    assert len(world.mail.sent_to(email)) == 1
    assert await state(world, message) == "sent"


async def test_mail_server_that_is_away_delays_a_message_and_its_history_names_nobody(world: World) -> None:
    message, email = await queued(world)
    away = MailUnavailableError(f"{email} is busy")
    world.mail.failures[email] = [away, away]
    handle = world.temporal.get_workflow_handle(message_workflow_id(message))
    async with world.working():
        await MessageClient(world.temporal).begin(message)
        await handle.result()

    assert len(world.mail.sent_to(email)) == 1
    said = clear_text(await handle.fetch_history())
    assert str(message) in said
    assert [word for word in (email, "Ada", "example.com") if word in said] == []


async def test_refused_message_ends_its_workflow_with_a_code(world: World) -> None:
    message, email = await queued(world)
    refused = MailRefusedError(550)
    refused.args = (f"550 5.1.1 <{email}>: user unknown",)
    world.mail.failures[email] = [refused]
    handle = world.temporal.get_workflow_handle(message_workflow_id(message))
    async with world.working():
        await MessageClient(world.temporal).begin(message)
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED
    assert await state(world, message) == "refused"
    said = clear_text(await handle.fetch_history())
    assert "everorder.mail_refused" in said
    assert email not in said
