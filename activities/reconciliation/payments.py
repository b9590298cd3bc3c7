"""The provider's ledger beside the books: every payment of ours is known, and what is over keeps no money."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from activities.ports import PaymentProvider
from activities.providers import PaymentProviders
from activities.reconciliation.adopting import ACTOR, Adoption, attempt_of, has_money
from activities.reconciliation.burying import bury
from activities.reconciliation.journal import Journal
from activities.reconciliation.ports import Standings, Starts
from activities.reconciliation.refunds import LostRefunds
from activities.reconciliation.returning import Returns
from activities.reconciliation.rounds import Round
from activities.reversals import Reversals
from contracts.orders import Cancel, PaymentEvent
from contracts.payments import Reversal
from db.engine import Sessions
from db.reconciliation import books
from db.reconciliation.books import Entry, OrderStanding
from db.reconciliation.reports import NewFinding
from domain.errors import NotFoundError
from domain.order_states import ENDED, UNPAID, UNPLACED_ENDS, PaymentStatus
from domain.payment_events import PaymentEventType
from domain.provider_payments import ProviderPayment, ProviderUnavailableError
from domain.reconciliation import UNDOING, FindingKind
from models.reconciliation import ReturnState

_PAGE = 100


class LedgerRound(Round):
    """Compares the payments of one provider, a page at a time. Those that name no order of ours are another program's.

    The provider is read before the books: an order and its operation are written before a payment is authorised, so a
    payment that is unknown then was lost from the books. Where an order has a workflow that runs, it alone moves money.
    """

    def __init__(
        self,
        sessions: Sessions,
        standings: Standings,
        starts: Starts,
        adoption: Adoption,
        *,
        providers: PaymentProviders,
        provider: PaymentProvider,
        hold: timedelta,
        before: datetime,
    ) -> None:
        super().__init__(sessions, standings, starts, adoption, hold=hold, before=before)
        self._provider = provider
        self._lost_refunds = LostRefunds(sessions)
        self._returns = Returns(sessions, provider)
        self._reversals = Reversals(sessions, providers)

    async def payments(self, journal: Journal, since: datetime | None) -> None:
        """Compare every payment that was made since then.

        Raises:
            ProviderUnavailableError: the ledger can not be read.
        """
        async for page in _pages(self._provider.ledger(since)):
            ours = [(payment.reference, order_id) for payment, order_id in page]
            async with self._sessions.begin() as session:
                entries = await books.entries(session, self._provider.name, ours, before=self._before)
            for payment, order_id in page:
                entry = entries[payment.reference]
                journal.add_sums(payment, entry.captured, entry.refunded)
                async with journal.carefully(order_id, payment.reference):
                    await self._compare(order_id, payment, entry, journal)

    async def _compare(self, order_id: UUID, payment: ProviderPayment, entry: Entry, journal: Journal) -> None:
        if entry.attempt is None:
            died = entry.returned is ReturnState.STARTED  # an earlier round, after it had given the payment back
            if (died or has_money(payment)) and not await self._place_found(order_id, payment, entry, journal):
                await self._return(order_id, payment, journal)
        elif entry.order is not None and entry.order.at_rest and (not entry.started or _owes(entry)):
            await self._compare_known(order_id, payment, entry, entry.order, journal)

    async def _place_found(self, order_id: UUID, payment: ProviderPayment, entry: Entry, journal: Journal) -> bool:
        """Tell whether a payment that the books do not know is to be left alone: now, to a workflow, or to a person."""
        order = entry.order
        if entry.returned is not None:
            return False
        if order is None or order.status in UNPLACED_ENDS:
            workflow = await self._standings.one(order_id)
            if workflow is not None and workflow.running:
                return True
            if order is None:
                await bury(self._sessions, order_id, workflow.cart_id if workflow else None)
            return False
        if not order.at_rest:
            return True
        if order.status in UNPAID:
            return await self._adopted(order_id, payment, journal)
        return await self._left_to_a_person(order_id, payment, order, journal)

    async def _adopted(self, order_id: UUID, payment: ProviderPayment, journal: Journal) -> bool:
        """Note the payment on its unpaid order, which then goes on from its row and finds it."""
        if not await self._adoption.adopt(order_id, payment, self._provider.name):
            return False
        workflow = await self._standings.one(order_id)
        told = Cancel("reconciled", ACTOR) if workflow and workflow.status in UNDOING else None
        await self._starts.begin_anew(replace(await self._adoption.start(order_id), hold=self._hold), told=told)
        await journal.heal(_finding(FindingKind.PAYMENT_ADOPTED, order_id, payment))
        return True

    async def _left_to_a_person(
        self, order_id: UUID, payment: ProviderPayment, order: OrderStanding, journal: Journal
    ) -> bool:
        """Park a later authorisation of an order that is paid for: it may be what its next shipment is paid with."""
        attempt = attempt_of(order_id, payment)
        if attempt is not None and attempt <= order.payment_attempt:
            return False
        await journal.park(_finding(FindingKind.AMOUNT_DIFFERS, order_id, payment))
        return True

    async def _return(self, order_id: UUID, payment: ProviderPayment, journal: Journal) -> None:
        if await self._returns.give_back(order_id, payment):
            await journal.heal(_finding(FindingKind.PAYMENT_RETURNED, order_id, payment))

    async def _compare_known(
        self, order_id: UUID, payment: ProviderPayment, entry: Entry, order: OrderStanding, journal: Journal
    ) -> None:
        if order.status in UNPLACED_ENDS and (has_money(payment) or _owes(entry)):
            await self._reverse(order_id, payment, entry, journal)
        elif (payment.captured, payment.refunded) != (entry.captured, entry.refunded):
            if await self._lost_refunds.adopt(order_id, payment, entry, self._provider.name):
                await journal.heal(_finding(FindingKind.REFUND_ADOPTED, order_id, payment))
                return
            if order.status in ENDED:
                await self._lost_refunds.note_failed(payment)
            await self._tell(order_id, payment, PaymentEventType.CHANGED, order)
            await journal.park(_finding(FindingKind.AMOUNT_DIFFERS, order_id, payment))
        elif payment.disputed and entry.payment_status is not PaymentStatus.DISPUTED:
            told = await self._tell(order_id, payment, PaymentEventType.DISPUTED, order)
            if not told:
                await journal.park(_finding(FindingKind.DISPUTE_UNKNOWN, order_id, payment))

    async def _reverse(self, order_id: UUID, payment: ProviderPayment, entry: Entry, journal: Journal) -> None:
        """Give back what an order that is over still has; one whose workflow runs is being seen to."""
        workflow = await self._standings.one(order_id)
        if entry.attempt is None or (workflow is not None and workflow.running):
            return
        given_back = await self._reversals.reverse(order_id, entry.attempt)
        if given_back.reversal is Reversal.UNDER_WAY:
            raise ProviderUnavailableError("the refund is under way")
        await journal.heal(_finding(FindingKind.PAYMENT_OF_ENDED_ORDER, order_id, payment))

    async def _tell(
        self, order_id: UUID, payment: ProviderPayment, type_: PaymentEventType, order: OrderStanding
    ) -> bool:
        """Have the order's workflow look at its payment. False: it is over."""
        if order.status in ENDED:
            return False
        try:
            await self._starts.payment_event(
                order_id, PaymentEvent(payment.reference, type_, provider=self._provider.name)
            )
        except NotFoundError:
            return False
        return True


def _owes(entry: Entry) -> bool:
    """Tell whether an order that is over is still giving money back."""
    return entry.started and entry.order is not None and entry.order.status in UNPLACED_ENDS


def _finding(kind: FindingKind, order_id: UUID, payment: ProviderPayment) -> NewFinding:
    reserved = payment.capturable or (payment.amount.amount if payment.captured == 0 else 0)
    amount = payment.captured - payment.refunded or reserved
    return NewFinding(kind, order_id, payment.reference, amount, payment.amount.currency)


async def _pages(ledger: AsyncIterator[ProviderPayment]) -> AsyncIterator[Sequence[tuple[ProviderPayment, UUID]]]:
    """Cut a ledger into pages, and leave out what is another program's."""
    page: list[tuple[ProviderPayment, UUID]] = []
    async for payment in ledger:
        if payment.order_id is not None:
            page.append((payment, payment.order_id))
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
