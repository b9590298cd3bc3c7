"""How one order stands, as its workflow knows it, and the ways to bring it on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.failures import refusal, refusal_code
from contracts.orders import Cancel, FlagOrder, OrderActivities, OrderOutcome, OrderSnapshot, OrderStep, PlaceOrder
from contracts.orders import Resolve as OperatorDecision
from domain.order_states import OrderStatus
from workflows.messages import Messages
from workflows.options import database_step, provider_call
from workflows.saga import Saga
from workflows.standstill import Standstill
from workflows.story import Story

Activities = TypeVar("Activities")
Request = TypeVar("Request")
Result = TypeVar("Result")


class OvertakenError(Exception):
    """The order's row has gone on without this run: an earlier one, terminated meanwhile, had a step in hand."""


class Progress:
    """What the parts of an order's story share: the order, what undoes it, what it owes in words, who wants it ended.

    What is known of the order is always what its row said last.
    """

    def __init__(self, start: PlaceOrder) -> None:
        self.start = start
        self.order: OrderSnapshot | None = None
        self.cancel: Cancel | None = None
        """What somebody has asked to be cancelled and was not answered yet."""
        self.saga = Saga()
        self.messages = Messages()
        self.story = Story()
        self.standstill = Standstill(start.order_id, flag=self.flag, give_up=self.give_up)

    # How it stands --------------------------------------------------------------------------------------------------

    @property
    def known(self) -> OrderSnapshot:
        """The order as its row said last.

        Raises:
            ApplicationError: it is not open yet.
        """
        if self.order is None:
            raise refusal("temporarily_unavailable", "The order is still being opened.")
        return self.order

    @property
    def step(self) -> OrderStep:
        """Name this order to a step that needs to know no more."""
        return OrderStep(self.start.order_id)

    def stands(self, *statuses: OrderStatus) -> bool:
        """Tell whether the order is open and in one of these states."""
        return self.order is not None and self.order.status in statuses

    def require(self, what: str, *statuses: OrderStatus) -> None:
        """Refuse what the order's state does not allow.

        Raises:
            ApplicationError: `illegal_transition`.
        """
        if not self.stands(*statuses):
            status = self.order.status if self.order else "not open yet"
            raise refusal("illegal_transition", f"{what} not possible: the order is {status}.")

    def outcome(self) -> OrderOutcome:
        """Tell how the order stands to those who asked for something."""
        order = self.known
        return OrderOutcome(
            order_id=order.order_id,
            status=order.status,
            reason=order.reason,
            decline_code=order.decline_code,
            total=order.total,
            shortages=order.shortages,
            needs_operator=order.needs_operator,
        )

    # Bringing it on -------------------------------------------------------------------------------------------------

    async def record(
        self, step: Callable[[Activities, Request], Awaitable[OrderSnapshot]], request: Request, summary: str
    ) -> None:
        """Run a step that only touches PostgreSQL, and learn from it how the order stands now."""
        self.order = await workflow.execute_local_activity_method(step, request, **database_step(summary))
        self.story.tell(self.order, summary, workflow.now())

    def belongs_to(self, customer_id: UUID) -> None:
        """Learn whose it is; before it is open, its row will tell."""
        if self.order is not None and self.order.customer_id is None:
            self.order = replace(self.order, customer_id=customer_id)
            self.story.tell(self.order, "Its buyer has an account now", workflow.now())

    async def surely_record(
        self, step: Callable[[Activities, Request], Awaitable[OrderSnapshot]], request: Request, summary: str
    ) -> None:
        """Record what has to succeed."""
        await self.surely(lambda: self.record(step, request, summary))

    async def ask_provider(
        self,
        step: Callable[[Activities, Request], Awaitable[Result]],
        request: Request,
        summary: str,
        *,
        skippable: bool = False,
    ) -> Result | None:
        """Ask the provider until it has answered. None is to go on without it, because an operator has said so."""
        return await self.surely(
            lambda: workflow.execute_activity_method(step, request, **provider_call(summary)), skippable=skippable
        )

    async def surely(self, step: Callable[[], Awaitable[Result]], *, skippable: bool = False) -> Result | None:
        """Run a step that has to succeed, or that an operator decides about; not before there is an order to flag.

        Raises:
            OvertakenError: it was refused, because the order does not stand any more where this run believed.
        """
        if self.order is None:
            return await step()
        return await self.standstill.surely(lambda: self._unless_overtaken(step), skippable=skippable)

    async def _unless_overtaken(self, step: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await step()
        except FailureError as error:
            if refusal_code(error) and not is_cancelled_exception(error):
                await self.look_at_row()
            raise

    async def look_at_row(self) -> None:
        """Compare what is known of the order with its row. One that was lost tells nothing: reconciliation sees to it.

        Raises:
            OvertakenError: the row stands somewhere else.
        """
        known = self.known
        try:
            await self.record(OrderActivities.look, self.step, "Look where the order stands")
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("row_not_read", extra={"code": refusal_code(error)})
        if (self.known.status, self.known.payment_attempt) != (known.status, known.payment_attempt):
            raise OvertakenError

    async def flag(self, request: FlagOrder) -> None:
        """Call an operator, or say that none is needed any more."""
        await self.record(OrderActivities.flag, request, f"Operator: {request.reason}")

    # Giving it up ---------------------------------------------------------------------------------------------------

    def ask_to_cancel(self, cancel: Cancel) -> None:
        """Note that somebody wants it cancelled; the first one is answered."""
        if self.cancel is None:
            self.cancel = cancel

    def give_up(self, decision: OperatorDecision) -> None:
        """Cancel because an operator has decided to give everything back."""
        self.ask_to_cancel(Cancel(decision.reason, decision.actor, decision.note_id))

    def give_way(self) -> None:
        """Let a request to cancel interrupt the checkout, where waiting has swallowed the interruption."""
        if self.cancel is not None:
            raise asyncio.CancelledError
