"""What reconciliation may find when it compares orders, their workflows and the provider's ledger."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from domain.order_states import CANCELLABLE, ENDED, UNPAID, UNPLACED_ENDS, OrderStatus


class FindingKind(StrEnum):
    """One way in which the three accounts of an order may disagree."""

    WORKFLOW_LOST = "workflow_lost"
    """An open order has no workflow: it is resumed from its row."""
    ROW_RESTORED = "row_restored"
    """An order's row is older than what its workflow did: the workflow begins anew from the row."""
    ROW_AHEAD = "row_ahead"
    """An order's row has gone further than its workflow knows, which is told and goes on from the row."""
    ROW_RESTORED_AFTER_END = "row_restored_after_end"
    """An order's row is open and its workflow has undone it, or was about to: it is cancelled again."""
    ROW_RESTORED_AFTER_SHIPMENT = "row_restored_after_shipment"
    """The goods have left the house, and the row does not know: a person has to look."""
    ROW_LOST = "row_lost"
    """A workflow runs on for an order that has no row any more: it is told to end."""
    PAYMENT_ADOPTED = "payment_adopted"
    """The provider has a payment of an open order that the books do not know: it is noted, and the order goes on."""
    PAYMENT_RETURNED = "payment_returned"
    """The provider has a payment that no operation stands for: it is given back."""
    REFUND_ADOPTED = "refund_adopted"
    """The provider has given money back for an operation that the books have lost: it is noted."""
    PAYMENT_OF_ENDED_ORDER = "payment_of_ended_order"
    """An order that is over has money or holds some: it is given back."""
    NOT_HEALED = "not_healed"
    """Putting it in order was refused, by the provider or by the books."""
    AMOUNT_DIFFERS = "amount_differs"
    """The provider has taken or given back another amount than the books say."""
    DISPUTE_UNKNOWN = "dispute_unknown"
    """A payment is disputed and its order does not say so."""


@dataclass(frozen=True, slots=True)
class WorkflowStanding:
    """The newest workflow of an order. `status` is where it saw the order last; None: it has not seen it yet."""

    order_id: UUID
    running: bool
    completed: bool
    status: OrderStatus | None
    cart_id: UUID | None
    began_at: datetime


class Remedy(StrEnum):
    """What puts an open order and its workflow in order again."""

    RESUME = "resume"
    BEGIN_ANEW = "begin_anew"
    LOOK_AT_ROW = "look_at_row"
    CANCEL_AGAIN = "cancel_again"
    CALL_OPERATOR = "call_operator"


KIND_OF = MappingProxyType(
    {
        Remedy.RESUME: FindingKind.WORKFLOW_LOST,
        Remedy.BEGIN_ANEW: FindingKind.ROW_RESTORED,
        Remedy.LOOK_AT_ROW: FindingKind.ROW_AHEAD,
        Remedy.CANCEL_AGAIN: FindingKind.ROW_RESTORED_AFTER_END,
        Remedy.CALL_OPERATOR: FindingKind.ROW_RESTORED_AFTER_SHIPMENT,
    }
)

_PROGRESS = (OrderStatus.PLACED, OrderStatus.FULFILLING, OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CLOSED)
UNDOING = UNPLACED_ENDS | {OrderStatus.CANCELLING}
"""What a workflow has undone, or was about to, must not go on when its row says otherwise."""

_ON_ITS_WAY = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.CLOSED})


def remedy(row: OrderStatus, workflow: WorkflowStanding | None) -> Remedy | None:
    """Judge an order that has been left alone for a while, by its row and by its newest workflow.

    A running workflow that is behind its row is told to look at it: it has a step to repeat once a worker is back, or
    the step was one of an earlier run. A row that is behind was restored from an older copy. What a workflow has ended
    is ended again; goods that have left the house can not be called back by a program. None: nothing is wrong.
    """
    if workflow is None or workflow.status is None or workflow.status == row:
        return None if row in ENDED or (workflow and workflow.running) else Remedy.RESUME
    if row in ENDED:
        return Remedy.LOOK_AT_ROW if workflow.running else None
    if workflow.status in UNDOING and row in CANCELLABLE:
        return Remedy.CANCEL_AGAIN
    if workflow.status in _ON_ITS_WAY and _is_behind(row, workflow.status):
        return Remedy.CALL_OPERATOR
    if workflow.running:
        return Remedy.BEGIN_ANEW if _is_behind(row, workflow.status) else Remedy.LOOK_AT_ROW
    return Remedy.RESUME


def _is_behind(row: OrderStatus, workflow: OrderStatus) -> bool:
    """Tell whether a workflow has gone further than the row knows. An unpaid order may have gone back and forth."""
    if row in UNPAID:
        return True
    return row in _PROGRESS and workflow in _PROGRESS and _PROGRESS.index(row) < _PROGRESS.index(workflow)
