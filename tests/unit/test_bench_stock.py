"""What `bench-stock` compares with, and what it makes of its laps."""

import re

import pytest

from benchmarks.stock.command import as_json, summary
from benchmarks.stock.goods import BUYERS, ORDERS_A_BUYER, Books, Crowd, order_id
from benchmarks.stock.measuring import Measured, Round
from benchmarks.stock.pgbench import script


def measured() -> Measured:
    """Three rounds, the last on a machine that was busy."""
    result = Measured(sold_of_scarce=50)
    for ours, theirs in ((600.0, 1000.0), (500.0, 1000.0), (100.0, 125.0)):
        result.rounds += [Round(Crowd.MANY, ours, theirs), Round(Crowd.HOT, theirs, theirs)]
    return result


def test_ratio_compares_within_its_round_and_the_median_counts() -> None:
    assert measured().ratio(Crowd.MANY) == 0.6
    assert (measured().rate(Crowd.MANY), measured().pgbench_rate(Crowd.MANY)) == (500.0, 1000.0)
    assert as_json(measured())["crowds"]["hot"] == {"rate": 1000.0, "pgbench_rate": 1000.0, "ratio": 1.0}


def test_whatever_a_look_at_the_books_shows_is_kept() -> None:
    result = measured()
    result.check(Books(holds=7, oversold=1, leaked=2, deadlocks=3), 7)
    result.check(Books(holds=7, oversold=1, leaked=0, deadlocks=4), 8)
    assert (result.oversold, result.leaked, result.deadlocks, result.miscounted) == (2, 2, 4, 1)
    assert summary(result).startswith("2 levels oversold, 2 leaked, 4 deadlocks, 1 laps miscounted;")


@pytest.mark.parametrize("crowd", Crowd)
def test_pgbench_sets_every_variable_of_the_statement(crowd: Crowd) -> None:
    used = set(re.findall(r"(?<!:):([a-z_0-9]+)", script(crowd))) - {"i", "client_id"}
    assert used == set(re.findall(r"^\\set ([a-z_0-9]+)", script(crowd), re.MULTILINE)) - {"i"}
    assert "FOR UPDATE OF s" in script(crowd)


def test_no_two_buyers_open_the_same_order() -> None:
    last = order_id(BUYERS - 1, ORDERS_A_BUYER - 1)
    assert last.int - order_id(0, 0).int == BUYERS * ORDERS_A_BUYER - 1
    assert order_id(1, 0) != order_id(0, ORDERS_A_BUYER - 1)
