"""What an audit has found, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.audit.checks import MOST_ROWS, Finding, Invariant

_SHOWN = 10
"""So many breaking rows are printed for each check; JSON has up to `MOST_ROWS`."""


@dataclass(frozen=True, slots=True)
class InvariantReport:
    """One invariant, with the outcome of each of its checks."""

    id: str
    says: str
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, invariant: Invariant, findings: Sequence[Finding]) -> "InvariantReport":
        """Put an invariant and its findings together."""
        return cls(invariant.id, invariant.says, tuple(findings))

    @property
    def checked(self) -> int:
        """Return the most that any of the checks has looked through."""
        return max((finding.checked for finding in self.findings), default=0)

    @property
    def broken(self) -> int:
        """Count what breaks it, in all checks."""
        return sum(finding.broken for finding in self.findings)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """A whole audit. `settled` says that it was made of a system at rest, with Temporal and the provider."""

    at: datetime
    settled: bool
    invariants: tuple[InvariantReport, ...]

    @property
    def ok(self) -> bool:
        """Tell whether every invariant holds."""
        return not any(invariant.broken for invariant in self.invariants)

    @property
    def broken_checks(self) -> dict[str, Finding]:
        """Return what was found, by the name of its check."""
        return {f.name: f for invariant in self.invariants for f in invariant.findings if f.broken}


def as_json(report: AuditReport) -> dict[str, object]:
    """Make a report that programs read."""
    return {
        "at": report.at.isoformat(timespec="seconds"),
        "settled": report.settled,
        "ok": report.ok,
        "invariants": [
            {
                "id": invariant.id,
                "says": invariant.says,
                "checked": invariant.checked,
                "broken": invariant.broken,
                "checks": [asdict(finding) for finding in invariant.findings],
            }
            for invariant in report.invariants
        ],
    }


def print_report(report: AuditReport, console: Console) -> None:
    """Print a table of the invariants, then the rows that break them."""
    console.print(_overview(report))
    for invariant in report.invariants:
        for finding in invariant.findings:
            if finding.broken:
                _print_broken(invariant.id, finding, console)
    if not report.settled:
        console.print("Temporal and the payment provider were not asked: that is --settled, for a system at rest.")
    console.print("[green]Every invariant holds.[/]" if report.ok else "[bold red]Invariants are broken.[/]")


def _overview(report: AuditReport) -> Table:
    table = Table("", "invariant", title=f"Audit of {report.at:%Y-%m-%d %H:%M:%S} UTC", title_justify="left")
    table.add_column("checked", justify="right")
    table.add_column("result")
    for invariant in report.invariants:
        result = f"[red]{invariant.broken:,} broken[/]" if invariant.broken else "[green]ok[/]"
        table.add_row(invariant.id, invariant.says, f"{invariant.checked:,}", result)
    return table


def _print_broken(invariant: str, finding: Finding, console: Console) -> None:
    said = f": {finding.says}; {finding.broken:,} broken"
    console.print()
    console.print(Text.assemble((f"{invariant} {finding.name}", "bold"), said), soft_wrap=True)
    for row in finding.rows[:_SHOWN]:
        cells = "  ".join(f"{name}={value}" for name, value in row.items())
        console.print(f"  {cells}", markup=False, highlight=False, soft_wrap=True)
    if finding.broken > _SHOWN:
        console.print(f"  ... and {finding.broken - _SHOWN:,} more (the first {MOST_ROWS} with --json)")
