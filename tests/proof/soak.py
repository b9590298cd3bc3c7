"""A soak that is run by hand: `.venv/bin/python -m tests.proof.soak --kills 1000`; prints how orders went on."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.proof.test_kills import INVOICES_BETWEEN, TIMES
from tests.support.kills import replay_under_kills, require_right_books
from tests.support.stack import running_stack


async def soak(kills: int, folder: Path) -> None:
    """Kill processes of a whole stack in a random order while invoices become orders; then require right books.

    Raises:
        AssertionError: an invoice is not exactly one order, a charge is too many, or an invariant is broken.
    """
    dice = random.Random(2026)
    killed = dice.choices(list(TIMES), weights=list(TIMES.values()), k=kills)
    invoices = INVOICES_BETWEEN * (kills + 1)
    with running_stack(folder / "data") as stack:
        written, report, aftermath = await replay_under_kills(
            stack, folder / "day.csv", killed, invoices=invoices, longest=600
        )
        sys.stdout.write(f"{aftermath.table()}\n{report.orders_per_second:.1f} orders/s through all this\n")
        assert report.failures == ()
        await require_right_books(stack, written, invoices + kills)
        assert await stack.broken() == {}
    sys.stdout.write(f"{kills} kills, {invoices + kills} orders: every invariant holds\n")


def main() -> None:
    """Read the number of kills, and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    with tempfile.TemporaryDirectory(prefix="everorder-soak-") as folder:
        asyncio.run(soak(parser.parse_args().kills, Path(folder)))


if __name__ == "__main__":
    main()
