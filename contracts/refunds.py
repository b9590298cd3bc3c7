"""Refunds of an order that stands: begun and settled on PostgreSQL, given back by the provider.

Amounts are minor units of the order's currency. Reasons are codes; free text stays in PostgreSQL (`note_id`).
"""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from contracts.orders import OrderSnapshot, OrderStep
from domain.refunds import RefundStatus


@dataclass(frozen=True, slots=True)
class BeginRefund:
    """Reserve captured money for a refund. No amount: all that is left. `limit` bounds all refunds of the order."""

    order_id: UUID
    refund_id: UUID
    amount: int | None
    currency: str | None
    reason: str
    actor: str
    note_id: UUID | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class RefundStep:
    """Name the refund that a step is about."""

    order_id: UUID
    refund_id: UUID


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """What the provider has said: still under way, or over."""

    state: RefundStatus


class RefundActivities:
    """Refunds, each step of which may be repeated at any time."""

    @activity.defn(name="refunds.begin")
    async def begin(self, request: BeginRefund) -> OrderSnapshot:
        """Reserve the money and write down what the provider will be asked."""
        raise NotImplementedError

    @activity.defn(name="refunds.begin_again")
    async def begin_again(self, request: OrderStep) -> OrderSnapshot:
        """Begin the refunds anew that have failed: an operator has decided."""
        raise NotImplementedError

    @activity.defn(name="refunds.give_back")
    async def give_back(self, request: RefundStep) -> RefundAnswer:
        """Ask the provider to give the money back, or how far that has come."""
        raise NotImplementedError

    @activity.defn(name="refunds.settle")
    async def settle(self, request: RefundStep) -> OrderSnapshot:
        """Note what the refund has come to: the buyer is told, or an operator is called."""
        raise NotImplementedError

    @activity.defn(name="refunds.abandon")
    async def abandon(self, request: OrderStep) -> OrderSnapshot:
        """Give up the refunds that have failed: an operator has decided."""
        raise NotImplementedError
