"""What holding stock may cost beside pgbench with the same statement, and what never happens while 64 do it at once.

Both share the machine with PostgreSQL, so the ratio says what of its time goes to us. Over many SKUs 0.5 is aimed for.
"""

from pathlib import Path

import pytest

from benchmarks.stock.goods import SCARCE, Crowd
from benchmarks.stock.measuring import ROUNDS, SECONDS, Measured, measure

pytestmark = [pytest.mark.proof, pytest.mark.timeout(420)]

LEAST_OF_PGBENCH = 0.5


@pytest.fixture(scope="module")
async def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder: Path = tmp_path_factory.mktemp("stock")
    return await measure(folder, rounds=ROUNDS, seconds=SECONDS, tell=print)


async def test_holds_over_many_skus_keep_their_share_of_the_rate_of_pgbench(measured: Measured) -> None:
    assert measured.ratio(Crowd.MANY) >= LEAST_OF_PGBENCH


async def test_holds_of_one_hot_sku_keep_their_share_of_the_rate_of_pgbench(measured: Measured) -> None:
    assert measured.ratio(Crowd.HOT) >= LEAST_OF_PGBENCH


async def test_nothing_is_oversold_or_leaked_and_nobody_is_thrown_out_of_a_deadlock(measured: Measured) -> None:
    assert (measured.oversold, measured.leaked, measured.deadlocks, measured.miscounted) == (0, 0, 0, 0)
    assert measured.sold_of_scarce == SCARCE
