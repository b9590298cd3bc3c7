"""What a round of reconciliation writes down while it goes on."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError

from db.engine import Sessions
from db.reconciliation import reports
from db.reconciliation.reports import Counts, NewFinding
from domain.errors import EverorderError, TemporarilyUnavailableError
from domain.order_states import IllegalTransitionError
from domain.provider_payments import ProviderPayment, ProviderRefusedError, ProviderUnavailableError
from domain.reconciliation import FindingKind
from models.reconciliation import FindingAction

log = structlog.get_logger(__name__)

_REFUSALS = (
    ApplicationError,
    EverorderError,
    IllegalTransitionError,
    IntegrityError,
    ProviderRefusedError,
    ProviderUnavailableError,
)


class Journal:
    """Keeps the report of one round: findings are stored at once, counts and sums at the end."""

    def __init__(self, sessions: Sessions, report_id: UUID) -> None:
        self._sessions = sessions
        self._report_id = report_id
        self._actions: Counter[FindingAction] = Counter()
        self._sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.orders = 0
        self.workflows = 0
        self.payments = 0

    @classmethod
    async def begin(cls, sessions: Sessions, since: datetime | None) -> "Journal":
        """Begin a report."""
        async with sessions.begin() as session:
            return cls(sessions, await reports.begin(session, since))

    @property
    def healed(self) -> int:
        """Count what was put in order."""
        return self._actions[FindingAction.HEALED]

    async def heal(self, finding: NewFinding) -> None:
        """Note something that was put in order."""
        await self._add(finding, FindingAction.HEALED)

    async def park(self, finding: NewFinding) -> None:
        """Note something that is left to a person."""
        await self._add(finding, FindingAction.PARKED)

    @asynccontextmanager
    async def carefully(self, order_id: UUID, reference: str | None = None) -> AsyncIterator[None]:
        """Let one thing that can not be put in order keep nothing else waiting.

        Raises:
            TemporarilyUnavailableError: Temporal is away: nothing can be judged.
        """
        try:
            yield
        except TemporarilyUnavailableError:
            raise
        except _REFUSALS as error:
            log.warning("not_healed", order_id=str(order_id), reference=reference, error=type(error).__name__)
            await self.park(NewFinding(FindingKind.NOT_HEALED, order_id, reference))

    def add_sums(self, payment: ProviderPayment, captured: int, refunded: int) -> None:
        """Add a payment of ours to the sums: what the provider says, and what the books say."""
        self.payments += 1
        self._sums[payment.amount.currency].update(
            provider_captured=payment.captured,
            provider_refunded=payment.refunded,
            books_captured=captured,
            books_refunded=refunded,
        )

    async def end(self, *, complete: bool) -> None:
        """End the report. A complete round settles the findings that it has not seen any more."""
        counts = Counts(self.orders, self.workflows, self.payments, self.healed, self._actions[FindingAction.PARKED])
        async with self._sessions.begin() as session:
            await reports.end(session, self._report_id, counts, json.dumps(self._sums), complete=complete)
        log.info("reconciled", healed=counts.healed, parked=counts.parked, payments=counts.payments)

    async def _add(self, finding: NewFinding, action: FindingAction) -> None:
        self._actions[action] += 1
        async with self._sessions.begin() as session:
            await reports.add(session, self._report_id, finding, action)
        log.info("reconciliation_finding", kind=finding.kind, action=action, order_id=str(finding.order_id))
