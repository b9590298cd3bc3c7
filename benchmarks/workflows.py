"""What orders are compared with: the same commands without any work, and no commands at all."""

from typing import Any

from temporalio import activity, workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.workflow import ActivityConfig

from contracts.search_attributes import ORDER_NUMBER, ORDER_STATUS, ORDER_TOTAL
from workflows.options import database_step, message_delivery, provider_call

ORDERS, PAYMENTS, NOTIFICATIONS = "bench-orders", "bench-payments", "bench-notifications"
"""Queues beside those of orders, so that both have processes of their own."""


class NoopActivities:
    """Steps that do nothing, on the queues on which an order's steps do something."""

    @activity.defn(name="bench.record")
    async def record(self) -> None:
        """Stand for a step on PostgreSQL."""

    @activity.defn(name="bench.ask_provider")
    async def ask_provider(self) -> None:
        """Stand for a call to the payment provider."""

    @activity.defn(name="bench.deliver")
    async def deliver(self) -> None:
        """Stand for a message to the buyer."""


@workflow.defn(name="BenchNoopOrder")
class NoopOrder:
    """The happy path of `OrderWorkflow`, command by command; like an order it stays open afterwards."""

    def __init__(self) -> None:
        self._placed = False

    @workflow.run
    async def run(self) -> None:
        """Open, authorise, capture, place, tell; then wait for what never comes."""
        await self._record(
            [ORDER_NUMBER.value_set("EO-0"), ORDER_TOTAL.value_set(0), ORDER_STATUS.value_set("pending")]
        )
        for call in ("Authorise", "Capture"):
            options: ActivityConfig = {**provider_call(call), "task_queue": PAYMENTS}
            await workflow.execute_activity_method(NoopActivities.ask_provider, **options)
        await self._record([ORDER_STATUS.value_set("placed")])
        self._placed = True
        options = {**message_delivery("Tell the buyer"), "task_queue": NOTIFICATIONS}
        await workflow.execute_activity_method(NoopActivities.deliver, **options)
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def place(self) -> bool:
        """Wait for the outcome, as the checkout does."""
        await workflow.wait_condition(lambda: self._placed)
        return self._placed

    async def _record(self, updates: list[SearchAttributeUpdate[Any]]) -> None:
        await workflow.execute_local_activity_method(NoopActivities.record, **database_step("Record"))
        workflow.upsert_search_attributes(updates)


@workflow.defn(name="BenchEmpty")
class Empty:
    """The least that a workflow can be."""

    @workflow.run
    async def run(self) -> None:
        """End at once."""
