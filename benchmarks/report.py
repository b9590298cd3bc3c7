"""The figures, for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.kinds import Kind
from benchmarks.measuring import Measured

_PERCENTILES = (50, 95, 99)
_OTHERS = (Kind.NOOP, Kind.EMPTY, Kind.SQL)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that `percent` of the values do not exceed: the nearest rank."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def as_json(measured: Measured, concurrencies: Sequence[int]) -> dict[str, Any]:
    """Name every figure; times in seconds, rates a second."""
    return {
        "concurrency": {str(at): _at(measured, at) for at in concurrencies},
        "per_order": asdict(measured.costs) if measured.costs else None,
    }


def print_report(measured: Measured, concurrencies: Sequence[int], console: Console) -> None:
    """Print rates and ratios, latencies, CPU by process, and what an order consists of."""
    console.print(_rates(measured, concurrencies))
    console.print(_latencies(measured, concurrencies))
    console.print(_cpu(measured, concurrencies))
    if measured.costs:
        parts = [f"{value:g} {name.replace('_', ' ')}" for name, value in asdict(measured.costs).items()]
        console.print(f"An order: {', '.join(parts)}.", soft_wrap=True)


def _at(measured: Measured, concurrency: int) -> dict[str, Any]:
    return {
        "rate": {kind: measured.rate(kind, concurrency) for kind in Kind},
        "ratio": {kind: measured.ratio(kind, concurrency) for kind in _OTHERS},
        "cpu_ratio": {Kind.NOOP: measured.cpu_ratio(Kind.NOOP, concurrency)},
        "latency": {kind: _percentiles(_seconds(measured, kind, concurrency)) for kind in Kind},
        "checkout": _percentiles(_checkouts(measured, concurrency)),
        "cpu": {kind: measured.cpu(kind, concurrency) for kind in Kind},
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{percent}": percentile(seconds, percent) for percent in _PERCENTILES}


def _rates(measured: Measured, concurrencies: Sequence[int]) -> Table:
    table = _table("Orders a second (medians)", "at once", "whole", "no-op", "empty", "bare SQL")
    for other in ("no-op", "empty", "bare SQL"):
        table.add_column(f"whole / {other}", justify="right")
    for at in concurrencies:
        rates = [f"{measured.rate(kind, at):.1f}" for kind in Kind]
        table.add_row(str(at), *rates, *(f"{measured.ratio(kind, at):.2f}" for kind in _OTHERS))
    return table


def _latencies(measured: Measured, concurrencies: Sequence[int]) -> Table:
    table = _table("Milliseconds", "at once", "", *(f"p{percent}" for percent in _PERCENTILES))
    for at in concurrencies:
        of = {kind.value: _seconds(measured, kind, at) for kind in Kind}
        for name, seconds in {"whole": of.pop("whole"), "its checkout": _checkouts(measured, at), **of}.items():
            table.add_row(str(at), name, *(f"{percentile(seconds, percent) * 1000:,.0f}" for percent in _PERCENTILES))
    return table


def _cpu(measured: Measured, concurrencies: Sequence[int]) -> Table:
    table = _table("CPU milliseconds an order, and a no-op")
    table.add_column("process", min_width=max(map(len, measured.rounds[0].cpu)))
    used = {}
    for at in concurrencies:
        for kind in (Kind.WHOLE, Kind.NOOP):
            table.add_column(f"{kind} at {at}", justify="right")
            used[kind, at] = measured.cpu(kind, at)
    for name in next(iter(used.values())):
        table.add_row(name, *(f"{column[name] * 1000:.1f}" for column in used.values()))
    table.add_row("all", *(f"{sum(column.values()) * 1000:.1f}" for column in used.values()), style="bold")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right", min_width=max(map(len, column.split()), default=0))
    return table


def _seconds(measured: Measured, kind: Kind, concurrency: int) -> list[float]:
    return [seconds for one in measured.of(kind, concurrency) for seconds in one.lap.latencies]


def _checkouts(measured: Measured, concurrency: int) -> list[float]:
    return [seconds for one in measured.of(Kind.WHOLE, concurrency) for seconds in one.lap.checkouts]
