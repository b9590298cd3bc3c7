"""Start orders, ask them things and find out about them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict, TypeVar
from uuid import UUID

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.workflow import UpdateMethodMultiParam

from clients.waits import Waits
from contracts.failures import refusal_code
from contracts.orders import (
    PLACE_UPDATE_ID,
    Cancel,
    Claim,
    MarkDelivered,
    OrderOutcome,
    Pay,
    PaymentEvent,
    PlaceOrder,
    ReceiveReturn,
    Refund,
    Resolve,
    Ship,
    order_workflow_id,
)
from contracts.queues import TaskQueue
from contracts.search_attributes import ORDER_STATUS
from domain.errors import (
    ConflictError,
    EverorderError,
    IllegalStepError,
    NotFoundError,
    PaymentInProgressError,
    TemporarilyUnavailableError,
)
from domain.order_states import OrderStatus
from workflows.order import OrderWorkflow

WORKFLOW_TASK_TIMEOUT = timedelta(seconds=5)
"""How long a worker that died may keep an order waiting."""

T = TypeVar("T")

_REUSE = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
"""An order that has ended well is never started again; one that was terminated goes on from its row."""

_PENDING = TypedSearchAttributes([SearchAttributePair(ORDER_STATUS, OrderStatus.PENDING)])
_CALL = timedelta(seconds=10)
_HURRY = timedelta(seconds=1)
_CONFIRM_SECONDS = 3.0
"""A buyer has waited long enough by then: "try again" is the better answer."""
_MEMO_CART = "cart_id"
_CANCEL_ORDER = "cancel_order"
_PAYMENT_EVENT = "payment_event"


class OrderRefusedError(ConflictError):
    """The order's workflow refused; `code` is its reason."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order was started and is on its way; its outcome is not known yet."""

    order_id: UUID


class OrderClient:
    """A typed façade of `OrderWorkflow`.

    A Temporal server that can not be reached is `TemporarilyUnavailableError`: nothing was lost, and every call may
    be repeated.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waits = Waits()

    def hurry(self) -> None:
        """Answer whoever waits for an outcome soon: it is looked up later, and nothing that was begun is lost."""
        self._waits.shorten(_HURRY)

    async def place(self, order: PlaceOrder, *, wait: timedelta) -> OrderOutcome | Accepted:
        """Start the order, or join the one that has been started for this attempt, and wait for its outcome.

        Returns `Accepted` when the outcome takes longer than `wait`.

        Raises:
            TemporarilyUnavailableError: the start could not be confirmed; it is safe to try again.
            OrderRefusedError: the cart can not be checked out; `code` says why (`stale_checkout`: look again).
        """
        try:
            async with self._waits.within(wait):
                return await self._place(order)
        except (TimeoutError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            return await self._confirm(order)

    async def _place(self, order: PlaceOrder) -> OrderOutcome:
        """Place, and once more when the answer is a refusal: it may be the one of an earlier run that has failed."""
        start = WithStartWorkflowOperation(OrderWorkflow.run, order, **_start_options(order, _REUSE))
        try:
            return await self._client.execute_update_with_start_workflow(
                OrderWorkflow.place, start_workflow_operation=start, id=PLACE_UPDATE_ID
            )
        except WorkflowUpdateFailedError:
            return await self._place_anew(order)
        except WorkflowAlreadyStartedError:
            raise _over() from None

    async def _place_anew(self, order: PlaceOrder) -> OrderOutcome:
        """Start a run of its own where the last one has failed, and ask that run only."""
        try:
            started = await self._start(order, _REUSE)
        except WorkflowAlreadyStartedError:
            raise _over() from None
        try:
            return await started.execute_update(OrderWorkflow.place, id=PLACE_UPDATE_ID)
        except WorkflowUpdateFailedError as error:
            raise _refused(error) from None
        except RPCError:
            return await self._result(started)

    async def _result(self, run: WorkflowHandle[OrderWorkflow, OrderOutcome]) -> OrderOutcome:
        """Read the outcome of a run that was over before it could be asked."""
        if (await run.describe(rpc_timeout=_CALL)).status is WorkflowExecutionStatus.RUNNING:
            raise TemporarilyUnavailableError("The order does not answer. It is safe to try again.")
        try:
            return await run.result()
        except WorkflowFailureError as error:
            raise _refused(error) from None

    async def _start(
        self, order: PlaceOrder, reuse: WorkflowIDReusePolicy
    ) -> WorkflowHandle[OrderWorkflow, OrderOutcome]:
        """Start a run, or find the one that lives; the handle means this run and no other."""
        started = await self._client.start_workflow(OrderWorkflow.run, order, **_start_options(order, reuse))
        return self._client.get_workflow_handle_for(OrderWorkflow.run, started.id, run_id=started.result_run_id)

    async def _confirm(self, order: PlaceOrder) -> Accepted:
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                if await self._status(order.order_id) is WorkflowExecutionStatus.RUNNING:
                    return Accepted(order.order_id)
        except TimeoutError:
            pass  # a server that is away is asked for longer than that
        raise TemporarilyUnavailableError("The checkout could not be confirmed. It is safe to try again.")

    async def pay(
        self, order_id: UUID, pay: Pay, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        """Offer another payment method; the same request joins the one before it.

        Raises:
            PaymentInProgressError: another payment is under way.
            IllegalStepError: the order does not wait for a payment.
            TemporarilyUnavailableError: Temporal is away.
        """
        return await self._update_within(order_id, OrderWorkflow.pay, pay, wait, request_id)

    async def cancel(
        self, order_id: UUID, cancel: Cancel, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        """Cancel an order: compensated before shipment, recorded after it; the same request joins the one before it.

        Raises:
            IllegalStepError: it has failed already.
            NotFoundError: its workflow is over or was never started.
            TemporarilyUnavailableError: Temporal is away.
        """
        return await self._update_within(order_id, OrderWorkflow.cancel, cancel, wait, request_id)

    async def signal_cancel(self, order_id: UUID, cancel: Cancel) -> None:
        """Ask to cancel an order without waiting for it: kept by Temporal even while no worker runs."""
        try:
            await self._handle(order_id).signal(OrderWorkflow.cancel_order, cancel, rpc_timeout=_CALL)
        except RPCError as error:
            raise _unavailable(error) from None

    async def claimed(self, order_id: UUID, customer_id: UUID) -> None:
        """Tell an order that its buyer has an account now. One that is over has no need to know.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the order learns it at its next step.
        """
        try:
            await self._handle(order_id).signal(OrderWorkflow.claimed, Claim(customer_id), rpc_timeout=_CALL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise _unavailable(error) from None

    async def payment_event(self, order_id: UUID, event: PaymentEvent) -> None:
        """Tell an order that something has happened to its payment; from here on Temporal keeps it.

        Raises:
            NotFoundError: its workflow is over or was never started.
            TemporarilyUnavailableError: Temporal is away.
        """
        try:
            await self._handle(order_id).signal(_PAYMENT_EVENT, event, rpc_timeout=_CALL)
        except RPCError as error:
            raise _unavailable(error) from None

    async def look_at_row(self, order_id: UUID) -> None:
        """Have an order's workflow look whether its row has gone on without it.

        Raises:
            NotFoundError: its workflow is over or was never started.
            TemporarilyUnavailableError: Temporal is away.
        """
        try:
            await self._handle(order_id).signal(OrderWorkflow.look_at_row, rpc_timeout=_CALL)
        except RPCError as error:
            raise _unavailable(error) from None

    async def resolve(self, order: PlaceOrder, decision: Resolve, *, wait: timedelta) -> OrderOutcome | Accepted:
        """Decide about an order that needs an operator. One that is over gets a workflow again, as for a refund.

        Raises:
            IllegalStepError: it does not need an operator, or can not go on as the decision says.
            TemporarilyUnavailableError: Temporal is away.
        """
        return await self._update_over_within(order, OrderWorkflow.resolve, decision, wait)

    async def ship(
        self, order_id: UUID, ship: Ship, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        """Send goods of an order: the lines that are named, or all that is left.

        Raises:
            IllegalStepError: its state does not allow it.
            OrderRefusedError: `shipment_too_large`, or `capture_declined`: do not send it.
        """
        return await self._update_within(order_id, OrderWorkflow.ship, ship, wait, request_id)

    async def mark_delivered(
        self, order_id: UUID, delivered: MarkDelivered, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        """Note that a shipment has arrived, or all that were sent."""
        return await self._update_within(order_id, OrderWorkflow.mark_delivered, delivered, wait, request_id)

    async def refund(
        self, order: PlaceOrder, refund: Refund, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        """Give money back. An order that was closed gets a workflow again for it, that goes on from its row.

        Raises:
            IllegalStepError: its state does not allow it.
            OrderRefusedError: `refund_too_large`, or `refund_refused`: the provider does not give it back.
            TemporarilyUnavailableError: Temporal is away.
        """
        return await self._update_over_within(order, OrderWorkflow.refund, refund, wait, request_id)

    async def receive_return(
        self, order: PlaceOrder, arrived: ReceiveReturn, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        """Take back goods that have arrived. An order that was closed gets a workflow again for it, as for a refund.

        Raises:
            IllegalStepError: the state of the order or of the return does not allow it.
            OrderRefusedError: `return_too_large`, or `not_found`: no such return, or no such location.
            TemporarilyUnavailableError: Temporal is away.
        """
        return await self._update_over_within(order, OrderWorkflow.receive_return, arrived, wait, request_id)

    async def resume(self, order: PlaceOrder, *, told: PaymentEvent | Cancel | None = None) -> None:
        """Give an order a workflow again that goes on from its row. Nothing happens where one is running.

        What the order is `told`, it knows before it takes its first step, or at once where its workflow is running.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        await self._start_again(order, told, WorkflowIDConflictPolicy.USE_EXISTING)

    async def begin_anew(self, order: PlaceOrder, *, told: PaymentEvent | Cancel | None = None) -> None:
        """Give an order a workflow that goes on from its row, in the place of the one that runs, if one does.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        await self._start_again(order, told, WorkflowIDConflictPolicy.TERMINATE_EXISTING)

    async def _start_again(
        self, order: PlaceOrder, told: PaymentEvent | Cancel | None, conflict: WorkflowIDConflictPolicy
    ) -> None:
        options = _start_options(order, WorkflowIDReusePolicy.ALLOW_DUPLICATE)
        options["id_conflict_policy"] = conflict
        try:
            if told is None:
                await self._client.start_workflow(OrderWorkflow.run, order, **options)
            else:
                signal = _CANCEL_ORDER if isinstance(told, Cancel) else _PAYMENT_EVENT
                await self._client.start_workflow(
                    OrderWorkflow.run, order, **options, start_signal=signal, start_signal_args=[told]
                )
        except RPCError as error:
            raise _unavailable(error) from None

    async def accepted_cart(self, order_id: UUID) -> UUID | None:
        """Name the cart of an order that was accepted and has no row yet; None when there is no such order."""
        try:
            description = await self._handle(order_id).describe(rpc_timeout=_CALL)
            if description.status is not WorkflowExecutionStatus.RUNNING:
                return None
            cart_id = await description.memo_value(_MEMO_CART, None, type_hint=str)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise _unavailable(error) from None
        return UUID(cart_id) if cart_id else None

    async def is_running(self, order_id: UUID) -> bool:
        """Tell whether an order has a workflow that lives.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        return await self._status(order_id) is WorkflowExecutionStatus.RUNNING

    async def running(self) -> AsyncIterator[UUID]:
        """List the orders whose workflow lives. The list follows the truth by about a second."""
        query = "WorkflowType = 'OrderWorkflow' AND ExecutionStatus = 'Running'"
        try:
            async for execution in self._client.list_workflows(query, page_size=1000):
                yield UUID(execution.id.removeprefix("order-"))
        except RPCError as error:
            raise _unavailable(error) from None

    async def reachable(self) -> bool:
        """Tell whether Temporal answers."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=2))
        except (RPCError, RuntimeError):
            return False

    async def _update_within(
        self,
        order_id: UUID,
        update: UpdateMethodMultiParam[[OrderWorkflow, T], OrderOutcome],
        arg: T,
        wait: timedelta,
        request_id: UUID | None = None,
    ) -> OrderOutcome | Accepted:
        """Send an update. One that was sent before under the same `request_id`, to this run, is joined."""

        async def start() -> WorkflowUpdateHandle[OrderOutcome]:
            return await self._handle(order_id).start_update(
                update, arg, id=str(request_id) if request_id else None, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )

        return await self._answer_within(order_id, start, wait)

    async def _update_over_within(
        self,
        order: PlaceOrder,
        update: UpdateMethodMultiParam[[OrderWorkflow, T], OrderOutcome],
        arg: T,
        wait: timedelta,
        request_id: UUID | None = None,
    ) -> OrderOutcome | Accepted:
        """Send an update, also to an order that is over: then it gets a workflow again that goes on from its row."""

        async def start() -> WorkflowUpdateHandle[OrderOutcome]:
            return await self._client.start_update_with_start_workflow(
                update,
                arg,
                id=str(request_id) if request_id else None,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                start_workflow_operation=WithStartWorkflowOperation(
                    OrderWorkflow.run, order, **_start_options(order, WorkflowIDReusePolicy.ALLOW_DUPLICATE)
                ),
            )

        return await self._answer_within(order.order_id, start, wait)

    async def _answer_within(
        self, order_id: UUID, start: Callable[[], Awaitable[WorkflowUpdateHandle[OrderOutcome]]], wait: timedelta
    ) -> OrderOutcome | Accepted:
        """Start an update. Once it is accepted it can not be lost; until then a time-out means to try again."""
        accepted = False
        try:
            async with self._waits.within(wait):
                handle = await start()
                accepted = True
                return await handle.result()
        except WorkflowUpdateFailedError as error:
            raise _refused(error) from None
        except RPCError as error:
            raise _unavailable(error) from None
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            if accepted:
                return Accepted(order_id)
            raise TemporarilyUnavailableError("The order does not answer. It is safe to try again.") from None

    async def _status(self, order_id: UUID) -> WorkflowExecutionStatus | None:
        try:
            return (await self._handle(order_id).describe(rpc_timeout=_CALL)).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise _unavailable(error) from None

    def _handle(self, order_id: UUID) -> WorkflowHandle[OrderWorkflow, OrderOutcome]:
        return self._client.get_workflow_handle_for(OrderWorkflow.run, order_workflow_id(order_id))


_REFUSALS: dict[str, type[EverorderError]] = {
    IllegalStepError.code: IllegalStepError,
    PaymentInProgressError.code: PaymentInProgressError,
    TemporarilyUnavailableError.code: TemporarilyUnavailableError,
}


class _StartOptions(TypedDict):
    id: str
    task_queue: str
    id_conflict_policy: WorkflowIDConflictPolicy
    id_reuse_policy: WorkflowIDReusePolicy
    task_timeout: timedelta
    search_attributes: TypedSearchAttributes
    memo: dict[str, str]
    static_summary: str


def _start_options(order: PlaceOrder, reuse: WorkflowIDReusePolicy) -> _StartOptions:
    """Say how an order's workflow is started, alone or together with its first update."""
    return _StartOptions(
        id=order_workflow_id(order.order_id),
        task_queue=TaskQueue.ORDERS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=reuse,
        task_timeout=WORKFLOW_TASK_TIMEOUT,
        search_attributes=_PENDING,
        memo={_MEMO_CART: str(order.cart_id)},
        static_summary=f"Order of cart {order.cart_id}, attempt {order.checkout_attempt}",
    )


def _over() -> OrderRefusedError:
    return OrderRefusedError("stale_checkout", "This checkout is over.")


def _refused(error: WorkflowUpdateFailedError | WorkflowFailureError) -> EverorderError:
    """Translate a refusal of the workflow into the error of its code; its sentence was written by us."""
    code = refusal_code(error.cause)
    if code is None:
        return TemporarilyUnavailableError("The order ended before it could answer. It is safe to try again.")
    sentence = error.cause.message if isinstance(error.cause, ApplicationError) else code
    if code in _REFUSALS:
        return _REFUSALS[code](sentence)
    return OrderRefusedError(code, sentence)


def _unavailable(error: RPCError) -> EverorderError:
    """Tell an order that Temporal does not know from a Temporal that is away."""
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFoundError("The order has no workflow.")
    return TemporarilyUnavailableError("Orders can not be reached at the moment. It is safe to try again.")
