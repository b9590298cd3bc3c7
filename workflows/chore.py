"""One round of a chore that a schedule has begun."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from contracts.queues import TaskQueue
from contracts.schedules import Chore

_RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
)


@workflow.defn(name="ChoreWorkflow")
class ChoreWorkflow:
    """Runs one chore until it has worked; the next round begins at its next time."""

    @workflow.run
    async def run(self, chore: Chore) -> int:
        """Put things in order, and return how many they were."""
        done: int = await workflow.execute_activity(
            chore.activity,
            result_type=int,
            task_queue=TaskQueue.MAINTENANCE,
            start_to_close_timeout=chore.limit,
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=_RETRIES,
            summary=chore.what,
        )
        return done
