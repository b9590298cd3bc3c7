"""Make Temporal's schedules equal to the table of chores."""

from collections.abc import Sequence

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from contracts.queues import TaskQueue
from contracts.schedules import CHORES, SCHEDULE_PREFIX, Chore
from workflows.chore import ChoreWorkflow


async def register(client: Client, chores: Sequence[Chore] = CHORES) -> list[str]:
    """Make or bring up to date the schedule of each chore, remove those of earlier releases; return the ids.

    Safe to repeat, and from several processes at once. One that an operator has paused stays paused.
    """
    for chore in chores:
        await _register(client, chore)
    wanted = {chore.schedule_id for chore in chores}
    async for listed in await client.list_schedules():
        if listed.id.startswith(SCHEDULE_PREFIX) and listed.id not in wanted:
            await client.get_schedule_handle(listed.id).delete()
    return sorted(wanted)


async def _register(client: Client, chore: Chore) -> None:
    schedule = _schedule(chore)
    try:
        await client.create_schedule(chore.schedule_id, schedule)
    except ScheduleAlreadyRunningError:

        def changed(found: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule.state = found.description.schedule.state
            return ScheduleUpdate(schedule)

        await client.get_schedule_handle(chore.schedule_id).update(changed)


def _schedule(chore: Chore) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ChoreWorkflow.run,
            chore,
            id=chore.schedule_id,
            task_queue=TaskQueue.MAINTENANCE,
            static_summary=chore.what,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=chore.every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
