import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.exceptions import ApplicationError

from activities.notifications import NotificationActivities
from activities.ports import Mailer
from contracts.notifications import DeliverMessage
from contracts.orders import OrderStep, PlaceOrder
from db import notifications
from domain.messages import TOPICS, Email, MailRefusedError, MailUnavailableError, Topic
from providers.rendering import JinjaRenderer
from tests.support.meddler import CrashError, Hold
from tests.support.steps import Steps, attempt, cancel


@dataclass
class MeddledMail:
    """A mailer that is held up before or after the hand-over."""

    sent: list[Email] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None
    after: Callable[[], Awaitable[None]] | None = None

    async def send(self, email: Email) -> None:
        before, self.before = self.before, None
        if before:
            await before()
        self.sent.append(email)
        after, self.after = self.after, None
        if after:
            await after()


async def crash() -> None:
    raise CrashError


def deliverer(steps: Steps, mail: Mailer) -> NotificationActivities:
    return NotificationActivities(steps.sessions, mail, JinjaRenderer())


async def owed(steps: Steps) -> tuple[PlaceOrder, DeliverMessage]:
    order = await steps.placed()
    [message] = (await steps.snapshot(order)).messages
    return order, DeliverMessage(message)


async def claim_runs_out(steps: Steps, message: UUID) -> None:
    await steps.shop.run(
        "UPDATE notifications SET claimed_until = now() - interval '1 second' WHERE id = :id", id=message
    )


async def code_of(steps: Steps, message: UUID) -> object:
    [(code,)] = await steps.shop.run("SELECT code FROM notifications WHERE id = :id", id=message)
    return code


async def test_message_is_rendered_handed_over_and_noted(steps: Steps) -> None:
    order, request = await owed(steps)
    number = (await steps.snapshot(order)).number

    await attempt(steps.notifications.deliver, request)

    [mail] = steps.mail.sent
    assert (mail.recipient, mail.message_id) == ("ada@example.com", f"<{request.notification_id}@everorder>")
    assert number in mail.subject
    for part in (mail.text, mail.html):
        assert "Enamel mug" in part
        assert "20.00 GBP" in part
    assert await steps.messages(order.order_id) == [("order_confirmation", "sent", 1)]
    assert (await steps.snapshot(order)).messages == ()


async def test_message_that_was_sent_is_not_sent_again(steps: Steps) -> None:
    order, request = await owed(steps)
    await attempt(steps.notifications.deliver, request)
    before = await steps.everything(order)

    await attempt(steps.notifications.deliver, request, 2)

    assert len(steps.mail.sent) == 1
    assert await steps.everything(order) == before


async def test_of_twenty_attempts_at_once_one_sends_and_the_others_are_told_to_come_back(steps: Steps) -> None:
    order, request = await owed(steps)
    hold = Hold()
    mail = MeddledMail(before=hold)
    deliver = deliverer(steps, mail).deliver
    first = asyncio.create_task(attempt(deliver, request))
    await hold.reached.wait()

    others = await asyncio.gather(*(attempt(deliver, request, 2) for _ in range(19)), return_exceptions=True)
    hold.opened.set()
    await first

    for other in others:
        assert isinstance(other, ApplicationError)
        assert (other.type, other.non_retryable) == ("everorder.message_claimed", False)
        assert other.next_retry_delay == timedelta(seconds=15)
    assert len(mail.sent) == 1
    await attempt(deliver, request, 3)
    assert len(mail.sent) == 1
    assert await steps.messages(order.order_id) == [("order_confirmation", "sent", 1)]


async def test_crash_before_the_hand_over_sends_once_and_only_after_the_claim_ran_out(steps: Steps) -> None:
    order, request = await owed(steps)
    mail = MeddledMail(before=crash)
    deliver = deliverer(steps, mail).deliver
    with pytest.raises(CrashError):
        await attempt(deliver, request)

    with pytest.raises(ApplicationError, match="may still be sending"):
        await attempt(deliver, request, 2)
    assert mail.sent == []
    await claim_runs_out(steps, request.notification_id)
    await attempt(deliver, request, 3)

    assert len(mail.sent) == 1
    assert await steps.messages(order.order_id) == [("order_confirmation", "sent", 2)]


async def test_crash_after_the_hand_over_sends_again_with_the_same_message_id_after_the_claim_ran_out(
    steps: Steps,
) -> None:
    _, request = await owed(steps)
    mail = MeddledMail(after=crash)
    deliver = deliverer(steps, mail).deliver
    with pytest.raises(CrashError):
        await attempt(deliver, request)

    with pytest.raises(ApplicationError, match="may still be sending"):
        await attempt(deliver, request, 2)
    assert len(mail.sent) == 1
    await claim_runs_out(steps, request.notification_id)
    await attempt(deliver, request, 3)

    assert [email.message_id for email in mail.sent] == [f"<{request.notification_id}@everorder>"] * 2
    assert mail.sent[0] == mail.sent[1]


async def test_mail_server_that_is_away_is_tried_again_without_waiting_for_a_claim(steps: Steps) -> None:
    order, request = await owed(steps)
    steps.mail.failures["ada@example.com"] = [MailUnavailableError()]

    with pytest.raises(MailUnavailableError):
        await attempt(steps.notifications.deliver, request)
    assert await steps.messages(order.order_id) == [("order_confirmation", "pending", 1)]
    assert await code_of(steps, request.notification_id) == "unavailable"

    await attempt(steps.notifications.deliver, request, 2)
    assert len(steps.mail.sent) == 1
    assert await steps.messages(order.order_id) == [("order_confirmation", "sent", 2)]
    assert await code_of(steps, request.notification_id) is None


async def test_refused_message_is_final_and_its_failure_names_the_code_and_nobody(steps: Steps) -> None:
    order, request = await owed(steps)
    steps.mail.failures["ada@example.com"] = [MailRefusedError(550)]

    with pytest.raises(ApplicationError) as refused:
        await attempt(steps.notifications.deliver, request)

    assert (refused.value.type, refused.value.non_retryable) == ("everorder.mail_refused", True)
    assert refused.value.message == "The mail server refuses this message (550)."
    assert await steps.messages(order.order_id) == [("order_confirmation", "refused", 1)]
    assert await code_of(steps, request.notification_id) == "550"
    await attempt(steps.notifications.deliver, request, 2)
    assert steps.mail.sent == []


async def test_late_failure_does_not_give_away_the_claim_of_the_attempt_that_is_sending(steps: Steps) -> None:
    order, request = await owed(steps)
    stalled, sending = Hold(), Hold()

    async def fail_late() -> None:
        await stalled()
        raise MailUnavailableError

    late = asyncio.create_task(attempt(deliverer(steps, MeddledMail(before=fail_late)).deliver, request))
    await stalled.reached.wait()
    await claim_runs_out(steps, request.notification_id)
    mail = MeddledMail(before=sending)
    second = asyncio.create_task(attempt(deliverer(steps, mail).deliver, request, 2))
    await sending.reached.wait()
    stalled.opened.set()
    with pytest.raises(MailUnavailableError):
        await late

    with pytest.raises(ApplicationError, match="may still be sending"):
        await attempt(deliverer(steps, mail).deliver, request, 3)
    sending.opened.set()
    await second
    assert len(mail.sent) == 1
    assert await steps.messages(order.order_id) == [("order_confirmation", "sent", 2)]


async def test_message_of_a_cancelled_order_is_not_sent(steps: Steps) -> None:
    order, request = await owed(steps)
    await attempt(steps.orders.begin_cancel, cancel(order))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))

    await attempt(steps.notifications.deliver, request)

    assert steps.mail.sent == []
    assert await steps.messages(order.order_id) == [("order_confirmation", "dropped", 0)]


@pytest.mark.parametrize(("arrives", "state"), [(True, "sent"), (False, "dropped")])
async def test_message_on_its_way_while_its_order_is_cancelled_ends_as_what_became_of_it(
    steps: Steps, state: str, *, arrives: bool
) -> None:
    order, request = await owed(steps)
    hold = Hold()

    async def held() -> None:
        await hold()
        if not arrives:
            raise MailUnavailableError

    mail = MeddledMail(before=held)
    sending = asyncio.create_task(attempt(deliverer(steps, mail).deliver, request))
    await hold.reached.wait()
    await attempt(steps.orders.begin_cancel, cancel(order))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))
    hold.opened.set()
    await asyncio.gather(sending, return_exceptions=True)
    await attempt(deliverer(steps, mail).deliver, request, 2)

    assert len(mail.sent) == int(arrives)
    assert await steps.messages(order.order_id) == [("order_confirmation", state, 1)]


# What its reader has declined ---------------------------------------------------------------------------------------


async def declining(steps: Steps, order: PlaceOrder) -> None:
    """Give an order to an account whose owner has declined every message."""
    [(user,)] = await steps.shop.run(
        "INSERT INTO users (id, email) VALUES (uuidv7(), CAST(uuidv7() AS text) || '@example.com') RETURNING id"
    )
    for topic in Topic:
        await steps.shop.run(
            "INSERT INTO notification_preferences (user_id, topic, channel, wanted)"
            " VALUES (:user, :topic, 'email', false)",
            user=user,
            topic=topic,
        )
    await steps.shop.run("UPDATE orders SET customer_id = :user WHERE id = :id", user=user, id=order.order_id)


async def owe(steps: Steps, order: PlaceOrder, template: str) -> DeliverMessage:
    async with steps.sessions.begin() as session:
        await notifications.owe(session, order.order_id, template)
    [(id_,)] = await steps.shop.run(
        "SELECT id FROM notifications WHERE order_id = :order AND template = :template",
        order=order.order_id,
        template=template,
    )
    return DeliverMessage(UUID(str(id_)))


@pytest.mark.parametrize("template", sorted(TOPICS))
async def test_message_that_its_reader_has_declined_is_not_sent_and_says_why(steps: Steps, template: str) -> None:
    order = await steps.placed()
    await declining(steps, order)
    request = await owe(steps, order, template)

    await attempt(steps.notifications.deliver, request)
    await attempt(steps.notifications.deliver, request, 2)

    assert steps.mail.sent == []
    assert (template, "dropped", 1) in await steps.messages(order.order_id)
    assert await code_of(steps, request.notification_id) == "unwanted"


@pytest.mark.parametrize("template", ["order_confirmation", "payment_failed", "payment_expired"])
async def test_message_that_an_order_can_not_do_without_is_sent_whatever_is_declined(
    steps: Steps, template: str
) -> None:
    order = await steps.placed()
    await declining(steps, order)
    await attempt(steps.notifications.deliver, await owe(steps, order, template))
    assert len(steps.mail.sent) == 1
    assert (template, "sent", 1) in await steps.messages(order.order_id)


async def test_what_somebody_else_has_declined_does_not_matter(steps: Steps) -> None:
    order, other = await steps.placed(), await steps.placed()
    await declining(steps, other)
    await attempt(steps.notifications.deliver, await owe(steps, order, "refund_confirmation"))
    assert len(steps.mail.sent) == 1


async def test_confirmation_tells_every_part_of_the_total(steps: Steps) -> None:
    order, message = await owed(steps)
    parts = [("discount", "10% off", 300), ("shipping", "Parcel", 399), ("tax", "VAT 20%", 620)]
    for position, (kind, label, amount) in enumerate([*parts, ("tax_included", "Duty 5%", 95)]):
        await steps.shop.run(
            "INSERT INTO order_adjustments (order_id, position, type, code, label, amount)"
            " VALUES (:id, :position, :kind, 'code', :label, :amount)",
            id=order.order_id,
            position=position,
            kind=kind,
            label=label,
            amount=amount,
        )
    mail = MeddledMail()

    await attempt(deliverer(steps, mail).deliver, message)

    [sent] = mail.sent
    told = "10% off: -3.00 GBP\nParcel: 3.99 GBP\nVAT 20%: 6.20 GBP\nincluding Duty 5%: 0.95 GBP\nTotal: 20.00 GBP\n"
    assert told in sent.text
    assert all(amount in sent.html for amount in ("-3.00 GBP", "3.99 GBP", "6.20 GBP", "including Duty 5%"))
