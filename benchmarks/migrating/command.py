"""`everorder bench-migrations`: how long a shop that is open waits for its migrations."""

import asyncio
import json
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue.server import SHARED_BUFFERS
from benchmarks.migrating.clients import CLIENTS
from benchmarks.migrating.measuring import Measured, measure

SINCE = "0016"
"""The newest revision before which shops are not filled as they are now."""

_ERRORS = Console(stderr=True)


def bench_migrations(
    *,
    products: Annotated[int, typer.Option(min=1000, help="Products of the shop.")] = 1_000_000,
    since: Annotated[str, typer.Option(help="The revision at which the shop is.")] = SINCE,
    quiet: Annotated[float, typer.Option(min=0, help="Seconds without a migration, to compare with.")] = 30,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the shop here, for another run. None: nothing is left.")
    ] = None,
    shared_buffers: Annotated[str, typer.Option(help="Memory that PostgreSQL keeps pages in.")] = SHARED_BUFFERS,
    as_data: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Bring an open shop of an older revision to the newest, and say how long its clients waited."""
    with _kept(data_dir) as folder, _ERRORS.status("Migrating ..."):
        measured = asyncio.run(
            measure(
                Path(folder).resolve(), products, since, quiet=quiet, tell=_ERRORS.log, shared_buffers=shared_buffers
            )
        )
    if as_data:
        typer.echo(json.dumps(asdict(measured), indent=2))
    else:
        Console().print(table(measured), summary(measured), sep="\n")


def table(measured: Measured) -> Table:
    """Show the longest of everything by migration."""
    shown = Table(title="The longest transaction beside each migration, in seconds", title_justify="left")
    for column in ("migration", "took", *CLIENTS, "waited for a lock"):
        shown.add_column(column, justify="right")
    for phase in measured.phases:
        longest = (f"{phase.longest.get(name, 0):.2f}" for name in (*CLIENTS, "lock"))
        shown.add_row(phase.revision, f"{phase.seconds:.1f}" if phase.seconds else "", *longest)
    return shown


def summary(measured: Measured) -> str:
    """Say how much was done meanwhile, and what the books showed."""
    done = (f"{sum(phase.times.get(name, 0) for phase in measured.phases):,} of {name}" for name in CLIENTS)
    broken = ", ".join(f"{name} {rows}" for name, rows in measured.broken.items()) or "right"
    return f"Transactions: {', '.join(done)}; {measured.deadlocks} deadlocks; the books are {broken}."


def _kept(data_dir: Path | None) -> AbstractContextManager[str | Path]:
    if data_dir is None:
        return tempfile.TemporaryDirectory(prefix="everorder-migrating-", ignore_cleanup_errors=True)
    return nullcontext(data_dir)
