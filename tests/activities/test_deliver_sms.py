"""Text messages about orders: to those who have asked for them, each once, whatever the gateway does."""

import asyncio
from collections.abc import Iterator
from threading import Event
from uuid import UUID

import pytest
from sqlalchemy import event
from temporalio.exceptions import ApplicationError

from activities.notifications import NotificationActivities
from activities.ports import SmsGateway
from contracts.notifications import DeliverMessage
from contracts.orders import OrderStep, PlaceOrder
from db import erasures, notifications
from db.erasures import Who
from domain.messages import Sms, SmsUnavailableError
from models.columns import new_id
from providers.rendering import JinjaRenderer
from tests.support.meddler import CrashError
from tests.support.sms import BROKEN, LOST, Answer, Gateway, refusing, running_gateway
from tests.support.steps import Steps, attempt, cancel

NUMBER, OTHER = "+447700900123", "+447700900456"
REFUND = "refund_confirmation"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with running_gateway() as gateway:
        yield gateway


async def account(steps: Steps, *, sms: bool | None = True, phone: str | None = None) -> UUID:
    """Open an account, whose owner has said whether they want text messages about orders."""
    user = new_id()
    await steps.shop.run(
        "INSERT INTO users (id, email, phone) VALUES (:id, CAST(CAST(:id AS uuid) AS text) || '@example.com', :phone)",
        id=user,
        phone=phone,
    )
    if sms is not None:
        await say(steps, user, sms=sms)
    return user


async def say(steps: Steps, user: UUID, *, sms: bool) -> None:
    await steps.shop.run(
        "INSERT INTO notification_preferences (user_id, topic, channel, wanted) VALUES"
        " (:user, 'order_updates', 'sms', :sms) ON CONFLICT (user_id, topic, channel) DO UPDATE SET wanted = :sms",
        user=user,
        sms=sms,
    )


async def order_of(steps: Steps, user: UUID | None, *, phone: str | None = NUMBER) -> PlaceOrder:
    """Place an order of an account, and refund 3.50 of it."""
    order = await steps.placed()
    await steps.shop.run(
        "UPDATE orders SET customer_id = :user, phone = :phone WHERE id = :id",
        user=user,
        phone=phone,
        id=order.order_id,
    )
    await steps.shop.run(
        "INSERT INTO refunds (id, order_id, n, amount, currency, reason, actor, state)"
        " VALUES (uuidv7(), :id, 1, 350, 'GBP', 'goodwill', 'test', 'succeeded')",
        id=order.order_id,
    )
    return order


async def owe(steps: Steps, order: PlaceOrder, template: str = REFUND) -> dict[str, DeliverMessage]:
    """Owe a message, and name what is to be delivered by each channel."""
    async with steps.sessions.begin() as session:
        await notifications.owe(session, order.order_id, template)
    rows = await steps.shop.run(
        "SELECT channel, id FROM notifications WHERE order_id = :id AND template = :template",
        id=order.order_id,
        template=template,
    )
    return {str(channel): DeliverMessage(UUID(str(id_))) for channel, id_ in rows}


async def rows(steps: Steps, order: PlaceOrder) -> list[tuple[object, ...]]:
    """Read where each message stands, but for the confirmation."""
    return await steps.shop.run(
        "SELECT channel, state, code, attempts FROM notifications"
        " WHERE order_id = :id AND template <> 'order_confirmation' ORDER BY channel",
        id=order.order_id,
    )


def deliverer(steps: Steps, gateway: SmsGateway | None) -> NotificationActivities:
    return NotificationActivities(steps.sessions, steps.mail, JinjaRenderer(), sms=gateway)


async def claim_runs_out(steps: Steps, message: DeliverMessage) -> None:
    await steps.shop.run(
        "UPDATE notifications SET claimed_until = now() - interval '1 second' WHERE id = :id",
        id=message.notification_id,
    )


# Who gets one -------------------------------------------------------------------------------------------------------


async def test_who_has_asked_gets_mail_and_text_message_and_each_once(steps: Steps, gateway: Gateway) -> None:
    order = await order_of(steps, await account(steps, phone=OTHER))
    number = (await steps.snapshot(order)).number
    owed = await owe(steps, order)
    assert list(owed) == ["email", "sms"]
    assert await owe(steps, order) == owed
    assert (await steps.snapshot(order)).messages[1:] == tuple(one.notification_id for one in owed.values())

    deliver = deliverer(steps, gateway.adapter()).deliver
    for _ in range(2):
        for message in owed.values():
            await attempt(deliver, message)

    text = f"We have given back 3.50 GBP for your order {number}. It can take a few days until your bank shows it."
    assert gateway.kept == [(NUMBER, text)]
    [mail] = steps.mail.sent
    assert f"order {number}" in mail.text
    assert await rows(steps, order) == [("email", "sent", None, 1), ("sms", "sent", None, 1)]


async def test_number_of_the_account_stands_in_for_the_orders(steps: Steps, gateway: Gateway) -> None:
    order = await order_of(steps, await account(steps, phone=OTHER), phone=None)
    await attempt(deliverer(steps, gateway.adapter()).deliver, (await owe(steps, order))["sms"])
    assert [number for number, _ in gateway.kept] == [OTHER]


@pytest.mark.parametrize("said", [None, False])
async def test_nobody_is_owed_one_who_has_not_asked(steps: Steps, *, said: bool | None) -> None:
    order = await order_of(steps, await account(steps, sms=said, phone=OTHER))
    assert list(await owe(steps, order)) == ["email"]


async def test_neither_guest_nor_marketing_nor_another_persons_wish_owes_one(steps: Steps) -> None:
    other = await account(steps)
    marketed = await account(steps, sms=None, phone=OTHER)
    await steps.shop.run(
        "INSERT INTO notification_preferences (user_id, topic, channel, wanted)"
        " VALUES (:user, 'marketing', 'sms', true), (:user, 'order_updates', 'email', true)",
        user=marketed,
    )
    await order_of(steps, other)
    for buyer in (None, marketed):
        assert list(await owe(steps, await order_of(steps, buyer))) == ["email"]


async def test_what_can_not_be_declined_comes_by_mail_alone(steps: Steps) -> None:
    order = await order_of(steps, await account(steps, phone=OTHER))
    for template in ("order_confirmation", "payment_failed", "rest_cancelled"):
        assert list(await owe(steps, order, template)) == ["email"]


@pytest.mark.parametrize(("sms", "written"), [(True, 2), (False, 1), (None, 1)])
async def test_both_are_written_down_by_one_statement(steps: Steps, written: int, *, sms: bool | None) -> None:
    order = await order_of(steps, await account(steps, sms=sms))
    statements: list[str] = []

    def seen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(steps.shop.engine.sync_engine, "before_cursor_execute", seen)
    try:
        async with steps.sessions.begin() as session:
            await notifications.owe(session, order.order_id, REFUND)
    finally:
        event.remove(steps.shop.engine.sync_engine, "before_cursor_execute", seen)

    assert len(statements) == 1
    assert len(await rows(steps, order)) == written


# What becomes of it -------------------------------------------------------------------------------------------------


async def dropped(steps: Steps, gateway: Gateway, order: PlaceOrder, message: DeliverMessage) -> list[object]:
    """Deliver a message that goes nowhere, and read what its row says."""
    await attempt(deliverer(steps, gateway.adapter()).deliver, message)
    assert gateway.asked == []
    [(_, state, code, _)] = [row for row in await rows(steps, order) if row[0] == "sms"]
    return [state, code]


async def test_without_a_number_there_is_none(steps: Steps, gateway: Gateway) -> None:
    order = await order_of(steps, await account(steps), phone=None)
    assert await dropped(steps, gateway, order, (await owe(steps, order))["sms"]) == ["dropped", "no_number"]


async def test_who_has_thought_better_of_it_gets_none_and_the_mail_all_the_same(steps: Steps, gateway: Gateway) -> None:
    user = await account(steps)
    order = await order_of(steps, user)
    owed = await owe(steps, order)
    await say(steps, user, sms=False)

    assert await dropped(steps, gateway, order, owed["sms"]) == ["dropped", "unwanted"]
    await attempt(steps.notifications.deliver, owed["email"])
    assert len(steps.mail.sent) == 1


async def test_cancelled_order_drops_it(steps: Steps, gateway: Gateway) -> None:
    order = await order_of(steps, await account(steps))
    owed = await owe(steps, order)
    await attempt(steps.orders.begin_cancel, cancel(order))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    assert await dropped(steps, gateway, order, owed["sms"]) == ["dropped", None]


async def test_erased_person_gets_none_and_no_number_is_left(steps: Steps, gateway: Gateway) -> None:
    user = await account(steps, phone=OTHER)
    order = await order_of(steps, user)
    owed = await owe(steps, order)
    async with steps.sessions.begin() as session:
        who = Who(user_id=user)
        assert {NUMBER, OTHER} <= await erasures.message_addresses(session, who)
        await erasures.erase_purchases(session, await erasures.purchases(session, who))
        await erasures.erase_account(session, user)

    assert await dropped(steps, gateway, order, owed["sms"]) == ["dropped", None]
    async with steps.sessions.begin() as session:
        assert await erasures.message_addresses(session, who) == set()


async def test_shop_without_a_gateway_says_that_nothing_was_sent(steps: Steps) -> None:
    order = await order_of(steps, await account(steps))
    await attempt(deliverer(steps, None).deliver, (await owe(steps, order))["sms"])
    assert ("sms", "dropped", "sms_switched_off", 1) in await rows(steps, order)


# When something goes wrong ------------------------------------------------------------------------------------------


async def test_of_twenty_attempts_at_once_one_sends(steps: Steps, gateway: Gateway) -> None:
    order = await order_of(steps, await account(steps))
    message = (await owe(steps, order))["sms"]
    answered = Event()
    gateway.answers = [Answer(until=answered)]
    deliver = deliverer(steps, gateway.adapter()).deliver
    first = asyncio.create_task(attempt(deliver, message))
    async with asyncio.timeout(10):
        while not gateway.asked:  # noqa: ASYNC110 - a server in another thread says so
            await asyncio.sleep(0.01)

    others = await asyncio.gather(*(attempt(deliver, message, 2) for _ in range(19)), return_exceptions=True)
    answered.set()
    await first

    assert {getattr(other, "type", other) for other in others} == {"everorder.message_claimed"}
    assert len(gateway.kept) == 1
    assert ("sms", "sent", None, 1) in await rows(steps, order)


class DyingGateway:
    """Dies once before or after it has handed a message over."""

    def __init__(self, gateway: SmsGateway, *, after: bool) -> None:
        self._gateway = gateway
        self._after: bool | None = after

    async def send(self, sms: Sms) -> None:
        after, self._after = self._after, None
        if after is not False:
            await self._gateway.send(sms)
        if after is not None:
            raise CrashError


@pytest.mark.parametrize(("after", "arrived"), [(False, 1), (True, 2)])
async def test_crash_is_made_good_once_the_claim_has_run_out_and_after_the_hand_over_tells_twice(
    steps: Steps, gateway: Gateway, arrived: int, *, after: bool
) -> None:
    order = await order_of(steps, await account(steps))
    message = (await owe(steps, order))["sms"]
    deliver = deliverer(steps, DyingGateway(gateway.adapter(), after=after)).deliver
    with pytest.raises(CrashError):
        await attempt(deliver, message)
    with pytest.raises(ApplicationError, match="may still be sending"):
        await attempt(deliver, message, 2)
    assert len(gateway.kept) == arrived - 1

    await claim_runs_out(steps, message)
    await attempt(deliver, message, 3)
    await attempt(deliver, message, 4)

    assert len(gateway.kept) == arrived
    assert len(set(gateway.kept)) == 1
    assert ("sms", "sent", None, 2) in await rows(steps, order)


@pytest.mark.parametrize(("answer", "arrived"), [(BROKEN, 1), (LOST, 2)])
async def test_gateway_that_is_away_is_tried_again_and_a_lost_answer_tells_twice(
    steps: Steps, gateway: Gateway, answer: Answer, arrived: int
) -> None:
    order = await order_of(steps, await account(steps))
    message = (await owe(steps, order))["sms"]
    gateway.answers = [answer]
    deliver = deliverer(steps, gateway.adapter()).deliver
    with pytest.raises(SmsUnavailableError):
        await attempt(deliver, message)
    assert ("sms", "pending", "unavailable", 1) in await rows(steps, order)

    await attempt(deliver, message, 2)

    assert len(gateway.sent_to(NUMBER)) == arrived
    assert ("sms", "sent", None, 2) in await rows(steps, order)


async def test_refused_number_is_final_and_its_failure_names_the_code_and_nobody(
    steps: Steps, gateway: Gateway
) -> None:
    order = await order_of(steps, await account(steps))
    message = (await owe(steps, order))["sms"]
    gateway.answers = [refusing(21610, NUMBER)]
    deliver = deliverer(steps, gateway.adapter()).deliver
    with pytest.raises(ApplicationError) as refused:
        await attempt(deliver, message)
    await attempt(deliver, message, 2)

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.sms_refused", True)
    assert refused.value.message == "The SMS gateway refuses this message (21610)."
    assert len(gateway.asked) == 1
    assert ("sms", "refused", "21610", 1) in await rows(steps, order)
