"""Sending an order: shipments, each after its share of the money was taken; delivery, and the end."""

from collections.abc import Iterator

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.failures import refusal, refusal_code
from contracts.orders import AdvanceOrder, Cancel, MarkDelivered, OrderActivities, PendingShipment, Ship
from contracts.payments import CapturePayment, LetGoRest, PaymentActivities, PaymentAnswer, PaymentDecision
from contracts.shipments import (
    AbandonShipment,
    BeginShipment,
    CancelRest,
    DeliverShipments,
    ShipmentActivities,
    ShipmentStep,
)
from domain.order_states import EventType, OrderStatus
from workflows.alarms import Alarm
from workflows.options import provider_call
from workflows.progress import Progress


class Fulfilment:
    """What happens to the goods of one order after it was placed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def ship(self, ship: Ship) -> None:
        """Set goods aside, take their share of the money where it was not taken before, and send them.

        Raises:
            ApplicationError: `capture_declined`: the goods are back, and an operator is called.
        """
        request = BeginShipment(
            order_id=self._progress.start.order_id,
            shipment_id=ship.shipment_id or workflow.uuid4(),
            actor=ship.actor,
            lines=ship.lines,
            carrier=ship.carrier,
            tracking_number=ship.tracking_number,
        )
        await self._progress.record(ShipmentActivities.begin, request, "Ship the goods")
        if not await self.go_on():
            raise refusal("capture_declined", "The money of this shipment could not be taken: do not send it.")

    async def go_on(self) -> bool:
        """Send what was set aside. False: the money of a shipment could not be taken, so its goods are back."""
        sent = [await self._take_share_and_send(shipment) for shipment in self._progress.known.shipping]
        self._progress.messages.send(self._progress.known.messages)
        return all(sent)

    async def mark_delivered(self, delivered: MarkDelivered) -> None:
        """Note that a shipment has arrived; with the last one, the time for returns begins."""
        request = DeliverShipments(self._progress.start.order_id, delivered.actor, delivered.shipment_id)
        await self._progress.record(ShipmentActivities.deliver, request, "Note what has arrived")

    async def cancel_rest(self, cancel: Cancel) -> None:
        """Cancel what was not shipped: first in the books, so that nothing captures what is then let go.

        Raises:
            ApplicationError: nothing is left to be cancelled, or it can not be now.
        """
        request = CancelRest(self._progress.start.order_id, cancel.actor, cancel.reason, cancel.note_id)
        await self._progress.record(ShipmentActivities.cancel_rest, request, "Cancel what was not shipped")
        self._progress.messages.send(self._progress.known.messages)
        await self.let_go_rest()

    async def let_go_rest(self) -> None:
        """Let go what is still reserved for goods that were cancelled."""
        order = self._progress.known
        if order.letting_go:
            await self._progress.ask_provider(
                PaymentActivities.let_go_rest,
                LetGoRest(order.order_id, order.payment_attempt),
                "Let go what is reserved for what was cancelled",
                skippable=True,
            )

    def alarms(self) -> Iterator[Alarm]:
        """List what happens by itself to an order that has arrived: it is closed, unless an operator has to decide."""
        order = self._progress.known
        if self._progress.stands(OrderStatus.DELIVERED) and order.close_at is not None and not order.needs_operator:
            yield Alarm(order.close_at, "The time for returns ends", self._close)

    async def _close(self) -> None:
        request = AdvanceOrder(self._progress.start.order_id, EventType.CLOSED, "system")
        await self._progress.surely_record(
            OrderActivities.advance, request, "The time for returns has ended: close the order"
        )

    async def _take_share_and_send(self, shipment: PendingShipment) -> bool:
        order_id = self._progress.start.order_id
        answer = await self._capture(shipment)
        if answer.decision is PaymentDecision.APPROVED:
            step = ShipmentStep(order_id, shipment.shipment_id)
            await self._progress.surely_record(ShipmentActivities.send, step, "Its money is taken: send the shipment")
            return True
        given_up = AbandonShipment(order_id, shipment.shipment_id, answer.code or "declined")
        what = f"The money of the shipment could not be taken ({given_up.code}): do not send it"
        await self._progress.surely_record(ShipmentActivities.abandon, given_up, what)
        return False

    async def _capture(self, shipment: PendingShipment) -> PaymentAnswer:
        """Take a shipment's share. Whatever keeps it from being taken for good keeps the goods in the house."""
        request = CapturePayment(
            self._progress.start.order_id, shipment.attempt, shipment.share, n=shipment.n, last=shipment.last
        )
        try:
            return await workflow.execute_activity_method(
                PaymentActivities.capture, request, **provider_call(f"Capture {shipment.share} of this shipment")
            )
        except FailureError as error:
            return PaymentAnswer(PaymentDecision.DECLINED, refusal_code(error) or "step_failed")
