"""Shipments of an order by its lines: begun, and sent once their share of the money was taken."""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from contracts.orders import OrderSnapshot, ShippedLine


@dataclass(frozen=True, slots=True)
class BeginShipment:
    """Set goods of an order aside for a shipment. No lines: all that is left."""

    order_id: UUID
    shipment_id: UUID
    actor: str
    lines: tuple[ShippedLine, ...] = ()
    carrier: str = ""
    tracking_number: str = ""


@dataclass(frozen=True, slots=True)
class ShipmentStep:
    """Name the shipment that a step is about."""

    order_id: UUID
    shipment_id: UUID


@dataclass(frozen=True, slots=True)
class AbandonShipment:
    """Give a shipment up whose money could not be taken; the code says why."""

    order_id: UUID
    shipment_id: UUID
    code: str


@dataclass(frozen=True, slots=True)
class DeliverShipments:
    """Note that a shipment has arrived; without one, all that were sent."""

    order_id: UUID
    actor: str
    shipment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CancelRest:
    """Cancel what of an order was not shipped, once a part of it was."""

    order_id: UUID
    actor: str
    reason: str
    note_id: UUID | None = None


class ShipmentActivities:
    """Steps of a shipment that only touch PostgreSQL. Each is one transaction and may be repeated at any time."""

    @activity.defn(name="shipments.begin")
    async def begin(self, request: BeginShipment) -> OrderSnapshot:
        """Set the goods aside, and write down what is to be captured for them; without that they are sent at once."""
        raise NotImplementedError

    @activity.defn(name="shipments.send")
    async def send(self, request: ShipmentStep) -> OrderSnapshot:
        """Note that the goods have left the house, and write down the message that the buyer is owed."""
        raise NotImplementedError

    @activity.defn(name="shipments.abandon")
    async def abandon(self, request: AbandonShipment) -> OrderSnapshot:
        """Put goods back whose money could not be taken, and call an operator."""
        raise NotImplementedError

    @activity.defn(name="shipments.deliver")
    async def deliver(self, request: DeliverShipments) -> OrderSnapshot:
        """Note what has arrived; once everything has, the time for returns begins."""
        raise NotImplementedError

    @activity.defn(name="shipments.cancel_rest")
    async def cancel_rest(self, request: CancelRest) -> OrderSnapshot:
        """Cancel what was not shipped: its stock goes back, its money is given back or not taken."""
        raise NotImplementedError
