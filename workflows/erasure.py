"""Erasing a person, from the farewell to the last trace."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.erasures import EraseAccount, Erased, EraseStep, ErasureActivities
from contracts.failures import refusal_code
from contracts.queues import TaskQueue
from workflows.options import message_delivery

_FAREWELL = timedelta(hours=1)
"""So long the mail server may be away. Then the person is erased without having been told."""

_NEXT_LOOK = timedelta(hours=1)
_RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
)


@workflow.defn(name="ErasureWorkflow")
class ErasureWorkflow:
    """Erases one account. It was closed before this began: nobody can log in any more."""

    @workflow.run
    async def run(self, account: EraseAccount) -> None:
        """Say goodbye, erase, and erase once more what was written with a token that was still good."""
        await self._say_goodbye(account)
        await self._erase(account, last=False)
        await workflow.sleep(account.last_look, summary="The last access token runs out")
        await self._erase(account, last=True)

    async def _say_goodbye(self, account: EraseAccount) -> None:
        options = message_delivery("Tell the person by e-mail")
        options["schedule_to_close_timeout"] = _FAREWELL
        try:
            await workflow.execute_activity_method(ErasureActivities.farewell, EraseStep(account.user_id), **options)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("farewell_not_delivered", extra={"code": refusal_code(error)})

    async def _erase(self, account: EraseAccount, *, last: bool) -> None:
        """Erase as soon as no order is under way: one may have been begun just before the account was closed."""
        while (await self._erased(EraseStep(account.user_id, last=last))).open_orders:
            await workflow.sleep(_NEXT_LOOK, summary="An order is under way")

    async def _erased(self, step: EraseStep) -> Erased:
        return await workflow.execute_activity_method(
            ErasureActivities.erase,
            step,
            task_queue=TaskQueue.MAINTENANCE,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=_RETRIES,
            summary="Erase the person",
        )
