"""What a payment provider reports of its own accord: hints, never facts. The payment itself is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from domain.order_states import PaymentStatus


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


_RESERVED = frozenset({PaymentStatus.AUTHORISED, PaymentStatus.PARTIALLY_CAPTURED})
_NOT_TAKEN = frozenset({PaymentStatus.NONE, PaymentStatus.AUTHORISED, PaymentStatus.VOIDED})
_ALL = frozenset(PaymentStatus)

SAID_BY: Mapping[PaymentEventType, frozenset[PaymentStatus]] = MappingProxyType(
    {
        PaymentEventType.ACTION_REQUIRED: _ALL,
        PaymentEventType.AUTHORISED: _ALL,
        PaymentEventType.FAILED: _ALL,
        PaymentEventType.CAPTURED: _ALL - _NOT_TAKEN,
        PaymentEventType.VOIDED: _ALL - _RESERVED,
        PaymentEventType.REFUNDED: frozenset({PaymentStatus.REFUNDED}),
    }
)
"""Which payment statuses say already what an event does. What is not listed is always looked at."""


def says_already(known: PaymentStatus, said: PaymentEventType) -> bool:
    """Tell whether an order of which nothing is under way knows what an event says of its payment."""
    return known in SAID_BY.get(said, frozenset())


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What is kept of an event: ids, codes and amounts, never a person.

    `kind` is the provider's own name of the event, `type` ours, None where the event is of no interest. `reference` is
    the provider's id of the payment, `order_id` what the payment says it is for; an event may lack either.
    """

    provider: str
    event_id: str
    kind: str
    happened_at: datetime
    type: PaymentEventType | None = None
    reference: str | None = None
    order_id: UUID | None = None
    amount: int | None = None
    currency: str | None = None
