"""What an import shows while it runs, and what came of it, for people and as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cli.shopify.importing import ImportReport

_MOST_LISTED = 20


class ProgressBar:
    """Shows on a terminal how an import goes on; elsewhere nothing is shown."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description:<8}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        self._bars = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def read(self, done: int, total: int) -> None:
        """Show how many bytes were read."""
        self._show("reading", done, total)

    def waits(self) -> None:
        """Show that somebody else fills the shop."""
        self._show("waiting", 0, None)

    def written(self, done: int, total: int) -> None:
        """Show how many products were written."""
        self._show("writing", done, total)

    def _show(self, what: str, done: int, total: int | None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)


def as_json(path: Path, report: ImportReport, *, dry_run: bool) -> str:
    """Write what came of a file for programs; `done` is null where it was refused."""
    return json.dumps(
        {
            "file": str(path),
            "dry_run": dry_run,
            "done": None if report.counts is None else asdict(report.counts),
            "refused": report.refused,
            "refusals": [asdict(refusal) for refusal in report.refusals],
            "ignored_columns": list(report.ignored_columns),
        },
        indent=2,
    )


def tell(path: Path, report: ImportReport, *, dry_run: bool) -> None:
    """Print what came of a file for people."""
    if report.ignored_columns:
        typer.echo(f"not used: {', '.join(report.ignored_columns)}")
    if report.refused and report.counts is not None:
        typer.echo("\n  ".join(["left out:", *refused_lines(report)]))
    if report.counts is None:
        return
    done = report.counts
    typer.echo(f"{'would be imported' if dry_run else 'imported'} from {path.name}:")
    typer.echo(f"  {done.new_products:,} new products with {done.new_variants:,} new articles in all")
    typer.echo(f"  {done.changed_products:,} products changed, {done.unchanged_products:,} were as the file says")
    typer.echo(f"  {done.prices:,} prices set, {done.units:,} units received")


def refused_lines(report: ImportReport) -> list[str]:
    """List refused rows, and how many there are more."""
    listed = [str(refusal) for refusal in report.refusals[:_MOST_LISTED]]
    more = report.refused - len(listed)
    return [*listed, f"and {more:,} more"] if more > 0 else listed
