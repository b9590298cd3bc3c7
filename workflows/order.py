"""One order, from the cart to its end."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.failures import refusal, refusal_code
from contracts.orders import (
    AdvanceOrder,
    Cancel,
    CancelStep,
    Decision,
    FlagOrder,
    MarkDelivered,
    OrderActivities,
    OrderOutcome,
    OrderSnapshot,
    OrderStep,
    Pay,
    PlaceOrder,
    RequirePayment,
    Resolve,
    RetryPayment,
    Ship,
    TimelineEntry,
)
from contracts.payments import (
    AuthorisePayment,
    CapturePayment,
    PaymentActivities,
    PaymentAnswer,
    PaymentDecision,
    ReversePayment,
)
from domain.order_states import CANCELLABLE, ENDED, SHIPPED_ONWARD, UNPAID, EventType, OrderStatus
from workflows.messages import Messages
from workflows.options import database_step, provider_call
from workflows.saga import Saga
from workflows.standstill import Standstill
from workflows.story import Story

Request = TypeVar("Request")
Result = TypeVar("Result")

Command = Pay | Ship | MarkDelivered | Resolve


class CancelRequestedError(Exception):
    """The checkout gives way to a request to cancel."""


@dataclass(slots=True)
class QueuedCommand:
    """A command that waits for its turn; `refused` is the code of why it could not be carried out."""

    command: Command
    done: bool = False
    refused: str | None = None


@workflow.defn(name="OrderWorkflow")
class OrderWorkflow:
    """Everything that happens to one order happens here, one step at a time.

    `run` is the only place that acts: handlers note what is wanted and wait for it. A request to cancel, whether by
    update, by signal or by `temporal workflow cancel`, interrupts the checkout; all three end in the same unwinding.
    """

    @workflow.init
    def __init__(self, start: PlaceOrder) -> None:
        self._start = start
        self._order: OrderSnapshot | None = None
        self._refused: str | None = None
        self._checked_out = False
        self._over = False
        self._saga = Saga()
        self._commands: deque[QueuedCommand] = deque()
        self._cancel: Cancel | None = None
        self._standstill = Standstill(start.order_id, flag=self._flag, give_up=self._give_up)
        self._messages = Messages()
        self._told = Story()

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

    async def _story(self) -> OrderOutcome:
        await self._open_or_refuse()
        if self._is(OrderStatus.CANCELLING):
            await self._unwind()
        if self._is(OrderStatus.PENDING):
            await self._take_payment()
        self._checked_out = True
        while not self._is(*ENDED):
            await self._next_command()
        await self._messages.finish(owed=not self._is(OrderStatus.CANCELLED))
        return self._outcome()

    async def _open_or_refuse(self) -> None:
        """Freeze, price and hold; or pick an order up where its row says that it stands."""
        self._saga.undo(self._finish_cancel)
        resumed = self._start.payment_method is None
        summary = "Go on from the order's row" if resumed else "Freeze and price the cart, hold the stock"
        try:
            await self._interruptibly(self._record(OrderActivities.open, self._start, summary))
        except CancelRequestedError:
            self._saga.undo(self._reverse_payment)  # an earlier run may have taken the money
            await self._unwind()
        except FailureError as error:
            self._refused = refusal_code(error) or "conflict"
            raise refusal(self._refused, "This cart can not be checked out as it is.") from error
        if not self._is(*UNPAID):
            self._saga.undo(self._reverse_payment)
        self._messages.send(self._known.messages)

    async def _take_payment(self) -> None:
        try:
            await self._interruptibly(self._pay_and_place())
        except CancelRequestedError:
            await self._unwind()

    async def _pay_and_place(self) -> None:
        """Take the money, commit the stock, tell the buyer; or ask for another card."""
        answer = await self._take_money(self._known)
        if answer.decision is PaymentDecision.DECLINED:
            await self._require_payment(answer.code or "declined")
        else:
            await self._surely(
                lambda: self._record(OrderActivities.place, self._step, "Commit the stock and place the order")
            )
            self._messages.send(self._known.messages)

    async def _take_money(self, order: OrderSnapshot) -> PaymentAnswer:
        """Authorise, then capture: from here on, undoing means refunding. What is free needs no provider.

        A capture is not for an operator to skip: what it may have taken would be given back, and an order is charged
        only once.
        """
        attempt, total = order.payment_attempt, order.total
        self._saga.undo(self._reverse_payment)
        if total.amount == 0:
            return PaymentAnswer(PaymentDecision.APPROVED)
        authorised = await self._ask_provider(
            PaymentActivities.authorise,
            AuthorisePayment(order.order_id, attempt, total, order.payment_method or ""),
            f"Authorise {total}",
            skippable=True,
        )
        if authorised.decision is PaymentDecision.DECLINED:
            return authorised
        return await self._ask_provider(
            PaymentActivities.capture, CapturePayment(order.order_id, attempt, total), f"Capture {total}"
        )

    async def _require_payment(self, code: str) -> None:
        """Make sure that the declined attempt leaves nothing behind, then wait for another card with the stock held."""
        await self._saga.undo_last()
        deadline = self._known.payment_deadline or workflow.now() + self._start.hold
        request = RequirePayment(self._known.order_id, self._known.payment_attempt, code, deadline)
        await self._surely(
            lambda: self._record(OrderActivities.require_payment, request, f"Declined ({code}): ask for another card")
        )

    # Commands, one at a time ----------------------------------------------------------------------------------------

    async def _next_command(self) -> None:
        """Wait for a command, a request to cancel or the end of the hold, and carry it out."""
        try:
            await workflow.wait_condition(
                self._something_to_do, timeout=self._until_deadline(), timeout_summary="The hold on the stock runs out"
            )
        except TimeoutError:
            await self._surely(
                lambda: self._record(OrderActivities.expire, self._step, "Nobody paid in time: release the stock")
            )
            return
        if self._cancel is not None:
            await self._unwind()
        elif self._commands:
            await self._carry_out(self._commands[0])
            self._commands.popleft()
        elif self._has_to_begin_anew():
            workflow.continue_as_new(replace(self._start, payment_method=None))

    def _something_to_do(self) -> bool:
        return bool(self._commands) or self._cancel is not None or self._has_to_begin_anew()

    def _has_to_begin_anew(self) -> bool:
        """Tell whether the history is long and nobody waits for this run; a message under way is not torn off."""
        long = workflow.info().is_continue_as_new_suggested()
        return long and workflow.all_handlers_finished() and self._messages.all_told

    def _until_deadline(self) -> timedelta | None:
        deadline = self._known.payment_deadline
        if deadline is None or not self._is(OrderStatus.PAYMENT_REQUIRED):
            return None
        return max(deadline - workflow.now(), timedelta(0))

    async def _carry_out(self, queued: QueuedCommand) -> None:
        try:
            match queued.command:
                case Pay() as pay:
                    await self._pay(pay)
                case Ship() as ship:
                    await self._advance(EventType.SHIPPED, ship.actor)
                case MarkDelivered() as delivered:
                    await self._advance(EventType.DELIVERED, delivered.actor)
                case Resolve() as decision:
                    await self._resolve(decision)
        except FailureError as error:
            queued.refused = refusal_code(error) or "illegal_transition"
        queued.done = True

    async def _pay(self, pay: Pay) -> None:
        order = self._known
        attempt = order.payment_attempt + 1
        await self._record(
            OrderActivities.retry_payment,
            RetryPayment(order.order_id, attempt, pay.payment_method, pay.actor),
            "Try another payment method",
        )
        await self._take_payment()

    async def _advance(self, event: EventType, actor: str) -> None:
        request = AdvanceOrder(self._start.order_id, event, actor)
        await self._record(OrderActivities.advance, request, f"Note that it was {event}")

    async def _resolve(self, decision: Resolve) -> None:
        if decision.decision is Decision.REFUND:
            self._require("Giving everything back is", *CANCELLABLE)
            self._give_up(decision)
        await self._standstill.clear(decision)

    # Cancelling -----------------------------------------------------------------------------------------------------

    def _ask_to_cancel(self, cancel: Cancel) -> None:
        if self._cancel is None:
            self._cancel = cancel

    def _give_up(self, decision: Resolve) -> None:
        self._ask_to_cancel(Cancel(decision.reason, decision.actor))

    async def _whatever_is_cancelled(self, condition: Callable[[], bool]) -> None:
        while not condition():
            try:
                await workflow.wait_condition(condition)
            except asyncio.CancelledError:
                self._ask_to_cancel(Cancel(reason="workflow_cancelled"))

    async def _interruptibly(self, part: Awaitable[None]) -> None:
        """Run a part of the checkout that gives way to a request to cancel.

        Raises:
            CancelRequestedError: it was interrupted, and may have taken effect all the same.
        """
        task = asyncio.ensure_future(part)
        await workflow.wait_condition(lambda: task.done() or self._cancel is not None)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            raise CancelRequestedError from None
        except FailureError as error:
            if is_cancelled_exception(error):
                raise CancelRequestedError from None
            raise

    async def _unwind(self) -> None:
        """Fence the order against every step that is still under way, then undo what was done, last first.

        After shipment nothing is undone: the request is recorded and an operator is called.
        """
        cancel, start = self._cancel or Cancel(), self._start
        request = CancelStep(
            start.order_id, start.cart_id, start.checkout_attempt, cancel.actor, cancel.reason, cancel.note_id
        )
        await self._surely(
            lambda: self._record(OrderActivities.begin_cancel, request, "Cancel: nothing late may take effect now")
        )
        if self._is(OrderStatus.CANCELLING):
            await self._saga.unwind()
        self._cancel = None

    async def _finish_cancel(self) -> None:
        await self._surely(
            lambda: self._record(OrderActivities.finish_cancel, self._step, "Release the stock and end the order")
        )

    async def _reverse_payment(self) -> None:
        request = ReversePayment(self._known.order_id, self._known.payment_attempt)
        await self._surely(
            lambda: workflow.execute_activity_method(
                PaymentActivities.reverse, request, **provider_call("Give back what was taken")
            ),
            skippable=True,
        )

    # Steps ----------------------------------------------------------------------------------------------------------

    async def _record(
        self, step: Callable[[OrderActivities, Request], Awaitable[OrderSnapshot]], request: Request, summary: str
    ) -> None:
        """Run a step that only touches PostgreSQL, and learn from it how the order stands now."""
        self._order = await workflow.execute_local_activity_method(step, request, **database_step(summary))
        self._told.tell(self._order, summary, workflow.now())

    async def _ask_provider(
        self,
        step: Callable[[PaymentActivities, Request], Awaitable[PaymentAnswer]],
        request: Request,
        summary: str,
        *,
        skippable: bool = False,
    ) -> PaymentAnswer:
        """Ask the provider. Waiting for the answer can swallow an interruption, so it is looked for again here."""
        answer = await self._surely(
            lambda: workflow.execute_activity_method(step, request, **provider_call(summary)), skippable=skippable
        )
        if self._cancel is not None:
            raise asyncio.CancelledError
        return answer or PaymentAnswer(PaymentDecision.DECLINED, "skipped_by_operator")

    async def _surely(self, step: Callable[[], Awaitable[Result]], *, skippable: bool = False) -> Result | None:
        """Run a step that has to succeed, or that an operator decides about; not before there is an order to flag."""
        return await (step() if self._order is None else self._standstill.surely(step, skippable=skippable))

    async def _flag(self, request: FlagOrder) -> None:
        await self._record(OrderActivities.flag, request, f"Operator: {request.reason}")

    # What others may ask --------------------------------------------------------------------------------------------

    @workflow.update
    async def place(self) -> OrderOutcome:
        """Wait for the outcome of the checkout. It does nothing itself, so that it may be asked any number of times."""
        await workflow.wait_condition(lambda: self._checked_out or self._over)
        if self._refused:
            raise refusal(self._refused, "This cart can not be checked out as it is.")
        return self._outcome()

    @workflow.update
    async def pay(self, pay: Pay) -> OrderOutcome:
        """Try another payment method after a decline."""
        await self._known_or_over()
        if self._is(OrderStatus.PENDING) or any(isinstance(c.command, Pay) for c in self._commands):
            raise refusal("payment_in_progress", "Another payment of this order is still under way.")
        self._require("A payment is", OrderStatus.PAYMENT_REQUIRED)
        return await self._in_turn(pay)

    @workflow.update
    async def cancel(self, cancel: Cancel) -> OrderOutcome:
        """Cancel the order and wait until everything is undone; after shipment, only record that it was asked for."""
        self._request_cancel(cancel)
        await workflow.wait_condition(
            lambda: self._over or (self._cancel is None and not self._is(OrderStatus.CANCELLING))
        )
        self._require("Cancelling is", OrderStatus.CANCELLED, *SHIPPED_ONWARD)
        return self._outcome()

    @workflow.signal
    def cancel_order(self, cancel: Cancel) -> None:
        """Cancel the order, for those who can not wait."""
        self._request_cancel(cancel)

    @workflow.update
    async def ship(self, ship: Ship) -> OrderOutcome:
        """Note that the order has left the house."""
        await self._known_or_over()
        self._require("Shipping is", OrderStatus.PLACED, OrderStatus.FULFILLING)
        return await self._in_turn(ship)

    @workflow.update
    async def mark_delivered(self, delivered: MarkDelivered) -> OrderOutcome:
        """Note that the order has arrived."""
        await self._known_or_over()
        self._require("Delivery is", OrderStatus.SHIPPED)
        return await self._in_turn(delivered)

    @workflow.update
    async def resolve(self, decision: Resolve) -> OrderOutcome:
        """Decide about an order that needs an operator: `retry`, `skip` or `refund`."""
        await self._known_or_over()
        if not self._known.needs_operator:
            raise refusal("illegal_transition", "The order does not need an operator.")
        await workflow.wait_condition(lambda: self._standstill.waiting or self._checked_out or self._over)
        if not self._standstill.waiting:
            return await self._in_turn(decision)
        self._standstill.decide(decision)
        await workflow.wait_condition(lambda: not self._known.needs_operator or self._over)
        return self._outcome()

    @workflow.query
    def status(self) -> OrderOutcome:
        """Tell where the order stands."""
        return self._outcome()

    @workflow.query
    def timeline(self) -> list[TimelineEntry]:
        """Tell what has happened in this run, oldest first; PostgreSQL has the whole timeline."""
        return self._told.timeline

    # What is known --------------------------------------------------------------------------------------------------

    @property
    def _known(self) -> OrderSnapshot:
        if self._order is None:
            raise refusal("temporarily_unavailable", "The order is still being opened.")
        return self._order

    @property
    def _step(self) -> OrderStep:
        return OrderStep(self._start.order_id)

    def _is(self, *statuses: OrderStatus) -> bool:
        return self._order is not None and self._order.status in statuses

    def _outcome(self) -> OrderOutcome:
        order = self._known
        return OrderOutcome(
            order_id=order.order_id,
            status=order.status,
            reason=order.reason,
            decline_code=order.decline_code,
            total=order.total,
            shortages=order.shortages,
            needs_operator=order.needs_operator,
        )

    async def _known_or_over(self) -> None:
        await workflow.wait_condition(lambda: self._order is not None or self._over)

    def _require(self, what: str, *statuses: OrderStatus) -> None:
        if not self._is(*statuses):
            status = self._order.status if self._order else "not open yet"
            raise refusal("illegal_transition", f"{what} not possible: the order is {status}.")

    def _request_cancel(self, cancel: Cancel) -> None:
        if self._order is None or self._is(*CANCELLABLE, *SHIPPED_ONWARD):
            self._ask_to_cancel(cancel)

    async def _in_turn(self, command: Command) -> OrderOutcome:
        """Queue a command, wait until it was carried out, and tell how the order stands then."""
        queued = QueuedCommand(command)
        self._commands.append(queued)
        await workflow.wait_condition(lambda: queued.done or self._over)
        if queued.refused or not queued.done:
            raise refusal(queued.refused or "illegal_transition", f"The order is {self._known.status}.")
        return self._outcome()
