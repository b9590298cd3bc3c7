"""Importing a file: every row is validated before the first is written."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from contracts.imports import ImportActivities, RunImport
from contracts.queues import TaskQueue
from domain.merchandise import ImportState

_LIMIT = timedelta(hours=2)


@workflow.defn(name="ImportWorkflow")
class ImportWorkflow:
    """Takes one file over, tried until it is done, refused or called off."""

    @workflow.run
    async def run(self, request: RunImport) -> ImportState:
        """Read, then write; when it is cancelled, nothing of the file is in the catalogue."""
        try:
            standing = await workflow.execute_activity_method(
                ImportActivities.read, request, **_step("Read and validate every row")
            )
            if standing.state is ImportState.APPLYING:
                standing = await workflow.execute_activity_method(
                    ImportActivities.apply, request, **_step("Write everything at once")
                )
        except (FailureError, asyncio.CancelledError) as error:  # the latter between two steps
            if not is_cancelled_exception(error):
                raise
            await asyncio.shield(self._call_off(request))
            raise
        return standing.state

    async def _call_off(self, request: RunImport) -> None:
        await workflow.execute_activity_method(
            ImportActivities.call_off, request, **_step("Call the import off: nothing was written")
        )


def _step(summary: str) -> ActivityConfig:
    """Configure a step: a worker that died is noticed within ten seconds, and another goes on."""
    return ActivityConfig(
        summary=summary,
        task_queue=TaskQueue.INVENTORY,
        start_to_close_timeout=_LIMIT,
        heartbeat_timeout=timedelta(seconds=10),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
        ),
    )
