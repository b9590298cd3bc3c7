"""Telling buyers about their orders."""

from datetime import UTC, datetime

from temporalio import activity

from activities.handing_over import HandOver, Rendered
from activities.ports import Mailer, Renderer, SmsGateway
from contracts import notifications as contract
from contracts.notifications import DeliverMessage
from db import notifications
from db.engine import Sessions
from db.notifications import ClaimedMessage
from domain.captures import CapturePolicy
from domain.messages import Channel, Drop, Email, Sms, wanted
from domain.money import Money
from domain.order_states import FailureReason
from domain.pricing.explaining import AdjustmentType


class NotificationActivities(contract.NotificationActivities):
    """Implements delivery with PostgreSQL, a mail server, and an SMS gateway where there is one.

    `transfer_details` say where money is transferred to.
    """

    def __init__(
        self,
        sessions: Sessions,
        mailer: Mailer,
        renderer: Renderer,
        transfer_details: str = "",
        sms: SmsGateway | None = None,
    ) -> None:
        self._transfer_details = transfer_details
        self._hand_over = HandOver(sessions, mailer, sms)
        self._renderer = renderer

    @activity.defn(name="notifications.deliver")
    async def deliver(self, request: DeliverMessage) -> None:
        """Deliver one message about an order.

        Raises:
            ApplicationError: as `HandOver.deliver` says.
        """
        await self._hand_over.deliver(request.notification_id, notifications.claim, self._render)

    def _render(self, message: ClaimedMessage) -> Rendered:
        if not wanted(message.template, message.channel, message.preferences):
            return Drop.UNWANTED
        if message.channel == Channel.SMS:
            return self._sms(message)
        if not message.email:
            return Drop.UNWANTED
        rendered = self._renderer.email(message.template, self._context(message))
        return Email(message.message_id, message.email, *rendered)

    def _sms(self, message: ClaimedMessage) -> Rendered:
        if not message.phone:
            return Drop.NO_NUMBER
        return Sms(message.phone, self._renderer.sms(message.template, self._context(message)))

    def _context(self, message: ClaimedMessage) -> dict[str, object]:
        return {
            "number": message.number,
            "total": Money(message.total, message.currency),
            "lines": [
                {"quantity": quantity, "title": title, "total": Money(total, message.currency)}
                for quantity, title, total in message.lines
            ],
            "parts": [_part(message.currency, *part) for part in message.adjustments],
            "address": message.shipping_address or {},
            "reserved": message.capture_policy == CapturePolicy.SHIPMENT,
            "refund": None if message.refund is None else Money(message.refund, message.currency),
            "deadline": _moment(message.payment_deadline),
            "retry_at": _moment(message.payment_retry_at),
            "sold_out": message.reason == FailureReason.INSUFFICIENT_STOCK,
            "at_delivery": message.capture_policy == CapturePolicy.DELIVERY,
            "transfer_reference": message.transfer_reference,
            "transfer_details": self._transfer_details,
            "shipment": None if message.shipment is None else _shipment(*message.shipment),
            "rest": None if message.rest is None else _rest(message.currency, *message.rest),
        }


def _part(currency: str, kind: str, label: str, amount: int) -> dict[str, object]:
    """Write a part of a total as a buyer reads it: discounts are taken off, and tax that prices include is told."""
    taken_off = kind == AdjustmentType.DISCOUNT
    included = kind == AdjustmentType.TAX_INCLUDED
    return {"label": label, "included": included, "amount": Money(-amount if taken_off else amount, currency)}


def _moment(at: datetime | None) -> str | None:
    """Write a moment for a person, who may be anywhere."""
    return f"{at.astimezone(UTC):%d %B %Y, %H:%M} UTC" if at else None


def _shipment(carrier: str, tracking_number: str, lines: list[tuple[int, str]]) -> dict[str, object]:
    return {"carrier": carrier, "tracking_number": tracking_number, "lines": _goods(lines)}


def _rest(currency: str, amount: int, lines: list[tuple[int, str]]) -> dict[str, object]:
    return {"amount": Money(amount, currency), "lines": _goods(lines)}


def _goods(lines: list[tuple[int, str]]) -> list[dict[str, object]]:
    return [{"quantity": quantity, "title": title} for quantity, title in lines]
