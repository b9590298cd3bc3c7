"""How long anything may take before the audit takes it for forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from domain.order_states import ENDED, UNPAID, UNPLACED_ENDS, OrderStatus

PLACED_ONWARD = frozenset(OrderStatus) - UNPAID - UNPLACED_ENDS - {OrderStatus.CANCELLING}
"""The buyer has paid and the goods are his."""

ARRIVED = frozenset({OrderStatus.DELIVERED, OrderStatus.CLOSED})
"""Everything is with the buyer."""

SENT = PLACED_ONWARD - {OrderStatus.PLACED, OrderStatus.FULFILLING}
"""Everything has left the house."""

_AT_ONCE = timedelta(0)
_GRACE = timedelta(hours=1)
"""How long after its hold stock may still be held: for an hour no worker may have come to it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may stay as they are. `hold` is for how long stock may be held without a payment, and an hour."""

    started: timedelta = timedelta(minutes=15)
    pending: timedelta = timedelta(hours=1)
    cancelling: timedelta = timedelta(hours=1)
    hold: timedelta = timedelta(minutes=90)
    overdue: timedelta = timedelta(hours=1)
    """How long after its deadline an order may still wait for a payment."""
    refund: timedelta = timedelta(days=10)
    """How long a provider may take to confirm a refund."""
    owed: timedelta = timedelta(days=10)
    """How long people may take to pay back what they have to pay back by hand."""
    message: timedelta = timedelta(days=1)
    claim: timedelta = timedelta(hours=1)
    """How long after it ran out a claim on a message may still stand."""
    erasure: timedelta = timedelta(days=1)
    """How long an account may be closed and not erased, once none of its orders is under way any more."""
    relisting: timedelta = timedelta(hours=1)
    """How long lists may take to follow a category that was moved."""

    @classmethod
    def holding(cls, hold: timedelta) -> Self:
        """Return the usual limits of a shop that holds stock for so long while a payment is missing."""
        return cls(hold=hold + _GRACE)

    def at_rest(self) -> Self:
        """Return the limits for a system in which nothing is under way any more."""
        return replace(self, started=_AT_ONCE, refund=_AT_ONCE, pending=_AT_ONCE, cancelling=_AT_ONCE)


def parameters(limits: Limits, *, settled: bool) -> Mapping[str, object]:
    """Return what the queries of the checks ask for by name."""
    applied = limits.at_rest() if settled else limits
    return {
        "settled": settled,
        "unpaid": sorted(UNPAID),
        "placed_onward": sorted(PLACED_ONWARD),
        "undone": sorted(UNPLACED_ENDS),
        "sent": sorted(SENT),
        "arrived": sorted(ARRIVED),
        "ended": sorted(ENDED),
        "started": applied.started,
        "pending": applied.pending,
        "cancelling": applied.cancelling,
        "hold": applied.hold,
        "overdue": applied.overdue,
        "message": applied.message,
        "refund": applied.refund,
        "owed": applied.owed,
        "claim": applied.claim,
        "erasure": applied.erasure,
        "relisting": applied.relisting,
    }
