"""What operators see of an order in the Temporal Web UI: search attributes, current details, timeline."""

from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from contracts.orders import OrderSnapshot, TimelineEntry
from contracts.search_attributes import CUSTOMER_ID, NEEDS_OPERATOR, ORDER_NUMBER, ORDER_STATUS, ORDER_TOTAL
from domain.order_states import OrderStatus


class Story:
    """Tells an order's story in words while it happens, and keeps what can be searched for up to date."""

    def __init__(self) -> None:
        self.timeline: list[TimelineEntry] = []
        self._order: OrderSnapshot | None = None

    def tell(self, order: OrderSnapshot, what: str, now: datetime) -> None:
        """Add an entry and publish what has changed."""
        self.timeline.append(TimelineEntry(at=now, status=order.status, what=what))
        updates = self._changes(order)
        if updates:
            workflow.upsert_search_attributes(updates)
        self._order = order
        workflow.set_current_details(self._details(order))

    def _changes(self, order: OrderSnapshot) -> list[SearchAttributeUpdate[Any]]:
        before = self._order
        updates: list[SearchAttributeUpdate[Any]] = []
        if before is None:
            updates += [ORDER_NUMBER.value_set(order.number), ORDER_TOTAL.value_set(order.total.amount)]
        if order.customer_id and (before is None or before.customer_id != order.customer_id):
            updates.append(CUSTOMER_ID.value_set(str(order.customer_id)))
        if before is None or before.status != order.status:
            updates.append(ORDER_STATUS.value_set(order.status))
        if order.needs_operator != (before.needs_operator if before else False):
            updates.append(NEEDS_OPERATOR.value_set(order.needs_operator))
        return updates

    def _details(self, order: OrderSnapshot) -> str:
        lines = [f"### {order.number}: {order.status}, payment {order.payment_status}", str(order.total)]
        if order.reason:
            lines.append(f"Reason: `{order.reason}`")
        if order.needs_operator:
            lines.append(f"**Needs an operator**: `{order.operator_reason}`. Decide with the update `resolve`.")
        if order.action_required:
            until = f", until {order.payment_deadline:%Y-%m-%d %H:%M:%S}" if order.payment_deadline else ""
            lines.append(f"Waits for the buyer (`{order.decline_code}`){until}.")
        if order.retry_at and order.status is OrderStatus.PAYMENT_REQUIRED:
            lines.append(f"The payment is tried again at {order.retry_at:%Y-%m-%d %H:%M:%S}.")
        lines += [f"- {entry.at:%Y-%m-%d %H:%M:%S} {entry.status}: {entry.what}" for entry in self.timeline]
        return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])
