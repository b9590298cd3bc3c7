"""Reconciliation as an operator asks for it, and what it has written down."""

from dataclasses import dataclass

from clients.chores import ChoreClient
from contracts.schedules import WHOLE_RECONCILIATION, Chore
from tests.support.world import World


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
