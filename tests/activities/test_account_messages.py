"""Messages about accounts: queued with what causes them, rendered when they are sent, and never sent twice."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.messages import MessageActivities
from activities.sweeps import Sweeps
from contracts.notifications import DeliverMessage
from db import messages
from db.messages import MOST_AN_HOUR
from domain.errors import TemporarilyUnavailableError
from domain.messages import AccountMessage, MailRefusedError, MailUnavailableError
from domain.one_time_tokens import one_time_token
from models.columns import new_id
from providers.links import StorefrontLinks
from providers.rendering import JinjaRenderer
from tests.support.begun import Begun
from tests.support.steps import Steps, attempt
from tests.support.world import SECRET, STOREFRONT

HOUR = timedelta(hours=1)


def deliverer(steps: Steps) -> MessageActivities:
    return MessageActivities(steps.sessions, steps.mail, JinjaRenderer(), StorefrontLinks(STOREFRONT, SECRET))


async def account(steps: Steps, *, name: str | None = "Ada") -> tuple[UUID, str]:
    user_id = new_id()
    email = f"ada-{user_id.hex[-12:]}@example.com"
    await steps.shop.run(
        "INSERT INTO users (id, email, name, email_verified_at) VALUES (:id, :email, :name, now())",
        id=user_id,
        email=email,
        name=name,
    )
    return user_id, email


async def link(steps: Steps, user_id: UUID, *, lives: timedelta = HOUR) -> UUID:
    token_id = new_id()
    await steps.shop.run(
        "INSERT INTO one_time_tokens (id, user_id, purpose, digest, expires_at)"
        " VALUES (:id, :user, 'reset_password', :digest, now() + CAST(:lives AS interval))",
        id=token_id,
        user=user_id,
        digest=token_id.hex,
        lives=lives,
    )
    return token_id


async def queued(
    steps: Steps,
    user_id: UUID,
    template: AccountMessage = AccountMessage.PASSWORD_CHANGED,
    token_id: UUID | None = None,
) -> UUID:
    async with steps.sessions.begin() as session:
        message = await messages.queue_message(session, user_id, template, token_id=token_id)
    assert message is not None
    return message


async def rows(steps: Steps, user_id: UUID) -> list[tuple[object, ...]]:
    return await steps.shop.run(
        "SELECT template, n, state, code FROM notifications WHERE user_id = :id ORDER BY template, n", id=user_id
    )


@pytest.mark.parametrize("template", AccountMessage)
async def test_message_goes_to_its_account_with_a_link_in_both_of_its_bodies(
    steps: Steps, template: AccountMessage
) -> None:
    user_id, email = await account(steps)
    message = await queued(steps, user_id, template)

    await attempt(deliverer(steps).deliver, DeliverMessage(message))

    [mail] = steps.mail.sent
    assert (mail.recipient, mail.message_id) == (email, f"<{message}@everorder>")
    assert "\n" not in mail.subject
    for part in (mail.text, mail.html):
        assert "Hello Ada," in part
        assert STOREFRONT in part
    assert await rows(steps, user_id) == [(template, 1, "sent", None)]


async def test_token_is_in_the_mail_the_same_at_each_try_and_in_no_table(steps: Steps) -> None:
    user_id, email = await account(steps, name=None)
    token_id = await link(steps, user_id)
    message = await queued(steps, user_id, AccountMessage.PASSWORD_RESET, token_id)
    token = one_time_token(SECRET, token_id)
    steps.mail.failures[email] = [MailUnavailableError()]

    with pytest.raises(MailUnavailableError):
        await attempt(deliverer(steps).deliver, DeliverMessage(message))
    await attempt(deliverer(steps).deliver, DeliverMessage(message), 2)

    [mail] = steps.mail.sent
    assert f"{STOREFRONT}/reset-password#token={token}" in mail.text
    assert f'"{STOREFRONT}/reset-password#token={token}"' in mail.html
    assert mail.text.startswith("Hello,")
    stored = await steps.shop.run(
        "SELECT n::text, t::text FROM notifications n JOIN one_time_tokens t ON t.id = n.token_id WHERE n.id = :id",
        id=message,
    )
    assert token not in str(stored)


async def test_name_is_text_in_a_mail_whatever_it_is_made_of(steps: Steps) -> None:
    user_id, _ = await account(steps, name='<a href="https://evil.example">{{ 7 * 7 }}</a>')
    await attempt(deliverer(steps).deliver, DeliverMessage(await queued(steps, user_id)))

    [mail] = steps.mail.sent
    assert "&lt;a href=" in mail.html
    assert '<a href="https://evil' not in mail.html
    assert "{{ 7 * 7 }}" in mail.text


@pytest.mark.parametrize("used", [False, True])
async def test_link_that_opens_nothing_any_more_is_not_mailed(steps: Steps, *, used: bool) -> None:
    user_id, _ = await account(steps)
    token_id = await link(steps, user_id, lives=HOUR if used else -HOUR)
    message = await queued(steps, user_id, AccountMessage.PASSWORD_RESET, token_id)
    if used:
        await steps.shop.run("DELETE FROM one_time_tokens WHERE id = :id", id=token_id)

    await attempt(deliverer(steps).deliver, DeliverMessage(message))

    assert steps.mail.sent == []
    assert await rows(steps, user_id) == [("password_reset", 1, "dropped", "unwanted")]


async def test_refused_message_is_final_and_its_failure_names_nobody(steps: Steps) -> None:
    user_id, email = await account(steps)
    message = await queued(steps, user_id)
    steps.mail.failures[email] = [MailRefusedError(550)]

    with pytest.raises(ApplicationError) as refused:
        await attempt(deliverer(steps).deliver, DeliverMessage(message))

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.mail_refused", True)
    assert await rows(steps, user_id) == [("password_changed", 1, "refused", "550")]


async def test_of_twenty_attempts_at_once_one_sends(steps: Steps) -> None:
    user_id, _ = await account(steps)
    message = await queued(steps, user_id)
    tries = (attempt(deliverer(steps).deliver, DeliverMessage(message)) for _ in range(20))

    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    assert len(steps.mail.sent) == 1
    assert {getattr(one, "type", None) for one in outcomes} <= {None, "everorder.message_claimed"}
    assert await rows(steps, user_id) == [("password_changed", 1, "sent", None)]


async def test_messages_queued_at_once_are_numbered_and_end_at_the_most_of_an_hour(steps: Steps) -> None:
    user_id, _ = await account(steps)

    async def queue() -> UUID | None:
        async with steps.sessions.begin() as session:
            return await messages.queue_message(session, user_id, AccountMessage.PASSWORD_RESET)

    made = await asyncio.gather(*(queue() for _ in range(MOST_AN_HOUR + 7)))

    assert sum(one is not None for one in made) == MOST_AN_HOUR
    numbers = [row[1] for row in await rows(steps, user_id)]
    assert numbers == list(range(1, MOST_AN_HOUR + 1))
    await queued(steps, user_id, AccountMessage.PASSWORD_CHANGED)
    await steps.shop.run(
        "UPDATE notifications SET created_at = now() - interval '61 minutes' WHERE user_id = :id", id=user_id
    )
    assert await queue() is not None


async def test_message_of_a_transaction_that_failed_was_never_owed(steps: Steps) -> None:
    user_id, _ = await account(steps)

    async def fail() -> None:
        async with steps.sessions.begin() as session:
            await messages.queue_message(session, user_id, AccountMessage.PASSWORD_CHANGED)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await rows(steps, user_id) == []


async def test_account_that_is_closed_gets_its_farewell_and_nothing_else(steps: Steps) -> None:
    user_id, _ = await account(steps)
    await steps.shop.run("INSERT INTO erasures (user_id) VALUES (:id)", id=user_id)

    async with steps.sessions.begin() as session:
        assert await messages.queue_message(session, user_id, AccountMessage.ALREADY_REGISTERED) is None
        assert await messages.queue_message(session, user_id, AccountMessage.ACCOUNT_ERASED) is not None

    assert await rows(steps, user_id) == [("account_erased", 1, "pending", None)]


# The sweep -----------------------------------------------------------------------------------------------------------


async def age(steps: Steps, message: UUID, by: timedelta) -> None:
    await steps.shop.run(
        "UPDATE notifications SET created_at = created_at - CAST(:by AS interval),"
        " sweep_at = sweep_at - CAST(:by AS interval) WHERE id = :id",
        id=message,
        by=by,
    )


async def sweep(steps: Steps, temporal: Begun) -> int:
    begun: int = await ActivityEnvironment().run(Sweeps(steps.sessions, temporal, temporal).messages)
    return begun


async def test_sweep_begins_what_was_left_behind_and_looks_again_only_after_a_while(steps: Steps) -> None:
    user_id, _ = await account(steps)
    lost = [await queued(steps, user_id, template) for template in AccountMessage]
    fresh = await queued(steps, (await account(steps))[0])
    for message in lost:
        await age(steps, message, timedelta(minutes=1))
    temporal = Begun()

    await sweep(steps, temporal)
    assert set(lost) <= set(temporal.begun)
    assert fresh not in temporal.begun
    again = Begun()
    await sweep(steps, again)

    assert not set(lost) & set(again.begun)
    for message in lost:
        await age(steps, message, timedelta(minutes=15))
    await sweep(steps, again)
    assert set(lost) <= set(again.begun)


async def test_sweep_that_could_not_reach_temporal_begins_it_all_the_next_time(steps: Steps) -> None:
    user_id, _ = await account(steps)
    lost = [await queued(steps, user_id, template) for template in AccountMessage]
    for message in lost:
        await age(steps, message, timedelta(minutes=1))

    with pytest.raises(TemporarilyUnavailableError):
        await sweep(steps, Begun(away=1))
    temporal = Begun()
    await sweep(steps, temporal)

    assert set(lost) <= set(temporal.begun)


async def test_sweep_leaves_alone_what_is_sent_and_what_belongs_to_an_order(steps: Steps) -> None:
    order = await steps.placed()
    [of_order] = (await steps.snapshot(order)).messages
    user_id, _ = await account(steps)
    sent = await queued(steps, user_id)
    await attempt(deliverer(steps).deliver, DeliverMessage(sent))
    for message in (of_order, sent):
        await age(steps, message, timedelta(days=4))
    temporal = Begun()

    await sweep(steps, temporal)

    assert not {of_order, sent} & set(temporal.begun)
    assert await rows(steps, user_id) == [("password_changed", 1, "sent", None)]
    assert await steps.messages(order.order_id) == [("order_confirmation", "pending", 0)]


async def test_message_that_could_not_be_delivered_within_days_is_dropped(steps: Steps) -> None:
    user_id, _ = await account(steps)
    message = await queued(steps, user_id)
    await age(steps, message, timedelta(days=3, minutes=1))
    temporal = Begun()

    await sweep(steps, temporal)
    await attempt(deliverer(steps).deliver, DeliverMessage(message))

    assert message not in temporal.begun
    assert await rows(steps, user_id) == [("password_changed", 1, "dropped", "too_late")]
    assert steps.mail.sent == []
