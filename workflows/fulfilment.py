"""Sending an order: shipments, delivery."""

from contracts.orders import AdvanceOrder, MarkDelivered, OrderActivities, Ship
from domain.order_states import EventType
from workflows.progress import Progress


class Fulfilment:
    """What happens to the goods of one order after it was placed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def ship(self, ship: Ship) -> None:
        """Note that the order has left the house."""
        await self._advance(EventType.SHIPPED, ship.actor)

    async def mark_delivered(self, delivered: MarkDelivered) -> None:
        """Note that the order has arrived."""
        await self._advance(EventType.DELIVERED, delivered.actor)

    async def _advance(self, event: EventType, actor: str) -> None:
        request = AdvanceOrder(self._progress.start.order_id, event, actor)
        await self._progress.record(OrderActivities.advance, request, f"Note that it was {event}")
