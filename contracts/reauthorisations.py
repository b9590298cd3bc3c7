"""Reserving money anew before the reservation ends: for orders whose shipments take it."""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from contracts.orders import OrderSnapshot, OrderStep
from contracts.payments import PaymentAnswer, PaymentDecision


@dataclass(frozen=True, slots=True)
class NoteReauthorisation:
    """Say what the provider has answered when money was to be reserved anew."""

    order_id: UUID
    decision: PaymentDecision
    code: str | None = None


class ReauthorisationActivities:
    """Reserve anew what is not captured yet. Each step may be repeated at any time."""

    @activity.defn(name="payments.reauthorise")
    async def reauthorise(self, request: OrderStep) -> PaymentAnswer:
        """Authorise the rest as a new attempt, without the buyer, then let the old reservation go."""
        raise NotImplementedError

    @activity.defn(name="orders.note_reauthorisation")
    async def note(self, request: NoteReauthorisation) -> OrderSnapshot:
        """Record it; after a decline an operator is called and the buyer is told."""
        raise NotImplementedError
