"""Find out what waits on a task queue, and who asks for it."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

WORKFLOW_TASKS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
ACTIVITY_TASKS = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY

_PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits on a queue, about, and when this process has last asked for it: a time of the server's clock."""

    waiting: int
    asked_at: float


async def backlog(client: Client, queue: str, kind: "TaskQueueType.ValueType") -> Backlog | None:
    """Describe one kind of task of a queue; None: Temporal does not answer."""
    question = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind, report_stats=True
    )
    try:
        known = await client.workflow_service.describe_task_queue(question, timeout=_PATIENCE)
    except RPCError:
        return None
    asked = [each.last_access_time.ToNanoseconds() / 1e9 for each in known.pollers if each.identity == client.identity]
    return Backlog(known.stats.approximate_backlog_count, max(asked, default=0.0))
