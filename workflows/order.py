"""One order, from the cart to its end."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.failures import refusal, refusal_code
from contracts.orders import (
    Cancel,
    Claim,
    Decision,
    MarkDelivered,
    OrderActivities,
    OrderOutcome,
    Pay,
    PaymentEvent,
    PlaceOrder,
    ReceiveReturn,
    Refund,
    Resolve,
    Ship,
    TimelineEntry,
)
from domain.card_numbers import holds_card_number
from domain.order_states import CANCELLABLE, ENDED, REFUNDABLE, RETURNABLE, SHIPPED_ONWARD, UNPAID, OrderStatus
from workflows.alarms import Alarm, first_of
from workflows.cancelling import Cancelling, CancelRequestedError
from workflows.commands import Commands
from workflows.fulfilment import Fulfilment
from workflows.payment import Payment
from workflows.progress import OvertakenError, Progress
from workflows.reauthorisation import Reauthorisation
from workflows.refunds import Refunds

Command = Pay | Ship | MarkDelivered | Refund | ReceiveReturn | Resolve | Cancel
_PLAINLY = Cancel()
_OBEYS_WHILE_TELLING = "obeys-while-telling"
"""Runs that began before waited for their last messages only, and left what was asked meanwhile undone."""


@workflow.defn(name="OrderWorkflow")
class OrderWorkflow:
    """Everything that happens to one order happens here, one step at a time.

    `run` is the only place that acts: handlers note what is wanted and wait for it. A request to cancel, whether by
    update, by signal or by `temporal workflow cancel`, interrupts the checkout; all three end in the same unwinding.
    """

    @workflow.init
    def __init__(self, start: PlaceOrder) -> None:
        self._start = start
        self._progress = Progress(start)
        self._cancelling = Cancelling(self._progress)
        self._payment = Payment(self._progress, self._cancelling)
        self._fulfilment = Fulfilment(self._progress)
        self._reauthorisation = Reauthorisation(self._progress)
        self._refunds = Refunds(self._progress)
        self._commands: Commands[Command] = Commands()
        self._refused: str | None = None
        self._checked_out = False
        self._over = False
        self._overtaken = False
        self._refunding = 0
        """How many wait for a refund, a return or a decision: an order begun again for it when over ends after them."""

    # The story ------------------------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, _start: PlaceOrder) -> OrderOutcome:
        """Tell the order's story to its end, whatever is asked for meanwhile.

        The story is a task of its own: cancelling the workflow reaches only these two waits, which turn it into a
        request like any other.
        """
        story = asyncio.create_task(self._story())
        await self._whatever_is_cancelled(story.done)
        self._over = True
        await self._whatever_is_cancelled(workflow.all_handlers_finished)
        return story.result()

    async def _whatever_is_cancelled(self, condition: Callable[[], bool]) -> None:
        while not condition():
            try:
                await workflow.wait_condition(condition)
            except asyncio.CancelledError:
                self._progress.ask_to_cancel(Cancel(reason="workflow_cancelled"))

    async def _story(self) -> OrderOutcome:
        """Tell it, and once more from the order's row where that has gone on without this run."""
        while True:
            try:
                return await self._tell()
            except OvertakenError:
                self._progress.saga.forget()

    async def _tell(self) -> OrderOutcome:
        progress = self._progress
        await self._open_or_refuse()
        if progress.stands(OrderStatus.CANCELLING):
            await self._cancelling.unwind()
        if progress.stands(OrderStatus.PENDING):
            await self._payment.take()
        self._checked_out = True
        await self._fulfilment.go_on()
        if progress.known.letting_go:
            await self._fulfilment.let_go_rest()
        await self._payment.collect()
        await self._obey_to_the_end()
        if progress.stands(OrderStatus.CANCELLED):
            progress.messages.give_up()
        await self._finish_messages()
        return progress.outcome()

    async def _open_or_refuse(self) -> None:
        """Freeze, price and hold; or pick an order up where its row says that it stands."""
        progress = self._progress
        progress.saga.undo(self._cancelling.finish)
        resumed = self._start.payment_method is None
        summary = "Go on from the order's row" if resumed else "Freeze and price the cart, hold the stock"
        try:
            await self._cancelling.interruptibly(progress.record(OrderActivities.open, self._start, summary))
        except CancelRequestedError:
            progress.saga.undo(self._payment.reverse)  # an earlier run may have taken the money
            await self._cancelling.unwind()
        except FailureError as error:
            self._refused = refusal_code(error) or "conflict"
            raise refusal(self._refused, "This cart can not be checked out as it is.") from error
        if not progress.stands(*UNPAID) or progress.known.action_required:
            progress.saga.undo(self._payment.reverse)
        progress.messages.send(progress.known.messages)
        self._refunds.follow()

    async def _finish_messages(self) -> None:
        """Wait until the buyer is told everything, and do what is asked of the order meanwhile."""
        messages = self._progress.messages
        while not (messages.all_told and self._ended()):
            await workflow.wait_condition(lambda: messages.all_told or not self._ended())
            if not self._ended() and not workflow.patched(_OBEYS_WHILE_TELLING):
                break
            await self._obey_to_the_end()
        await messages.finish()

    # Commands, one at a time ----------------------------------------------------------------------------------------

    async def _obey_to_the_end(self) -> None:
        """Do what is asked of the order until it is over."""
        while not self._ended():
            await self._next_command()

    async def _next_command(self) -> None:
        """Wait for a command, a request to cancel, the end of a refund or the next alarm, and do what it says."""
        progress, alarm = self._progress, first_of(self._alarms())
        try:
            await workflow.wait_condition(
                self._something_to_do,
                timeout=alarm.wait(workflow.now()) if alarm else None,
                timeout_summary=alarm.summary if alarm else None,
            )
        except TimeoutError:
            if alarm is not None:
                await alarm.ring()
            return
        if progress.cancel is not None:
            await self._cancelling.unwind()
        elif self._overtaken:
            self._overtaken = False
            await progress.look_at_row()
        elif self._refunds.ended:
            await self._refunds.settle()
        elif self._payment.look_ups.news:
            await self._payment.look_up()
        elif self._commands:
            await self._commands.carry_out_next(self._carry_out)
        elif self._has_to_begin_anew():
            workflow.continue_as_new(replace(self._start, payment_method=None))

    def _alarms(self) -> Iterator[Alarm]:
        """List what the order does by itself if nobody asks for anything before."""
        yield from self._payment.alarms()
        yield from self._fulfilment.alarms()
        yield from self._reauthorisation.alarms()

    def _something_to_do(self) -> bool:
        asked = bool(self._commands) or self._progress.cancel is not None or self._refunds.ended or self._overtaken
        return asked or self._payment.look_ups.news or self._ended() or self._has_to_begin_anew()

    def _ended(self) -> bool:
        """Tell whether the order is over, and nobody waits for money of it."""
        over = self._progress.stands(*ENDED)
        return over and self._refunds.idle and not self._refunding and not self._commands.has(Refund)

    def _has_to_begin_anew(self) -> bool:
        """Tell whether the history is long and nobody waits for this run; a message under way is not torn off."""
        long = workflow.info().is_continue_as_new_suggested()
        resting = self._progress.messages.all_told and self._refunds.resting
        return long and workflow.all_handlers_finished() and resting

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Pay() if self._reauthorisation.wanted:
                await self._reauthorisation.pay(command)
            case Pay():
                await self._payment.pay(command)
            case Ship():
                await self._fulfilment.ship(command)
            case MarkDelivered():
                await self._fulfilment.mark_delivered(command)
                await self._payment.collect()
            case Cancel():
                await self._cancel_rest(command)
            case Refund():
                await self._refunds.begin(command, command.refund_id or workflow.uuid4())
            case ReceiveReturn():
                await self._refunds.take_back(command)
            case Resolve():
                await self._resolve(command)

    async def _cancel_rest(self, cancel: Cancel) -> None:
        """Cancel what was not shipped; all of it, where nothing was."""
        if not self._progress.known.sent:
            self._progress.ask_to_cancel(cancel)
            return
        await self._fulfilment.cancel_rest(cancel)
        self._refunds.follow()
        await self._payment.collect()

    async def _resolve(self, decision: Resolve) -> None:
        order = self._progress.known
        renewed = self._reauthorisation.wanted and decision.decision is Decision.RETRY
        if decision.decision is Decision.REFUND:
            self._progress.require("Giving everything back is", *CANCELLABLE)
            if order.sent:
                raise refusal(
                    "illegal_transition",
                    "Giving everything back is not possible: a part was shipped. Cancel with rest_only what was not.",
                )
            self._progress.give_up(decision)
        elif order.refund_failed and decision.decision is Decision.RETRY:
            await self._refunds.try_again()
        elif order.refund_failed:
            await self._refunds.abandon()
        await self._progress.standstill.clear(decision)
        if renewed:
            await self._reauthorisation.renew()

    # What others may ask --------------------------------------------------------------------------------------------

    @workflow.update
    async def place(self) -> OrderOutcome:
        """Wait for the outcome of the checkout. It does nothing itself, so that it may be asked any number of times."""
        await workflow.wait_condition(lambda: self._checked_out or self._over)
        if self._refused:
            raise refusal(self._refused, "This cart can not be checked out as it is.")
        return self._progress.outcome()

    @workflow.update
    async def pay(self, pay: Pay) -> OrderOutcome:
        """Try another payment method after a decline: of the order, or of what its next shipment takes."""
        await self._known_or_over()
        if self._progress.stands(OrderStatus.PENDING) or self._commands.has(Pay):
            raise refusal("payment_in_progress", "Another payment of this order is still under way.")
        if not self._reauthorisation.wanted:
            self._progress.require("A payment is", OrderStatus.PAYMENT_REQUIRED)
        return await self._in_turn(pay)

    @pay.validator
    def _refuse_card_number(self, pay: Pay) -> None:
        """Keep the number of a card out of the history: what a validator refuses leaves no trace there."""
        if holds_card_number(pay.payment_method):
            raise refusal("validation_error", "This is the number of a card: a payment method is a provider's token.")

    @workflow.update
    async def cancel(self, cancel: Cancel) -> OrderOutcome:
        """Cancel the order and wait until everything is undone; after shipment, only record that it was asked for.

        With `rest_only`, what was not shipped is cancelled in its turn: after a shipment that is under way.
        """
        progress = self._progress
        if self._leaves_what_was_sent(cancel):
            await self._in_turn(cancel)
        else:
            self._request_cancel(cancel)
        await workflow.wait_condition(
            lambda: self._over or (progress.cancel is None and not progress.stands(OrderStatus.CANCELLING))
        )
        if not (progress.order and progress.order.sent):
            progress.require("Cancelling is", OrderStatus.CANCELLED, *SHIPPED_ONWARD)
        return progress.outcome()

    @workflow.signal
    def cancel_order(self, cancel: Cancel = _PLAINLY) -> None:
        """Cancel the order, for those who can not wait; nothing else has to be said."""
        if self._leaves_what_was_sent(cancel):
            self._commands.add(cancel)
        else:
            self._request_cancel(cancel)

    @workflow.signal
    def payment_event(self, event: PaymentEvent) -> None:
        """Hear that something has happened to the payment. It is not believed: the payment is looked up."""
        self._payment.look_ups.hear(event)
        self._refunds.look_again()

    @workflow.signal
    def look_at_row(self) -> None:
        """Hear that the order's row may have gone on without this run. It is not believed: the row is looked at."""
        self._overtaken = True

    @workflow.signal
    def claimed(self, claim: Claim) -> None:
        """Learn that the buyer has an account now; the row says so already."""
        self._progress.belongs_to(claim.customer_id)

    @workflow.update
    async def ship(self, ship: Ship) -> OrderOutcome:
        """Send goods of the order: the lines that are named, or all that is left."""
        await self._known_or_over()
        self._progress.require("Shipping is", OrderStatus.PLACED, OrderStatus.FULFILLING)
        return await self._in_turn(ship)

    @workflow.update
    async def mark_delivered(self, delivered: MarkDelivered) -> OrderOutcome:
        """Note that a shipment has arrived, or all that were sent."""
        await self._known_or_over()
        if not (self._progress.stands(OrderStatus.FULFILLING) and self._progress.known.sent):
            self._progress.require("Delivery is", OrderStatus.SHIPPED)
        return await self._in_turn(delivered)

    @workflow.update
    async def refund(self, refund: Refund) -> OrderOutcome:
        """Give money back while the order stands, and wait for the provider's word; what is under way is followed."""
        self._refunding += 1
        try:
            await self._known_or_over()
            self._progress.require("A refund is", *REFUNDABLE)
            refund_id = refund.refund_id or workflow.uuid4()
            outcome = await self._in_turn(replace(refund, refund_id=refund_id))
            await workflow.wait_condition(lambda: self._refunds.answered(refund_id) or self._over)
            if self._refunds.refused(refund_id):
                raise refusal("refund_refused", "The payment provider refuses the refund: an operator is called.")
            return outcome
        finally:
            self._refunding -= 1

    @workflow.update
    async def receive_return(self, arrived: ReceiveReturn) -> OrderOutcome:
        """Take back the goods of a return that have arrived; nobody waits here for their money.

        An order that was closed is begun again for it.
        """
        self._refunding += 1
        try:
            await self._known_or_over()
            self._progress.require("Taking goods back is", *RETURNABLE)
            return await self._in_turn(arrived)
        finally:
            self._refunding -= 1

    @workflow.update
    async def resolve(self, decision: Resolve) -> OrderOutcome:
        """Decide about an order that needs an operator: `retry`, `skip` or `refund`.

        An order that is over is begun again for it.
        """
        self._refunding += 1
        try:
            await self._known_or_over()
            return await self._decided(decision)
        finally:
            self._refunding -= 1

    @workflow.query
    def status(self) -> OrderOutcome:
        """Tell where the order stands."""
        return self._progress.outcome()

    @workflow.query
    def timeline(self) -> list[TimelineEntry]:
        """Tell what has happened in this run, oldest first; PostgreSQL has the whole timeline."""
        return self._progress.story.timeline

    async def _decided(self, decision: Resolve) -> OrderOutcome:
        """Let the step that waits for an operator go on; where none waits, the decision has its turn as a command."""
        progress, standstill = self._progress, self._progress.standstill
        if not progress.known.needs_operator:
            raise refusal("illegal_transition", "The order does not need an operator.")
        await workflow.wait_condition(lambda: standstill.waiting or self._checked_out or self._over)
        if not standstill.waiting:
            return await self._in_turn(decision)
        standstill.decide(decision)
        await workflow.wait_condition(lambda: not progress.known.needs_operator or self._over)
        return progress.outcome()

    async def _known_or_over(self) -> None:
        await workflow.wait_condition(lambda: self._progress.order is not None or self._over)

    def _leaves_what_was_sent(self, cancel: Cancel) -> bool:
        """Tell whether goods may have left the house that a request to cancel does not mean."""
        return cancel.rest_only and self._progress.stands(*REFUNDABLE)

    def _request_cancel(self, cancel: Cancel) -> None:
        if self._progress.order is None or self._progress.stands(*CANCELLABLE, *SHIPPED_ONWARD):
            self._progress.ask_to_cancel(cancel)

    async def _in_turn(self, command: Command) -> OrderOutcome:
        """Queue a command, wait until it was carried out, and tell how the order stands then."""
        refused = await self._commands.in_turn(command, over=lambda: self._over)
        if refused:
            raise refusal(refusal_code(refused) or "illegal_transition", refused.message)
        return self._progress.outcome()
