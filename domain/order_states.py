"""The states of an order and the only ways between them.

This table is the law: every change of `orders.status` is a compare-and-set along one of these rows and writes one event
in the same transaction. `docs/order-states.md` is printed from it.
"""

from dataclasses import dataclass
from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    PAYMENT_REQUIRED = "payment_required"
    PLACED = "placed"
    FULFILLING = "fulfilling"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CLOSED = "closed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"


class PaymentStatus(StrEnum):
    """What has become of an order's money."""

    NONE = "none"
    AUTHORISED = "authorised"
    PARTIALLY_CAPTURED = "partially_captured"
    """What was shipped is paid; the rest is reserved until it is shipped."""
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    DISPUTED = "disputed"


class FailureReason(StrEnum):
    """Why an order ended as `failed`: nothing is charged and nothing is held."""

    INSUFFICIENT_STOCK = "insufficient_stock"
    PRICE_CHANGED = "price_changed"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_EXPIRED = "payment_expired"


class EventType(StrEnum):
    """What happened to an order: the entries of its timeline."""

    OPENED = "opened"
    REFUSED = "refused"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_ACTION_REQUIRED = "payment_action_required"
    PAYMENT_ANSWERED = "payment_answered"
    PAYMENT_RETRY_SCHEDULED = "payment_retry_scheduled"
    PAYMENT_RETRIED = "payment_retried"
    PAYMENT_EXPIRED = "payment_expired"
    PLACED = "placed"
    PAYMENT_REAUTHORISED = "payment_reauthorised"
    PAYMENT_COLLECTED = "payment_collected"
    FULFILMENT_STARTED = "fulfilment_started"
    PARTIALLY_SHIPPED = "partially_shipped"
    PARTIALLY_DELIVERED = "partially_delivered"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CLOSED = "closed"
    CANCEL_REQUESTED = "cancel_requested"
    REST_CANCELLED = "rest_cancelled"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    RETURN_REQUESTED = "return_requested"
    RETURN_RECEIVED = "return_received"
    RETURN_CANCELLED = "return_cancelled"
    OPERATOR_NEEDED = "operator_needed"
    OPERATOR_RESOLVED = "operator_resolved"


@dataclass(frozen=True, slots=True)
class Transition:
    """One legal step; `source` is None where an order begins."""

    type: EventType
    source: OrderStatus | None
    target: OrderStatus


_S = OrderStatus
_E = EventType

TRANSITIONS: tuple[Transition, ...] = (
    Transition(_E.OPENED, None, _S.PENDING),
    Transition(_E.REFUSED, _S.PENDING, _S.FAILED),
    Transition(_E.PAYMENT_DECLINED, _S.PENDING, _S.PAYMENT_REQUIRED),
    Transition(_E.PAYMENT_ACTION_REQUIRED, _S.PENDING, _S.PAYMENT_REQUIRED),
    Transition(_E.PAYMENT_ANSWERED, _S.PAYMENT_REQUIRED, _S.PENDING),
    Transition(_E.PAYMENT_RETRIED, _S.PAYMENT_REQUIRED, _S.PENDING),
    Transition(_E.REFUSED, _S.PAYMENT_REQUIRED, _S.FAILED),
    Transition(_E.PAYMENT_EXPIRED, _S.PAYMENT_REQUIRED, _S.FAILED),
    Transition(_E.PLACED, _S.PENDING, _S.PLACED),
    Transition(_E.FULFILMENT_STARTED, _S.PLACED, _S.FULFILLING),
    Transition(_E.SHIPPED, _S.PLACED, _S.SHIPPED),
    Transition(_E.SHIPPED, _S.FULFILLING, _S.SHIPPED),
    Transition(_E.REST_CANCELLED, _S.FULFILLING, _S.SHIPPED),
    Transition(_E.DELIVERED, _S.SHIPPED, _S.DELIVERED),
    Transition(_E.CLOSED, _S.DELIVERED, _S.CLOSED),
    Transition(_E.CANCEL_REQUESTED, _S.PENDING, _S.CANCELLING),
    Transition(_E.CANCEL_REQUESTED, _S.PAYMENT_REQUIRED, _S.CANCELLING),
    Transition(_E.CANCEL_REQUESTED, _S.PLACED, _S.CANCELLING),
    Transition(_E.CANCEL_REQUESTED, _S.FULFILLING, _S.CANCELLING),
    Transition(_E.CANCELLED, _S.CANCELLING, _S.CANCELLED),
)

ENDED = frozenset({_S.FAILED, _S.CANCELLED, _S.CLOSED})
"""States that an order does not leave: its workflow is over."""

UNPLACED_ENDS = frozenset({_S.FAILED, _S.CANCELLED})
"""Ends that leave no order behind for its cart: another may follow."""

UNPAID = frozenset({_S.PENDING, _S.PAYMENT_REQUIRED})
"""Stock is held, the order is not placed yet."""

CANCELLABLE = frozenset({_S.PENDING, _S.PAYMENT_REQUIRED, _S.PLACED, _S.FULFILLING})
"""Before shipment everything can be compensated."""

REFUNDABLE = frozenset({_S.PLACED, _S.FULFILLING, _S.SHIPPED, _S.DELIVERED, _S.CLOSED})
"""The buyer has paid and the order stands: money may be given back without ending it."""

RETURNABLE = frozenset({_S.FULFILLING, _S.SHIPPED, _S.DELIVERED, _S.CLOSED})
"""Goods may have left the house, so that they can come back."""

SHIPPED_ONWARD = frozenset({_S.SHIPPED, _S.DELIVERED})
"""A cancellation is only recorded: a return is the way."""

_BY_STEP = {(t.type, t.source): t.target for t in TRANSITIONS}


class IllegalTransitionError(ValueError):
    """An order was asked to take a step that its state does not allow."""

    def __init__(self, event: EventType, source: OrderStatus | None) -> None:
        super().__init__(f"{event} is not possible while the order is {source or 'not there'}")


def target_of(event: EventType, source: OrderStatus | None) -> OrderStatus:
    """Look up where an event leads.

    Raises:
        IllegalTransitionError: the table has no such row.
    """
    try:
        return _BY_STEP[event, source]
    except KeyError:
        raise IllegalTransitionError(event, source) from None


def sources_of(event: EventType) -> frozenset[OrderStatus]:
    """List the states in which an event is legal."""
    return frozenset(t.source for t in TRANSITIONS if t.type == event and t.source is not None)
