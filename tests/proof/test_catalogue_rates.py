"""What reading the catalogue may cost beside a bare handler with the same bytes, and a hundred times as much to read.

Ratios of one run: rates depend on the machine and its mood, and 8 at once share two cores with PostgreSQL and the load.
Both sides are asked alternately, many times a round, and the median of five rounds counts (`benchmarks.catalogue`).
`make bench-catalog` measures a million products, too.
"""

from pathlib import Path

import pytest

from benchmarks.catalogue.measuring import REQUESTS, ROUNDS, Measured, measure
from benchmarks.catalogue.questions import Read

pytestmark = [pytest.mark.proof, pytest.mark.timeout(420)]

SMALL, LARGE = 1_000, 100_000
LEAST_OF_BARE = {Read.DETAIL: 0.5, Read.LIST: 0.45}
"""Two cores of their own had 0.62 to 0.73 and 0.54 to 0.71, a tenth less where they have other work, too."""

MOST_GROWTH = {Read.DETAIL: 3.0, Read.LIST: 3.0, Read.DEEP: 3.0, Read.FILTERED: 4.0, Read.SEARCH: 4.0}
"""Of the 99th percentile; 2 is aimed for. A filter or a word has less to look at in a small shop."""


@pytest.fixture(scope="module")
async def measured(shops: Path) -> Measured:
    return await measure([SMALL, LARGE], shops, rounds=ROUNDS, requests=REQUESTS, tell=print)


@pytest.mark.parametrize("read", LEAST_OF_BARE)
async def test_a_read_keeps_its_share_of_the_rate_of_a_bare_handler(measured: Measured, read: Read) -> None:
    assert measured.ratio(LARGE, read) >= LEAST_OF_BARE[read]


@pytest.mark.parametrize("read", MOST_GROWTH)
async def test_a_read_takes_not_much_longer_in_a_shop_a_hundred_times_as_large(measured: Measured, read: Read) -> None:
    assert measured.growth(read) <= MOST_GROWTH[read]
