"""Reserving money anew before the reservation ends: for orders whose shipments take it."""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from contracts.orders import OrderSnapshot
from contracts.payments import PaymentAnswer, PaymentDecision


@dataclass(frozen=True, slots=True)
class NoteReauthorisation:
    """Say what the provider has answered when money was to be reserved anew."""

    order_id: UUID
    decision: PaymentDecision
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Reauthorise:
    """Reserve anew what is not captured yet: with the method that was used before, or with the one that is offered."""

    order_id: UUID
    payment_method: str | None = None


class ReauthorisationActivities:
    """Reserve anew what is not captured yet. Each step may be repeated at any time."""

    @activity.defn(name="payments.reauthorise")
    async def reauthorise(self, request: Reauthorise) -> PaymentAnswer:
        """Authorise the rest as a new attempt, then let the old reservation go."""
        raise NotImplementedError

    @activity.defn(name="orders.note_reauthorisation")
    async def note(self, request: NoteReauthorisation) -> OrderSnapshot:
        """Record it; after a decline an operator is called and the buyer is told."""
        raise NotImplementedError
