"""`everorder bench`: how fast, and compared with what."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.load import MOST_AT_ONCE
from benchmarks.measuring import ROUNDS, Measured, measure
from benchmarks.report import as_json, print_report
from benchmarks.stand import built

_ERRORS = Console(stderr=True)


def bench(
    orders: Annotated[int, typer.Option(min=1, help="Orders of one measurement.")] = 120,
    concurrency: Annotated[str, typer.Option(help="How many are under way at once, by commas.")] = "1,8,32",
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each kind; the median counts.")] = ROUNDS,
    as_data: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure orders a second on a stack of its own, against the same commands, an empty workflow and the bare SQL."""
    concurrencies = _numbers(concurrency)
    measured = asyncio.run(_measured(orders, concurrencies, rounds))
    if as_data:
        typer.echo(json.dumps(as_json(measured, concurrencies), indent=2))
    else:
        print_report(measured, concurrencies, Console())


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter("numbers, separated by commas", param_hint="--concurrency") from None
    if not all(1 <= number <= MOST_AT_ONCE for number in numbers):
        raise typer.BadParameter(f"from 1 to {MOST_AT_ONCE}", param_hint="--concurrency")
    return numbers


async def _measured(orders: int, concurrencies: Sequence[int], rounds: int) -> Measured:
    with _ERRORS.status("Starting a stack ...") as status:
        async with built() as stand:
            status.update("Measuring ...")
            return await measure(stand, orders, concurrencies, rounds=rounds, tell=_ERRORS.log)
