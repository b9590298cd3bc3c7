"""Reconciliation as an operator asks for it, and what it has written down."""

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError

from cli.audit import audit
from clients.chores import ChoreClient
from contracts.orders import order_workflow_id
from contracts.schedules import WHOLE_RECONCILIATION, Chore
from tests.support.world import World

_MOVING = "SELECT id FROM orders WHERE status IN ('pending', 'cancelling') AND NOT needs_operator"
_QUIET = 2
_LAG = 1.0
_ROUND = 30
"""Seconds that orders have to come to rest before the next round looks at them."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one round has found: kinds and actions, oldest first, and its sums by currency."""

    healed: int
    findings: list[tuple[str, str]]
    sums: dict[str, dict[str, int]]


async def reconcile(world: World, chore: Chore = WHOLE_RECONCILIATION) -> Reconciled:
    """Run one round; the world's workers have to be at work."""
    healed = await (await ChoreClient(world.temporal).begin(chore)).result()
    [(report, sums)] = await world.shop.run(
        "SELECT id, sums FROM reconciliation_reports WHERE ended_at IS NOT NULL ORDER BY began_at DESC LIMIT 1"
    )
    rows = await world.shop.run(
        "SELECT kind, action FROM reconciliation_findings WHERE report_id = :id ORDER BY id", id=report
    )
    assert isinstance(sums, dict)
    return Reconciled(healed, [(str(kind), str(action)) for kind, action in rows], sums)


async def reconcile_until_quiet(world: World, *, most: int = 12) -> Counter[tuple[str, str]]:
    """Run rounds until two find nothing to put in order, and every order is at rest; count what was found.

    Two, since what Temporal lists follows the truth by about a second.
    """
    found: Counter[tuple[str, str]] = Counter()
    quiet = 0
    for _ in range(most):
        one = await reconcile(world)
        found.update(one.findings)
        try:
            under_way = await at_rest(world, within=_ROUND)
        except TimeoutError:  # its workflow was lost, and Temporal's list did not know so when the round has read it
            under_way = True
        quiet = quiet + 1 if one.healed == 0 and not under_way else 0
        if quiet == _QUIET:
            return found
        await asyncio.sleep(_LAG)
    for (order_id,) in (await world.shop.run(_MOVING))[:3]:
        sys.stdout.write(await what_it_waits_for(world, UUID(str(order_id))))
    raise AssertionError(f"not quiet after {most} rounds: {found}")


async def at_rest(world: World, *, within: float = 120) -> bool:
    """Wait until no order is on its way; tell whether one was."""
    waited = False
    async with asyncio.timeout(within):
        while await world.shop.run(_MOVING):
            waited = True
            await asyncio.sleep(0.1)
    return waited


async def require_every_penny(world: World) -> None:
    """Require a clean audit, and that the sums of the provider's ledger are those of the books."""
    report = await audit(
        world.sessions,
        settled=True,
        provider=world.provider,
        orders_client=world.client,
        recheck=timedelta(seconds=30),
    )
    stray = report.broken_checks.get("workflow_has_order")
    waiting = [await what_it_waits_for(world, UUID(str(row["order_id"]))) for row in stray.rows] if stray else []
    assert report.broken_checks == {}, "\n".join(waiting)
    kept = 0
    async for payment in world.provider.ledger():
        kept += payment.captured - payment.refunded if payment.order_id else 0
    [(books,)] = await world.shop.run(
        "SELECT CAST(coalesce(sum(captured_amount - refunded_amount), 0) AS bigint) FROM orders"
    )
    assert kept == books


async def what_it_waits_for(world: World, order_id: UUID) -> str:
    """Tell where an order's workflow stands that should be over: its stack, what is pending, its last events."""
    handle = world.temporal.get_workflow_handle(order_workflow_id(order_id))
    try:
        stack = str(await handle.query("__stack_trace", rpc_timeout=timedelta(seconds=10)))
    except (RPCError, WorkflowQueryFailedError) as error:
        stack = f"no stack: {error}"
    pending = (await handle.describe()).raw_description
    events = [event.event_type for event in (await handle.fetch_history()).events[-15:]]
    said = "\n".join(f"  {EventType.Name(event)}" for event in events)
    waits = f"{pending.pending_activities}{pending.pending_workflow_task}"
    return f"\n{order_id} runs on; pending:\n{waits}\nstack:\n{stack}\nlast events:\n{said}\n"
