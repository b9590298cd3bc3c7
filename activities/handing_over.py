"""Handing one message over: claim its row, send, note what became of it, in this order.

A crash between the hand-over and the note is the one case in which a message is handed over again, with the same
Message-ID.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.ports import Mailer
from contracts.failures import OWN_FAILURE, refusal
from db import notifications
from db.engine import Sessions, single_statements
from domain.messages import Email, MailRefusedError, MailUnavailableError
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
Render = Callable[[C], Email | None]
"""Makes the mail out of a claimed message; None when nobody is to get it any more."""


class HandOver:
    """Hands messages to a mail server, each once."""

    def __init__(self, sessions: Sessions, mailer: Mailer) -> None:
        self._statements = single_statements(sessions)
        self._mailer = mailer

    async def deliver(self, notification_id: UUID, claim: Claim[C], render: Render[C]) -> None:
        """Deliver one message.

        Raises:
            ApplicationError: `mail_refused`, for good, or a retryable one while the server is away or another attempt
                may still be sending.
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

    async def _hand_over(self, message: Claimed, email: Email | None) -> None:
        if email is None:
            await self._give_back(message, NotificationState.DROPPED, "unwanted")
            return
        try:
            await self._mailer.send(email)
        except MailRefusedError as refused:
            await self._give_back(message, NotificationState.REFUSED, str(refused.code))
            raise refusal("mail_refused", f"The mail server refuses this message ({refused.code}).") from refused
        except MailUnavailableError:
            await self._give_back(message, NotificationState.PENDING, "unavailable")
            raise
        async with self._statements() as session:
            await notifications.note_sent(session, message.id)

    async def _give_back(self, message: Claimed, state: NotificationState, code: str) -> None:
        async with self._statements() as session:
            await notifications.give_back(session, message.id, message.attempts, state, code)
