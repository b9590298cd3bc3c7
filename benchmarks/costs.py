"""What an order costs beside time: CPU by process, events and tasks in Temporal, statements in PostgreSQL, calls."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from uuid import UUID

import asyncpg
import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from benchmarks.buying import CALLS
from benchmarks.rehearsal import Script
from contracts.orders import order_workflow_id

_WINDOW = 0.25
_QUIET = 0.2
"""CPUs that everything together may use when nothing is asked of it: long polls, checkpoints."""
_PATIENCE = 20.0


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Tell how much CPU each process and its children have used, those included that ended."""
    return {name: _family(pid) for name, pid in pids.items()}


def _family(pid: int) -> float:
    root = psutil.Process(pid)
    used = sum(root.cpu_times()[:4])
    for child in root.children(recursive=True):
        try:
            used += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:  # it has ended since, and counts with its parent
            continue
    return used


async def quiet(pids: Mapping[str, int]) -> None:
    """Wait until everything that was begun is done, or for as long as patience lasts."""
    before = sum(cpu_seconds(pids).values())
    for _ in range(int(_PATIENCE / _WINDOW)):
        await asyncio.sleep(_WINDOW)
        now = sum(cpu_seconds(pids).values())
        if now - before < _QUIET * _WINDOW:
            return
        before = now


@dataclass(frozen=True, slots=True)
class Costs:
    """What one order costs, on average of those that were looked at."""

    history_events: float
    workflow_tasks: float
    sql_statements: float
    sql_transactions: float
    sql_round_trips: float
    provider_calls: float
    api_calls: float


async def costs(
    temporal: Client, sandbox_database_url: str, order_ids: Sequence[str], placed: int, scripts: Sequence[Script]
) -> Costs:
    """Count what orders have cost: histories of some of them, and the provider's requests of all `placed`."""
    histories = [
        await temporal.get_workflow_handle(order_workflow_id(UUID(order))).fetch_history() for order in order_ids
    ]
    tasks = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return Costs(
        history_events=mean(len(history.events) for history in histories),
        workflow_tasks=mean(sum(event.event_type == tasks for event in history.events) for history in histories),
        sql_statements=mean(sum(len(part.statements) for part in script) for script in scripts),
        sql_transactions=mean(len(script) for script in scripts),
        sql_round_trips=mean(sum(part.round_trips for part in script) for script in scripts),
        provider_calls=await _provider_calls(sandbox_database_url) / placed,
        api_calls=CALLS,
    )


async def _provider_calls(sandbox_database_url: str) -> int:
    """Count requests by their idempotency keys, which every call that moves money has."""
    connection = await asyncpg.connect(sandbox_database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM idempotency_keys"))
    finally:
        await connection.close()
