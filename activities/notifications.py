"""Handing messages over, each once."""

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.ports import Mailer, Renderer
from contracts import notifications as contract
from contracts.failures import OWN_FAILURE, refusal
from contracts.notifications import DeliverMessage
from db import notifications
from db.engine import Sessions, single_statements
from db.notifications import ClaimedMessage
from domain.messages import Email, MailRefusedError, MailUnavailableError
from domain.money import Money
from models.notifications import NotificationState


class NotificationActivities(contract.NotificationActivities):
    """Implements delivery with a mail server and PostgreSQL.

    A message is claimed, handed over, and noted as sent, in this order. A crash between the hand-over and the note is
    the one case in which it is handed over again, with the same Message-ID.
    """

    def __init__(self, sessions: Sessions, mailer: Mailer, renderer: Renderer) -> None:
        self._statements = single_statements(sessions)
        self._mailer = mailer
        self._renderer = renderer

    @activity.defn(name="notifications.deliver")
    async def deliver(self, request: DeliverMessage) -> None:
        """Deliver one message.

        Raises:
            ApplicationError: `mail_refused`, for good, or a retryable one while the server is away or another attempt
                may still be sending.
        """
        async with heartbeats():
            async with self._statements() as session:
                message = await notifications.claim(session, request.notification_id)
                state = None if message else await notifications.state(session, request.notification_id)
            if message is not None:
                await self._hand_over(message)
            elif state == NotificationState.SENDING:
                raise ApplicationError(
                    "Another attempt may still be sending this message.",
                    type=OWN_FAILURE + "message_claimed",
                    next_retry_delay=timedelta(seconds=15),
                )

    async def _hand_over(self, message: ClaimedMessage) -> None:
        try:
            await self._mailer.send(self._render(message))
        except MailRefusedError as refused:
            await self._give_back(message, NotificationState.REFUSED, str(refused.code))
            raise refusal("mail_refused", f"The mail server refuses this message ({refused.code}).") from refused
        except MailUnavailableError:
            await self._give_back(message, NotificationState.PENDING, "unavailable")
            raise
        async with self._statements() as session:
            await notifications.note_sent(session, message.id)

    def _render(self, message: ClaimedMessage) -> Email:
        subject, text, html = self._renderer.email(
            message.template,
            {
                "number": message.number,
                "total": Money(message.total, message.currency),
                "lines": [
                    {"quantity": quantity, "title": title, "total": Money(total, message.currency)}
                    for quantity, title, total in message.lines
                ],
                "address": message.shipping_address or {},
            },
        )
        return Email(message.message_id, message.email or "", subject, text, html)

    async def _give_back(self, message: ClaimedMessage, state: NotificationState, code: str) -> None:
        async with self._statements() as session:
            await notifications.give_back(session, message, state, code)
