"""`everorder bench-catalog`: how fast the catalogue is read, at any size, and compared with what."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue.measuring import REQUESTS, ROUNDS, Measured, measure
from benchmarks.catalogue.questions import Read
from benchmarks.catalogue.server import SHARED_BUFFERS

_ERRORS = Console(stderr=True)


def bench_catalog(
    *,
    products: Annotated[str, typer.Option(help="Sizes of the shops, by commas.")] = "1000,100000,1000000",
    requests: Annotated[
        int, typer.Option(min=10, help="Requests for one product in a round; for longer reads fewer.")
    ] = REQUESTS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each read; the median counts.")] = ROUNDS,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the shops here, for another run. None: nothing is left.")
    ] = None,
    shared_buffers: Annotated[str, typer.Option(help="Memory that PostgreSQL keeps pages in.")] = SHARED_BUFFERS,
    as_data: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure reads of the catalogue beside a bare FastAPI and asyncpg handler that returns the same bytes."""
    sizes = _sizes(products)
    with _kept(data_dir) as folder, _ERRORS.status("Measuring ..."):
        measured = asyncio.run(
            measure(
                sizes,
                Path(folder).resolve(),
                rounds=rounds,
                requests=requests,
                tell=_ERRORS.log,
                shared_buffers=shared_buffers,
            )
        )
    if as_data:
        typer.echo(json.dumps(as_json(measured, sizes), indent=2))
    else:
        Console().print(table(measured, sizes))


def as_json(measured: Measured, sizes: Sequence[int]) -> dict[str, Any]:
    """Name every figure; times in seconds, rates a second."""
    return {
        read: {
            "growth": measured.growth(read),
            "products": {
                str(size): {
                    "rate": measured.rate(size, read),
                    "ratio": measured.ratio(size, read),
                    "p99": measured.p99(size, read),
                    "bare_p99": measured.bare_p99(size, read),
                }
                for size in sizes
            },
        }
        for read in Read
    }


def table(measured: Measured, sizes: Sequence[int]) -> Table:
    """Show every figure."""
    shown = Table(title="Reads of the catalogue, 8 at once (medians)", title_justify="left")
    shown.add_column("read", min_width=13)
    for column in ("products", "a second", "of the bare handler", "p99 ms", "bare p99 ms", "p99, largest / smallest"):
        shown.add_column(column, justify="right", min_width=max(map(len, column.split())))
    for read in Read:
        for size in sizes:
            first = size == sizes[0]
            shown.add_row(
                read if first else "",
                f"{size:,}",
                f"{measured.rate(size, read):,.0f}",
                f"{measured.ratio(size, read):.2f}",
                f"{measured.p99(size, read) * 1000:.1f}",
                f"{measured.bare_p99(size, read) * 1000:.1f}",
                f"{measured.growth(read):.2f}" if first else "",
            )
    return shown


def _kept(data_dir: Path | None) -> AbstractContextManager[str | Path]:
    if data_dir is None:
        return tempfile.TemporaryDirectory(prefix="everorder-catalogue-", ignore_cleanup_errors=True)
    return nullcontext(data_dir)


def _sizes(listed: str) -> list[int]:
    try:
        sizes = [int(part) for part in listed.split(",")]
    except ValueError:
        raise typer.BadParameter("numbers, separated by commas", param_hint="--products") from None
    if min(sizes) < 100 or sizes != sorted(set(sizes)):
        raise typer.BadParameter("100 or more, from the smallest to the largest", param_hint="--products")
    return sizes
