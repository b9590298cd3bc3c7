"""What reconciliation needs of Temporal. `clients/` satisfies these Protocols."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from contracts.orders import Cancel, PaymentEvent, PlaceOrder
from domain.reconciliation import WorkflowStanding


class Standings(Protocol):
    """Tells how the workflows of orders stand. Every call may raise `TemporarilyUnavailableError`."""

    async def one(self, order_id: UUID) -> WorkflowStanding | None:
        """Tell the truth about one order; None: Temporal knows of no workflow."""
        ...

    async def running(self, orders: Collection[UUID]) -> Mapping[UUID, WorkflowStanding]:
        """List which of some orders have a workflow that runs; the list follows the truth by about a second."""
        ...

    def all_running(self) -> AsyncIterator[Sequence[WorkflowStanding]]:
        """List every workflow that runs and has seen its order's row, a page at a time."""
        ...

    async def end(self, order_id: UUID, reason: str) -> None:
        """End a workflow whose order is gone."""
        ...


class Starts(Protocol):
    """Lets orders go on from their rows. Every call may raise `TemporarilyUnavailableError`."""

    async def payment_event(self, order_id: UUID, event: PaymentEvent) -> None:
        """Have a running workflow look at its payment.

        Raises:
            NotFoundError: it does not run.
        """
        ...

    async def look_at_row(self, order_id: UUID) -> None:
        """Have a running workflow look at its order's row.

        Raises:
            NotFoundError: it does not run.
        """
        ...

    async def resume(self, order: PlaceOrder, *, told: PaymentEvent | Cancel | None = None) -> None:
        """Give an order a workflow, unless one runs."""
        ...

    async def begin_anew(self, order: PlaceOrder, *, told: PaymentEvent | Cancel | None = None) -> None:
        """Give an order a workflow in the place of the one that runs."""
        ...
