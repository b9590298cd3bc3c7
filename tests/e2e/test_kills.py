"""Trade while processes are being killed: every invoice becomes exactly one order, paid once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kills import replay_under_kills, require_right_books
from tests.support.stack import RunningStack, running_stack

KILLED = (
    "worker-orders",
    "api",
    "worker-payments",
    "sandbox",
    "worker-orders",
    "temporal",
    "worker-notifications",
    "api",
    "worker-payments",
    "postgres",
)
INVOICES = 55
GENEROUS = 30.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    with running_stack(tmp_path / "data") as stack:
        yield stack


@pytest.mark.timeout(300)
async def test_each_invoice_is_one_order_paid_once_while_everything_is_killed(
    stack: RunningStack, tmp_path: Path
) -> None:
    written, report, aftermath = await replay_under_kills(
        stack, tmp_path / "day.csv", KILLED, invoices=INVOICES, longest=60
    )
    sys.stdout.write(f"\n{aftermath.table()}\n")

    assert report.failures == ()
    assert report.placed + report.already_there == INVOICES
    assert report.revenue.amount == written.revenue
    await require_right_books(stack, written, INVOICES + len(KILLED))
    assert await stack.broken() == {}
    assert [kill.name for kill in aftermath.kills] == list(KILLED)
    assert aftermath.next_orders()[-1] < GENEROUS
