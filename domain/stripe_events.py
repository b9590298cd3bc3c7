"""What Stripe calls its events, in our words: https://docs.stripe.com/api/events/types."""

from collections.abc import Mapping
from types import MappingProxyType

from domain.payment_events import PaymentEventType

TYPES: Mapping[str, PaymentEventType] = MappingProxyType(
    {
        "payment_intent.requires_action": PaymentEventType.ACTION_REQUIRED,
        "payment_intent.processing": PaymentEventType.CHANGED,
        "payment_intent.amount_capturable_updated": PaymentEventType.AUTHORISED,
        "payment_intent.succeeded": PaymentEventType.CAPTURED,
        "payment_intent.partially_funded": PaymentEventType.CHANGED,
        "payment_intent.payment_failed": PaymentEventType.FAILED,
        "payment_intent.canceled": PaymentEventType.VOIDED,
        "charge.captured": PaymentEventType.CAPTURED,
        "charge.expired": PaymentEventType.VOIDED,
        "charge.refunded": PaymentEventType.REFUNDED,
        "charge.refund.updated": PaymentEventType.REFUNDED,
        "refund.created": PaymentEventType.REFUNDED,
        "refund.updated": PaymentEventType.REFUNDED,
        "refund.failed": PaymentEventType.REFUND_FAILED,
        "charge.dispute.created": PaymentEventType.DISPUTED,
        "charge.dispute.updated": PaymentEventType.CHANGED,
        "charge.dispute.funds_withdrawn": PaymentEventType.CHANGED,
        "charge.dispute.funds_reinstated": PaymentEventType.CHANGED,
        "charge.dispute.closed": PaymentEventType.DISPUTE_LOST,
    }
)
"""The events to subscribe to; `docs/payments.md` lists them. Others are stored and ignored."""

# What the object's own status says of an event whose name leaves it open.
_BY_STATUS: Mapping[tuple[PaymentEventType, str], PaymentEventType] = MappingProxyType(
    {
        (PaymentEventType.REFUNDED, "pending"): PaymentEventType.CHANGED,
        (PaymentEventType.REFUNDED, "requires_action"): PaymentEventType.CHANGED,
        (PaymentEventType.REFUNDED, "failed"): PaymentEventType.REFUND_FAILED,
        (PaymentEventType.REFUNDED, "canceled"): PaymentEventType.REFUND_FAILED,
        (PaymentEventType.DISPUTE_LOST, "won"): PaymentEventType.DISPUTE_WON,
        (PaymentEventType.DISPUTE_LOST, "warning_closed"): PaymentEventType.DISPUTE_WON,
        (PaymentEventType.DISPUTE_LOST, "prevented"): PaymentEventType.DISPUTE_WON,
    }
)


def type_of(kind: str, status: str | None) -> PaymentEventType | None:
    """Name what an event says by its own name and the status of its object; None where it is of no interest."""
    named = TYPES.get(kind)
    return None if named is None else _BY_STATUS.get((named, status or ""), named)
