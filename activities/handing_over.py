"""Handing one message over: claim its row, send, note what became of it, in this order.

A crash between the hand-over and the note is the one case in which a message is handed over again: a mail with the same
Message-ID, a text message with nothing that tells the two apart. So is one whose answer from the SMS gateway was lost.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.ports import Mailer, SmsGateway
from contracts.failures import OWN_FAILURE, refusal
from db import notifications
from db.engine import Sessions, single_statements
from domain.messages import (
    Drop,
    Email,
    MailRefusedError,
    MailUnavailableError,
    Sms,
    SmsRefusedError,
    SmsUnavailableError,
)
from models.notifications import NotificationState


class Claimed(Protocol):
    """A message that the caller alone may send now."""

    @property
    def id(self) -> UUID:
        """Name its row."""
        ...

    @property
    def attempts(self) -> int:
        """Number the claim."""
        ...


C = TypeVar("C", bound=Claimed)
Claim = Callable[[AsyncSession, UUID], Awaitable[C | None]]
Rendered = Email | Sms | Drop
Render = Callable[[C], Rendered]
"""Makes what is sent out of a claimed message, or says why nobody is to get it any more."""


class HandOver:
    """Hands messages to a mail server or an SMS gateway, each once. Without a gateway no text message is sent."""

    def __init__(self, sessions: Sessions, mailer: Mailer, gateway: SmsGateway | None = None) -> None:
        self._statements = single_statements(sessions)
        self._mailer = mailer
        self._gateway = gateway

    async def deliver(self, notification_id: UUID, claim: Claim[C], render: Render[C]) -> None:
        """Deliver one message.

        Raises:
            ApplicationError: `mail_refused` or `sms_refused`, for good, or a retryable one while the server is away or
                another attempt may still be sending.
        """
        async with heartbeats():
            async with self._statements() as session:
                message = await claim(session, notification_id)
                state = None if message else await notifications.state(session, notification_id)
            if message is not None:
                await self._hand_over(message, render(message))
            elif state == NotificationState.SENDING:
                raise ApplicationError(
                    "Another attempt may still be sending this message.",
                    type=OWN_FAILURE + "message_claimed",
                    next_retry_delay=timedelta(seconds=15),
                )

    async def _hand_over(self, message: Claimed, rendered: Rendered) -> None:
        send = self._sending(rendered)
        if isinstance(send, Drop):
            await self._give_back(message, NotificationState.DROPPED, send)
            return
        try:
            await send()
        except (MailRefusedError, SmsRefusedError) as refused:
            await self._give_back(message, NotificationState.REFUSED, str(refused.code))
            raise _final(refused) from refused
        except (MailUnavailableError, SmsUnavailableError):
            await self._give_back(message, NotificationState.PENDING, "unavailable")
            raise
        async with self._statements() as session:
            await notifications.note_sent(session, message.id)

    def _sending(self, rendered: Rendered) -> Callable[[], Awaitable[None]] | Drop:
        """Choose who takes a message, or say why nobody does."""
        if isinstance(rendered, Drop):
            return rendered
        if isinstance(rendered, Email):
            return partial(self._mailer.send, rendered)
        if self._gateway is None:
            return Drop.SMS_SWITCHED_OFF
        return partial(self._gateway.send, rendered)

    async def _give_back(self, message: Claimed, state: NotificationState, code: str) -> None:
        async with self._statements() as session:
            await notifications.give_back(session, message.id, message.attempts, state, code)


def _final(refused: MailRefusedError | SmsRefusedError) -> ApplicationError:
    if isinstance(refused, MailRefusedError):
        return refusal("mail_refused", f"The mail server refuses this message ({refused.code}).")
    return refusal("sms_refused", f"The SMS gateway refuses this message ({refused.code}).")
