"""Telling people about their accounts, and staff about the shop."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.handing_over import HandOver
from activities.ports import Links, Mailer, Renderer
from contracts import messages as contract
from contracts.notifications import DeliverMessage
from db import messages, stock_alerts
from db.engine import Sessions
from db.messages import ClaimedAccountMessage
from db.stock_alerts import ClaimedAlerts
from domain.messages import LOW_STOCK, Drop, Email

_MOST_TOLD = 100
"""Articles that a message names; of more it gives the number."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A message that the caller alone may send now; it has no mail when nobody is to get it any more."""

    id: UUID
    attempts: int
    email: Email | None


class MessageActivities(contract.MessageActivities):
    """Implements delivery with a mail server and PostgreSQL. `stock_alerts_to` is told of low stock, unless empty."""

    def __init__(
        self, sessions: Sessions, mailer: Mailer, renderer: Renderer, links: Links, stock_alerts_to: str = ""
    ) -> None:
        self._hand_over = HandOver(sessions, mailer)
        self._renderer = renderer
        self._links = links
        self._stock_alerts_to = stock_alerts_to

    @activity.defn(name="messages.deliver")
    async def deliver(self, request: DeliverMessage) -> None:
        """Deliver one message that is about no order.

        Raises:
            ApplicationError: as `HandOver.deliver` says.
        """
        await self._hand_over.deliver(
            request.notification_id, self._claim, lambda message: message.email or Drop.UNWANTED
        )

    async def _claim(self, session: AsyncSession, notification_id: UUID) -> _Claimed | None:
        of_account = await messages.claim(session, notification_id)
        if of_account is not None:
            return _Claimed(of_account.id, of_account.attempts, self._of_account(of_account))
        of_stock = await stock_alerts.claim(session, notification_id)
        if of_stock is not None:
            return _Claimed(of_stock.id, of_stock.attempts, self._of_stock(of_stock))
        return None

    def _of_account(self, message: ClaimedAccountMessage) -> Email | None:
        if message.email is None or not message.useful:
            return None
        link = self._links.of(message.template, message.token_id)
        context: dict[str, object] = {"name": message.name or "", "link": link}
        return self._rendered(message.template, context, message.message_id, message.email)

    def _of_stock(self, message: ClaimedAlerts) -> Email | None:
        if not self._stock_alerts_to or not message.alerts:
            return None
        names = ("sku", "title", "available", "low_stock_at")
        shown = [dict(zip(names, alert, strict=True)) for alert in message.alerts[:_MOST_TOLD]]
        many = len(message.alerts)
        context: dict[str, object] = {"alerts": shown, "others": many - 1, "more": many - len(shown)}
        return self._rendered(LOW_STOCK, context, message.message_id, self._stock_alerts_to)

    def _rendered(self, template: str, context: dict[str, object], message_id: str, recipient: str) -> Email:
        return Email(message_id, recipient, *self._renderer.email(template, context))
