"""What is made of measurements."""

from io import StringIO

import pytest
from rich.console import Console

from benchmarks.costs import Costs
from benchmarks.driving import Lap
from benchmarks.kinds import Kind
from benchmarks.measuring import Measured, Round
from benchmarks.report import as_json, percentile, print_report

COSTS = Costs(28, 4, 34, 15, 64, 3, 4)


def measured() -> Measured:
    """Three rounds in which the machine is slower each time, for both alike but for the last."""
    result = Measured(costs=COSTS)
    for seconds, noop_seconds in ((10.0, 5.0), (20.0, 10.0), (40.0, 30.0)):
        of = {Kind.WHOLE: seconds, Kind.NOOP: noop_seconds, Kind.EMPTY: 2.0, Kind.SQL: 1.0}
        for kind, took in of.items():
            checkouts = [0.2] * 100 if kind is Kind.WHOLE else []
            result.rounds.append(Round(kind, 8, Lap(took, [0.1] * 100, checkouts), {"api": took, "load": 1.0}))
    return result


def test_rates_and_ratios_are_medians_and_a_ratio_compares_within_its_round() -> None:
    assert measured().rate(Kind.WHOLE, 8) == 5.0
    assert measured().rate(Kind.NOOP, 8) == 10.0
    assert measured().ratio(Kind.NOOP, 8) == 0.5
    assert measured().ratio(Kind.SQL, 8) == 0.05


def test_cpu_is_for_one_order_by_process() -> None:
    assert measured().cpu(Kind.WHOLE, 8) == {"api": 0.2, "load": 0.01}


def test_cpu_is_compared_within_its_round() -> None:
    assert measured().cpu_ratio(Kind.NOOP, 8) == pytest.approx(11 / 6)


@pytest.mark.parametrize(("percent", "expected"), [(50, 3), (95, 5), (99, 5), (1, 1), (20, 1), (21, 2)])
def test_a_percentile_is_the_nearest_rank(percent: int, expected: int) -> None:
    assert percentile([5, 1, 4, 2, 3], percent) == expected


def test_every_figure_has_a_name_for_programs() -> None:
    figures = as_json(measured(), [8])
    assert figures["concurrency"]["8"]["ratio"] == {"noop": 0.5, "empty": 0.1, "sql": 0.05}
    assert figures["concurrency"]["8"]["latency"]["whole"] == {"p50": 0.1, "p95": 0.1, "p99": 0.1}
    assert figures["concurrency"]["8"]["checkout"] == {"p50": 0.2, "p95": 0.2, "p99": 0.2}
    assert figures["per_order"]["history_events"] == 28


def test_the_report_says_rates_latencies_cpu_and_parts() -> None:
    console = Console(record=True, width=120, file=StringIO())
    print_report(measured(), [8], console)
    text = console.export_text()
    for part in ("5.0", "0.50", "its checkout", "api", "28 history events", "3 provider calls"):
        assert part in text
