"""Taking an order's money, and giving it back."""

from collections.abc import Iterator

from temporalio import workflow

from contracts.orders import OrderActivities, Pay, RequirePayment, RetryPayment
from contracts.payments import (
    AuthorisePayment,
    CapturePayment,
    PaymentActivities,
    PaymentAnswer,
    PaymentDecision,
    ReversePayment,
)
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus
from workflows.alarms import Alarm
from workflows.progress import Progress


class Payment:
    """The money of one order: one attempt after the other, each undone before the next begins."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def take(self) -> None:
        """Take the money, commit the stock, tell the buyer; or ask for another card."""
        progress = self._progress
        answer = await self._take_money()
        if answer.decision is PaymentDecision.DECLINED:
            await self._require_another(answer.code or "declined")
        else:
            await progress.surely_record(OrderActivities.place, progress.step, "Commit the stock and place the order")
            progress.messages.send(progress.known.messages)

    async def begin_next(self, pay: Pay) -> None:
        """Begin the next attempt with another payment method."""
        order = self._progress.known
        await self._progress.record(
            OrderActivities.retry_payment,
            RetryPayment(order.order_id, order.payment_attempt + 1, pay.payment_method, pay.actor),
            "Try another payment method",
        )

    def alarms(self) -> Iterator[Alarm]:
        """List what happens by itself to an order that waits for a payment."""
        progress = self._progress
        if progress.stands(OrderStatus.PAYMENT_REQUIRED) and progress.known.payment_deadline is not None:
            yield Alarm(progress.known.payment_deadline, "The hold on the stock runs out", self._expire)

    async def _expire(self) -> None:
        progress = self._progress
        await progress.surely_record(OrderActivities.expire, progress.step, "Nobody paid in time: release the stock")

    async def reverse(self) -> None:
        """Give back what the latest attempt has taken or may still take; when the order ends, what any attempt has."""
        progress = self._progress
        order = progress.known
        await progress.ask_provider(
            PaymentActivities.reverse,
            ReversePayment(order.order_id, order.payment_attempt, whole=progress.stands(OrderStatus.CANCELLING)),
            "Give back what was taken",
            skippable=True,
        )

    async def _take_money(self) -> PaymentAnswer:
        """Authorise, then capture: from here on, undoing means refunding. What is free needs no provider.

        Where each shipment takes its share, nothing is captured here.

        A capture is not for an operator to skip: what it may have taken would be given back, and an order is charged
        only once.
        """
        order = self._progress.known
        attempt, total = order.payment_attempt, order.total
        self._progress.saga.undo(self.reverse)
        if total.amount == 0:
            return PaymentAnswer(PaymentDecision.APPROVED)
        authorised = await self._progress.ask_provider(
            PaymentActivities.authorise,
            AuthorisePayment(order.order_id, attempt, total, order.payment_method or ""),
            f"Authorise {total}",
            skippable=True,
        ) or PaymentAnswer(PaymentDecision.DECLINED, "skipped_by_operator")
        self._progress.give_way()
        if authorised.decision is PaymentDecision.DECLINED or order.capture is CapturePolicy.SHIPMENT:
            return authorised
        captured = await self._progress.ask_provider(
            PaymentActivities.capture, CapturePayment(order.order_id, attempt, total), f"Capture {total}"
        )
        self._progress.give_way()
        return captured or authorised

    async def _require_another(self, code: str) -> None:
        """Make sure that the declined attempt leaves nothing behind, then wait for another card with the stock held."""
        progress = self._progress
        await progress.saga.undo_last()
        order = progress.known
        deadline = order.payment_deadline or workflow.now() + progress.start.hold
        await progress.surely_record(
            OrderActivities.require_payment,
            RequirePayment(order.order_id, order.payment_attempt, code, deadline),
            f"Declined ({code}): ask for another card",
        )
