"""Find out what Temporal knows of the workflows of many orders, a page at a time."""

from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from contracts.orders import order_workflow_id
from contracts.search_attributes import ORDER_NUMBER, ORDER_STATUS
from domain.errors import TemporarilyUnavailableError
from domain.order_states import OrderStatus
from domain.reconciliation import WorkflowStanding

_PAGE = 200
_RUNNING = "WorkflowType = 'OrderWorkflow' AND ExecutionStatus = 'Running'"
_MEMO_CART = "cart_id"


class OrderStandings:
    """Reads the standings of workflows. Lists follow the truth by about a second; `one` tells the truth."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def one(self, order_id: UUID) -> WorkflowStanding | None:
        """Tell how the newest workflow of an order stands; None: Temporal knows of none.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        try:
            return await _standing(await self._client.get_workflow_handle(order_workflow_id(order_id)).describe())
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise _away() from None

    async def running(self, orders: Collection[UUID]) -> dict[UUID, WorkflowStanding]:
        """List which of some orders have a workflow that runs, and how it stands.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        ids = ", ".join(f"'{order_workflow_id(one)}'" for one in orders)
        found = [standing async for page in self._pages(f"{_RUNNING} AND WorkflowId IN ({ids})") for standing in page]
        return {standing.order_id: standing for standing in found}

    async def all_running(self) -> AsyncIterator[Sequence[WorkflowStanding]]:
        """List every workflow that runs and has seen its order's row, a page at a time.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        async for page in self._pages(f"{_RUNNING} AND {ORDER_NUMBER.name} IS NOT NULL"):
            yield page

    async def end(self, order_id: UUID, reason: str) -> None:
        """End a workflow that can not do anything any more, because its order is gone.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        try:
            await self._client.get_workflow_handle(order_workflow_id(order_id)).terminate(reason=reason)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise _away() from None

    async def _pages(self, query: str) -> AsyncIterator[Sequence[WorkflowStanding]]:
        listed = self._client.list_workflows(query, page_size=_PAGE)
        try:
            while True:
                await listed.fetch_next_page()
                yield [await _standing(execution) for execution in listed.current_page or ()]
                if listed.next_page_token is None:
                    return
        except RPCError:
            raise _away() from None


async def _standing(execution: WorkflowExecution) -> WorkflowStanding:
    attributes = execution.typed_search_attributes
    status = attributes.get(ORDER_STATUS) if attributes.get(ORDER_NUMBER) else None
    cart_id = await execution.memo_value(_MEMO_CART, None, type_hint=str)
    return WorkflowStanding(
        order_id=UUID(execution.id.removeprefix("order-")),
        running=execution.status is WorkflowExecutionStatus.RUNNING,
        completed=execution.status is WorkflowExecutionStatus.COMPLETED,
        status=OrderStatus(status) if status else None,
        cart_id=UUID(cart_id) if cart_id else None,
        began_at=execution.start_time,
    )


def _away() -> TemporarilyUnavailableError:
    return TemporarilyUnavailableError("Orders can not be reached at the moment. It is safe to try again.")
