"""Kills in numbers: how long orders wait after each, and that none is lost or paid twice."""

import random
import sys
from pathlib import Path

import pytest

from tests.support.kills import replay_under_kills, require_right_books, share
from tests.support.stack import running_stack

pytestmark = pytest.mark.proof

TIMES = {
    "worker-orders": 16,
    "worker-payments": 9,
    "worker-notifications": 5,
    "api": 6,
    "sandbox": 4,
    "temporal": 3,
    "postgres": 3,
}
INVOICES_BETWEEN = 12
WITHIN = 5.0
"""Seconds after a kill within which the next order is placed, 95 times of a hundred."""


@pytest.mark.timeout(900)
async def test_next_order_is_placed_within_five_seconds_of_a_kill_and_no_order_is_lost(tmp_path: Path) -> None:
    killed = [name for name, times in TIMES.items() for _ in range(times)]
    random.Random(2026).shuffle(killed)
    invoices = INVOICES_BETWEEN * (len(killed) + 1)
    with running_stack(tmp_path / "data") as stack:
        written, report, aftermath = await replay_under_kills(
            stack, tmp_path / "day.csv", killed, invoices=invoices, longest=600
        )
        sys.stdout.write(f"\n{aftermath.table()}\n{report.orders_per_second:.1f} orders/s through all this\n")

        assert report.failures == ()
        assert report.placed + report.already_there == invoices
        assert report.revenue.amount == written.revenue
        await require_right_books(stack, written, invoices + len(killed))
        assert await stack.broken() == {}
        assert share(aftermath.next_orders(), 0.95) < WITHIN, aftermath.table()
