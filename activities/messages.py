"""Telling people about their accounts."""

from temporalio import activity

from activities.handing_over import HandOver
from activities.ports import Links, Mailer, Renderer
from contracts import messages as contract
from contracts.notifications import DeliverMessage
from db import messages
from db.engine import Sessions
from db.messages import ClaimedAccountMessage
from domain.messages import Email


class MessageActivities(contract.MessageActivities):
    """Implements delivery with a mail server and PostgreSQL."""

    def __init__(self, sessions: Sessions, mailer: Mailer, renderer: Renderer, links: Links) -> None:
        self._hand_over = HandOver(sessions, mailer)
        self._renderer = renderer
        self._links = links

    @activity.defn(name="messages.deliver")
    async def deliver(self, request: DeliverMessage) -> None:
        """Deliver one message about an account.

        Raises:
            ApplicationError: as `HandOver.deliver` says.
        """
        await self._hand_over.deliver(request.notification_id, messages.claim, self._render)

    def _render(self, message: ClaimedAccountMessage) -> Email | None:
        if message.email is None or not message.useful:
            return None
        link = self._links.of(message.template, message.token_id)
        context: dict[str, object] = {"name": message.name or "", "link": link}
        subject, text, html = self._renderer.email(message.template, context)
        return Email(message.message_id, message.email, subject, text, html)
