import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from rich.console import Console

from cli.audit.report import AuditReport, InvariantReport, as_json, print_report
from db.audit.checks import Finding, Row, Tally, plain

AT = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
CLEAN = InvariantReport("I1", "Stock agrees", (Finding("reserved", "is held", 12), Finding("on_hand", "is moved", 7)))


def report(*findings: Finding, settled: bool = True) -> AuditReport:
    broken = InvariantReport("I9", "The total adds up", findings)
    return AuditReport(AT, settled, (CLEAN, broken))


def finding(rows: int) -> Finding:
    shown: tuple[Row, ...] = tuple({"number": f"EO-{n}", "total": n} for n in range(min(rows, 100)))
    return Finding("total", "is the sum [of lines]", 5000, rows, shown)


def printed(report: AuditReport) -> str:
    output = io.StringIO()
    print_report(report, Console(file=output, width=100))
    return output.getvalue()


def test_clean_report_says_so_for_every_invariant() -> None:
    clean = report(finding(0))
    assert clean.ok
    assert clean.broken_checks == {}
    said = printed(clean)
    assert "Audit of 2026-11-23 06:30:00 UTC" in said
    assert [line.split("│")[3:5] for line in said.splitlines() if line.startswith("│ I")] == [
        ["      12 ", " ok     "],
        ["   5,000 ", " ok     "],
    ]
    assert "Every invariant holds." in said
    assert "broken" not in said


def test_broken_report_names_the_check_and_its_rows_and_counts_the_rest() -> None:
    broken = report(finding(150))
    assert not broken.ok
    assert list(broken.broken_checks) == ["total"]
    said = printed(broken)
    assert "150 broken" in said
    assert "I9 total: is the sum [of lines]; 150 broken" in said
    assert "number=EO-0  total=0" in said
    assert "number=EO-9 " in said
    assert "EO-10" not in said
    assert "... and 140 more (the first 100 with --json)" in said
    assert "Every invariant holds." not in said


def test_report_of_a_system_at_work_says_what_was_left_out() -> None:
    assert "--settled" in printed(report(settled=False))
    assert "--settled" not in printed(report(settled=True))


def test_json_holds_what_the_table_shows() -> None:
    document = json.loads(json.dumps(as_json(report(finding(1)))))
    assert document == {
        "at": "2026-11-23T06:30:00+00:00",
        "settled": True,
        "ok": False,
        "invariants": [
            {
                "id": "I1",
                "says": "Stock agrees",
                "checked": 12,
                "broken": 0,
                "checks": [
                    {"name": "reserved", "says": "is held", "checked": 12, "broken": 0, "rows": []},
                    {"name": "on_hand", "says": "is moved", "checked": 7, "broken": 0, "rows": []},
                ],
            },
            {
                "id": "I9",
                "says": "The total adds up",
                "checked": 5000,
                "broken": 1,
                "checks": [
                    {
                        "name": "total",
                        "says": "is the sum [of lines]",
                        "checked": 5000,
                        "broken": 1,
                        "rows": [{"number": "EO-0", "total": 0}],
                    }
                ],
            },
        ],
    }


def test_rows_become_plain_values() -> None:
    order = UUID(int=7)
    row = {"order": order, "sum": Decimal(12), "at": AT, "numbers": ["EO-1", order], "flag": True, "none": None}
    assert plain(row) == {
        "order": str(order),
        "sum": 12,
        "at": "2026-11-23T06:30:00+00:00",
        "numbers": f"EO-1, {order}",
        "flag": True,
        "none": None,
    }


def test_what_was_found_is_counted_whole_and_shown_in_part() -> None:
    tally = Tally()
    for n in range(250):
        tally.add({"n": n})
    outcome = tally.finding("name", "says", 500)
    assert (outcome.checked, outcome.broken, len(outcome.rows)) == (500, 250, 100)
    assert outcome.rows[99] == {"n": 99}
