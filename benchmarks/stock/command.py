"""`everorder bench-stock`: how fast stock is held by many at once, and compared with what."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.stock.goods import SCARCE, Crowd
from benchmarks.stock.measuring import ROUNDS, SECONDS, Measured, measure

_ERRORS = Console(stderr=True)


def bench_stock(
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each crowd; the median counts.")] = ROUNDS,
    seconds: Annotated[float, typer.Option(min=1, max=10, help="How long one measurement takes.")] = SECONDS,
    as_data: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure holds of stock by 64 buyers at once beside pgbench with the same statement."""
    with (
        tempfile.TemporaryDirectory(prefix="everorder-stock-", ignore_cleanup_errors=True) as folder,
        _ERRORS.status("Measuring ..."),
    ):
        measured = asyncio.run(measure(Path(folder), rounds=rounds, seconds=seconds, tell=_ERRORS.log))
    if as_data:
        typer.echo(json.dumps(as_json(measured), indent=2))
    else:
        Console().print(table(measured), summary(measured), sep="\n")


def as_json(measured: Measured) -> dict[str, Any]:
    """Name every figure; rates a second."""
    return {
        "crowds": {
            crowd.name.lower(): {
                "rate": measured.rate(crowd),
                "pgbench_rate": measured.pgbench_rate(crowd),
                "ratio": measured.ratio(crowd),
            }
            for crowd in Crowd
        },
        "oversold": measured.oversold,
        "leaked": measured.leaked,
        "deadlocks": measured.deadlocks,
        "miscounted": measured.miscounted,
        "sold_of_scarce": measured.sold_of_scarce,
    }


def table(measured: Measured) -> Table:
    """Show the rates."""
    shown = Table(title="Holds of stock, 64 buyers at once (medians)", title_justify="left")
    shown.add_column("what they want")
    for column in ("a second", "pgbench", "ratio"):
        shown.add_column(column, justify="right")
    for crowd in Crowd:
        rates = f"{measured.rate(crowd):,.0f}", f"{measured.pgbench_rate(crowd):,.0f}"
        shown.add_row(crowd, *rates, f"{measured.ratio(crowd):.2f}")
    return shown


def summary(measured: Measured) -> str:
    """Say what the books showed."""
    return (
        f"{measured.oversold} levels oversold, {measured.leaked} leaked, {measured.deadlocks} deadlocks,"
        f" {measured.miscounted} laps miscounted;"
        f" of {SCARCE} units that 64 fought for {measured.sold_of_scarce} were held"
    )
