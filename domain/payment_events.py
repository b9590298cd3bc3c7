"""What a payment provider reports of its own accord: hints, never facts. The payment itself is looked up."""

from enum import StrEnum


class PaymentEventType(StrEnum):
    """What an event says has happened, in words that every provider shares."""

    CHANGED = "changed"
    """Something has; the payment itself will say what."""
    ACTION_REQUIRED = "action_required"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    FAILED = "failed"
    VOIDED = "voided"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
