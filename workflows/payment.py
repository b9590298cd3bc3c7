"""Taking an order's money, and giving it back."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

from contracts.orders import AnswerPayment, FlagOrder, OrderActivities, Pay, RequirePayment, RetryPayment
from contracts.payments import (
    AuthorisePayment,
    CapturePayment,
    PaymentActivities,
    PaymentAnswer,
    PaymentDecision,
    Reversal,
    ReversePayment,
)
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus, PaymentStatus
from workflows.alarms import Alarm
from workflows.cancelling import Cancelling
from workflows.look_ups import LookUps
from workflows.progress import Progress

_SYSTEM = "system"
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(days=1)


class Payment:
    """The money of one order: one attempt after the other, each undone before the next begins."""

    def __init__(self, progress: Progress, cancelling: Cancelling) -> None:
        self._progress = progress
        self._cancelling = cancelling
        self.look_ups = LookUps(progress)

    # Do -------------------------------------------------------------------------------------------------------------

    async def take(self) -> None:
        """Take the money of the latest attempt and place the order; or wait for what it needs."""
        await self._cancelling.unless_cancelled(self._take())

    async def pay(self, pay: Pay) -> None:
        """Begin the next attempt with another payment method. One that waits for the buyer's bank is given up first."""
        progress = self._progress
        progress.require("A payment is", OrderStatus.PAYMENT_REQUIRED)
        order = progress.known
        if order.action_required:
            await progress.saga.undo_last()
        request = RetryPayment(order.order_id, order.payment_attempt + 1, pay.payment_method, pay.actor)
        await progress.surely_record(OrderActivities.retry_payment, request, "Try another payment method")
        await self._take_if_held(off_session=False)

    async def _take(self, *, off_session: bool = False) -> None:
        self._progress.saga.undo(self.reverse)
        await self._go_on(await self._authorise(off_session=off_session))

    async def _authorise(self, *, off_session: bool) -> PaymentAnswer:
        """Reserve the money. What is free needs no provider."""
        order = self._progress.known
        if order.total.amount == 0:
            return PaymentAnswer(PaymentDecision.APPROVED)
        request = AuthorisePayment(
            order.order_id,
            order.payment_attempt,
            order.total,
            order.payment_method or "",
            keep=order.retries_asked_for or order.capture is CapturePolicy.SHIPMENT,
            off_session=off_session,
        )
        answer = await self._progress.ask_provider(
            PaymentActivities.authorise, request, f"Authorise {order.total}", skippable=True
        )
        self._progress.give_way()
        return answer or PaymentAnswer(PaymentDecision.DECLINED, "skipped_by_operator")

    async def _go_on(self, authorised: PaymentAnswer) -> None:
        """Capture, commit the stock and tell the buyer; or wait for the buyer, or for the next retry."""
        progress = self._progress
        if authorised.decision is PaymentDecision.ACTION_REQUIRED:
            await self._wait(authorised)
            return
        answer = await self._capture(authorised)
        if answer.decision is PaymentDecision.DECLINED:
            await progress.saga.undo_last()  # nothing of this attempt may take money later
            await self._wait(answer)
            return
        await progress.surely_record(OrderActivities.place, progress.step, "Commit the stock and place the order")
        progress.messages.send(progress.known.messages)

    async def _capture(self, authorised: PaymentAnswer) -> PaymentAnswer:
        """Take the money: from here on, undoing means refunding. Where shipment or delivery takes it, not here.

        A capture is not for an operator to skip: what it may have taken would be given back, and an order is charged
        only once.
        """
        order = self._progress.known
        declined = authorised.decision is PaymentDecision.DECLINED
        if declined or order.total.amount == 0 or order.capture is not CapturePolicy.PLACEMENT:
            return authorised
        captured = await self._progress.ask_provider(
            PaymentActivities.capture,
            CapturePayment(order.order_id, order.payment_attempt, order.total),
            f"Capture {order.total}",
        )
        self._progress.give_way()
        return captured or authorised

    # Wait -----------------------------------------------------------------------------------------------------------

    async def _wait(self, answer: PaymentAnswer) -> None:
        """Wait for the buyer's bank, for the next retry or for another card: until the deadline, and no longer."""
        progress, order, now = self._progress, self._progress.known, workflow.now()
        action, code = answer.decision is PaymentDecision.ACTION_REQUIRED, answer.code or "declined"
        request = RequirePayment(
            order.order_id,
            order.payment_attempt,
            code,
            answer.until or order.payment_deadline or now + progress.start.hold,
            passes=answer.passes,
            now=now,
            hold=progress.start.hold,
            action_required=action,
        )
        what = f"Wait for the buyer ({code})" if action else f"Declined ({code}): ask for another card"
        await progress.surely_record(OrderActivities.require_payment, request, what)
        progress.messages.send(progress.known.messages)

    def alarms(self) -> Iterator[Alarm]:
        """List what happens by itself to an order that waits for a payment."""
        order = self._progress.order
        if order is None:
            return
        if look := self.look_ups.next_at():
            yield Alarm(look, "Look the payment up", self.look_up)
        if not self._progress.stands(OrderStatus.PAYMENT_REQUIRED):
            return
        if order.retry_at is not None:
            yield Alarm(order.retry_at, "Try the payment again", self._retry)
        if order.payment_deadline is not None:
            yield Alarm(order.payment_deadline, "The hold on the stock runs out", self._expire)

    async def collect(self) -> None:
        """Take what is paid at delivery, once everything has arrived: whoever has handed it over has the money."""
        progress, order = self._progress, self._progress.known
        if order.capture is not CapturePolicy.DELIVERY or not progress.stands(OrderStatus.DELIVERED):
            return
        if order.payment_status is PaymentStatus.AUTHORISED and not await self._collected():
            await progress.flag(
                FlagOrder(order.order_id, needs_operator=True, reason="capture_declined", actor=_SYSTEM)
            )
        elif order.payment_status in {PaymentStatus.AUTHORISED, PaymentStatus.CAPTURED}:
            await progress.surely_record(OrderActivities.note_collected, progress.step, "Its money is here")

    async def _collected(self) -> bool:
        order = self._progress.known
        request = CapturePayment(order.order_id, order.payment_attempt, order.owed)
        answer = await self._progress.ask_provider(
            PaymentActivities.capture, request, f"Take {order.owed}, paid at delivery"
        )
        return answer is not None and answer.decision is PaymentDecision.APPROVED

    async def look_up(self) -> None:
        """Look at the provider what has become of the payment, and go on where the buyer's bank has answered."""
        await self._cancelling.unless_cancelled(self._look_up())

    async def _look_up(self) -> None:
        order = self._progress.known
        answer = await self.look_ups.look_up()
        if answer is None or answer.decision is PaymentDecision.ACTION_REQUIRED or not order.action_required:
            return
        await self._progress.surely_record(
            OrderActivities.answer_payment,
            AnswerPayment(order.order_id, order.payment_attempt),
            "The buyer's bank has answered",
        )
        await self._go_on(answer)

    async def _retry(self) -> None:
        """Try the same payment method again, without the buyer."""
        order = self._progress.known
        request = RetryPayment(order.order_id, order.payment_attempt + 1, order.payment_method or "", _SYSTEM)
        await self._progress.surely_record(
            OrderActivities.retry_payment, request, f"Try the payment again (retry {order.retries})"
        )
        await self._take_if_held(off_session=True)

    async def _take_if_held(self, *, off_session: bool) -> None:
        """Take the money, unless what the order wanted was sold while it waited."""
        if self._progress.stands(OrderStatus.PENDING):
            await self._cancelling.unless_cancelled(self._take(off_session=off_session))
        self._progress.messages.send(self._progress.known.messages)

    async def _expire(self) -> None:
        """End an order that nobody paid in time, after one last look at what its buyer may have done."""
        progress = self._progress
        if progress.known.action_required:
            await self.look_up()
        if not progress.stands(OrderStatus.PAYMENT_REQUIRED):
            return
        if progress.known.action_required:
            await progress.saga.undo_last()
        await progress.surely_record(OrderActivities.expire, progress.step, "Nobody paid in time: release the stock")
        progress.messages.send(progress.known.messages)

    # Undo -----------------------------------------------------------------------------------------------------------

    async def reverse(self) -> None:
        """Give back what the latest attempt has taken or may still take; when the order ends, what any attempt has.

        What is on its way back is looked up ever more seldom, or when something is said of it; the goods wait for
        nothing.
        """
        progress, pause, let_go = self._progress, _FIRST_PAUSE, False
        while await self._reverse() is Reversal.UNDER_WAY:
            if progress.stands(OrderStatus.CANCELLING) and not let_go:
                await progress.surely_record(OrderActivities.let_go, progress.step, "Its money is on its way back")
                let_go = True
            await self._hear_of_it(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _reverse(self) -> Reversal | None:
        progress, order = self._progress, self._progress.known
        request = ReversePayment(order.order_id, order.payment_attempt, whole=progress.stands(OrderStatus.CANCELLING))
        answer = await progress.ask_provider(
            PaymentActivities.reverse, request, "Give back what was taken", skippable=True
        )
        return answer.reversal if answer else None

    async def _hear_of_it(self, pause: timedelta) -> None:
        heard = self.look_ups.heard
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self.look_ups.heard > heard,
                timeout=pause,
                timeout_summary="Look whether the money has arrived",
            )
