"""How a replay went: orders, money, and how long they took."""

from array import array
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from cli.retail.day import RetailDay
from cli.retail.invoices import CURRENCY, Invoice
from cli.retail.placing import Placed
from domain.money import Money


class Failure(NamedTuple):
    """An invoice that is not an order, or another order than the file says, and why."""

    invoice: str
    reason: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that half, 95 and 99 of a hundred stayed below (nearest rank); zero where nothing was measured."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: "array[float]") -> "Latency":
        """Rank measured times."""
        ranked = sorted(seconds)
        return cls(*(ranked[ceil(len(ranked) * share) - 1] if ranked else 0.0 for share in (0.50, 0.95, 0.99)))


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of a day. `revenue` is the sum of the orders' subtotals, `expected` the file's own sum of its sales.

    Latencies and the rate are of the orders that this replay placed: `checkout` from asking to the settled order,
    `invoice` from the cart on.
    """

    day: RetailDay
    placed: int
    already_there: int
    failures: tuple[Failure, ...]
    revenue: Money
    seconds: float
    checkout: Latency
    invoice: Latency

    @property
    def expected(self) -> Money:
        """Return what the file says was sold."""
        return self.day.revenue

    @property
    def books_right(self) -> bool:
        """Tell whether every invoice is an order and the money is equal to the penny."""
        return not self.failures and self.revenue == self.expected

    @property
    def orders_per_second(self) -> float:
        """Return how many orders were placed each second."""
        return self.placed / self.seconds if self.seconds else 0.0


class Tally:
    """Counts outcomes while a replay runs."""

    def __init__(self) -> None:
        self._placed = 0
        self._already_there = 0
        self._failures: list[Failure] = []
        self._revenue = Money.zero(CURRENCY)
        self._checkout = array("d")
        self._invoice = array("d")

    def count(self, invoice: Invoice, outcome: Placed | Failure) -> None:
        """Count what became of one invoice; the money is what the order says, not what it ought to be."""
        if isinstance(outcome, Failure):
            self._failures.append(outcome)
            return
        self._revenue += outcome.subtotal
        if outcome.subtotal != invoice.total:
            reason = (
                f"the order says {outcome.subtotal.amount}, the invoice {invoice.total.amount} {CURRENCY} minor units"
            )
            self._failures.append(Failure(invoice.number, reason))
        if outcome.already_there:
            self._already_there += 1
            return
        self._placed += 1
        self._checkout.append(outcome.checkout_seconds)
        self._invoice.append(outcome.seconds)

    def report(self, day: RetailDay, seconds: float) -> ReplayReport:
        """Sum up."""
        return ReplayReport(
            day=day,
            placed=self._placed,
            already_there=self._already_there,
            failures=tuple(self._failures),
            revenue=self._revenue,
            seconds=seconds,
            checkout=Latency.of(self._checkout),
            invoice=Latency.of(self._invoice),
        )
