from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from clients import schedules
from contracts.queues import TaskQueue
from contracts.schedules import Chore
from tests.support.temporal import plain_client, running_temporal
from workers.wiring import QueueWork, create_worker
from workflows.chore import ChoreWorkflow

TIDY = Chore("tests.tidy", every=timedelta(seconds=1), what="Tidy up")
SWEEP = Chore("tests.sweep", every=timedelta(hours=1), what="Sweep")


@pytest.fixture(scope="module")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture
async def client(environment: WorkflowEnvironment) -> Client:
    return await plain_client(environment)


async def test_schedules_become_what_the_table_says_and_those_of_others_stay(client: Client) -> None:
    assert await schedules.register(client, [TIDY, SWEEP]) == ["everorder-tests.sweep", "everorder-tests.tidy"]
    handle = client.get_schedule_handle(SWEEP.schedule_id)
    await handle.pause(note="while we look")
    rarer = Chore(SWEEP.activity, every=timedelta(hours=2), what="Sweep")

    assert await schedules.register(client, [rarer]) == ["everorder-tests.sweep"]

    described = (await handle.describe()).schedule
    assert [interval.every for interval in described.spec.intervals] == [timedelta(hours=2)]
    assert described.state.paused
    with pytest.raises(RPCError) as gone:
        await client.get_schedule_handle(TIDY.schedule_id).describe()
    assert gone.value.status is RPCStatusCode.NOT_FOUND
    await handle.delete()


async def test_a_chore_is_tried_until_it_has_worked_and_tells_how_much_it_did(client: Client) -> None:
    tries = 0

    @activity.defn(name=TIDY.activity)
    async def tidy() -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ApplicationError("not now", type="everorder.away")
        return 7

    async with create_worker(client, TaskQueue.MAINTENANCE, QueueWork(activities=[tidy], workflows=[ChoreWorkflow])):
        await schedules.register(client, [TIDY])
        handle = client.get_schedule_handle(TIDY.schedule_id)
        while not (actions := (await handle.describe()).info.recent_actions):
            pass
        await handle.delete()
        begun = actions[0].action
        assert isinstance(begun, ScheduleActionExecutionStartWorkflow)
        run = client.get_workflow_handle(begun.workflow_id, result_type=int)
        assert await run.result() == 7
        assert (await run.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert tries >= 2
