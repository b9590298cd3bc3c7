"""The chores: one round of reconciliation, over the last days or over everything."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.providers import PaymentProviders
from activities.reconciliation.adopting import Adoption
from activities.reconciliation.journal import Journal
from activities.reconciliation.orders import OrderRound
from activities.reconciliation.payments import LedgerRound
from activities.reconciliation.ports import Standings, Starts
from contracts.reconciliation import RECONCILE_ALL, RECONCILE_LATEST
from db.engine import Sessions
from models.columns import utc_now

WINDOW = timedelta(days=7)
"""How far back the usual round reads the ledger. What changes on older payments is told by webhooks."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`grace`: how long an order must have been left alone before it is judged; `hold`: how long stock may be held."""

    grace: timedelta
    hold: timedelta


class ReconciliationChores:
    """Implements reconciliation with PostgreSQL, the providers and Temporal. Memory is bounded by a page of each."""

    def __init__(
        self, sessions: Sessions, providers: PaymentProviders, standings: Standings, starts: Starts, patience: Patience
    ) -> None:
        self._sessions = sessions
        self._providers = providers
        self._standings = standings
        self._starts = starts
        self._patience = patience

    @activity.defn(name=RECONCILE_LATEST)
    async def latest(self) -> int:
        """Compare all open orders and workflows and the latest payments; return how many things were put in order.

        Raises:
            ProviderUnavailableError, TemporarilyUnavailableError: a peer is away; the report stays without an end.
        """
        return await self._round(utc_now() - WINDOW)

    @activity.defn(name=RECONCILE_ALL)
    async def everything(self) -> int:
        """Compare the whole ledger as well; return how many things were put in order."""
        return await self._round(None)

    async def _round(self, since: datetime | None) -> int:
        """Compare once.

        First the workflows that have lost their order end, so that their payments are nobody's; then unpaid orders are
        given the payments that they have; only then are orders resumed, so that none pays again.
        """
        before = utc_now() - self._patience.grace
        hold = self._patience.hold
        adoption = Adoption(self._sessions, hold)
        peers = (self._sessions, self._standings, self._starts, adoption)
        async with heartbeats():
            journal = await Journal.begin(self._sessions, since)
            compared = OrderRound(*peers, hold=hold, before=before)
            await compared.strays(journal)
            for provider in self._providers:
                ledger = LedgerRound(*peers, providers=self._providers, provider=provider, hold=hold, before=before)
                await ledger.payments(journal, since)
            await compared.open_orders(journal)
            await journal.end(complete=since is None)
        return journal.healed
