"""Payments that people confirm: transfers to the shop's bank, and cash at the door.

Nobody else's program knows of them. What a provider would keep is kept in the shop's own book (`manual_payments`), and
staff say what has happened (`db.confirmations`), as a provider's events do.
"""

# ruff: noqa: ARG002 - the arguments are those of the port

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

from db import manual_payments
from db.engine import Sessions, single_statements
from db.manual_payments import ManualPaymentRow, ManualRefundRow
from domain.money import Money
from domain.payment_methods import AWAITING_TRANSFER, MANUAL, way_of
from domain.provider_payments import (
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefund,
    ProviderRefusedError,
    RefundState,
    SavedMethod,
)
from models.manual_payments import ManualPaymentState, ManualRefundState

_PAGE = 100

_STATES = {
    ManualPaymentState.PREPARED: ProviderPaymentState.PREPARED,
    ManualPaymentState.AWAITED: ProviderPaymentState.ACTION_REQUIRED,
    ManualPaymentState.PROMISED: ProviderPaymentState.AUTHORISED,
    ManualPaymentState.RECEIVED: ProviderPaymentState.CAPTURED,
    ManualPaymentState.CANCELLED: ProviderPaymentState.CANCELLED,
    ManualPaymentState.LATE: ProviderPaymentState.CANCELLED,
}
_REFUND_STATES = {
    ManualRefundState.OWED: RefundState.PENDING,
    ManualRefundState.PAID: RefundState.SUCCEEDED,
}


class ManualProvider:
    """The port of payment providers over the shop's own book.

    `patience` is how long a transfer is awaited. A refund is owed until somebody confirms that it was paid.
    """

    name = MANUAL

    def __init__(self, sessions: Sessions, patience: timedelta = timedelta(days=7)) -> None:
        self._sessions = sessions
        self._statements = single_statements(sessions)
        self._patience = patience

    # Payments ---------------------------------------------------------------------------------------------------------

    async def prepare(
        self, key: str, order_id: UUID, total: Money, *, buyer: str | None = None, keep: bool = False
    ) -> str:
        """Write a payment down that nobody was told of, and return what a buyer would write on the transfer.

        Raises:
            ProviderRefusedError: there is no such order.
        """
        async with self._sessions.begin() as session:
            reference = await manual_payments.prepare(session, key, order_id, total)
        if reference is None:
            raise ProviderRefusedError("unknown_order")
        return reference

    async def authorise(
        self, key: str, reference: str, payment_method: str, *, off_session: bool = False
    ) -> ProviderPayment:
        """Await the transfer (`ACTION_REQUIRED`), or take the promise to pay at the door (`AUTHORISED`).

        Raises:
            ProviderRefusedError: the payment was given up.
        """
        async with self._statements() as session:
            await manual_payments.authorise(session, reference, way_of(payment_method), self._patience)
        return _live(await self.find(reference))

    async def capture(self, key: str, reference: str, amount: Money, *, last: bool = True) -> ProviderPayment:
        """Take what was promised: the goods were handed over for it. A transfer is taken by its arrival alone.

        Raises:
            ProviderRefusedError: nothing is promised (any more), or it is another amount.
        """
        async with self._statements() as session:
            collected = await manual_payments.collect(session, reference, amount)
        if not collected:
            raise ProviderRefusedError("not_promised")
        return await self.find(reference)

    async def void(self, key: str, reference: str) -> ProviderPayment:
        """Give a payment up: whatever arrives for it afterwards is owed to the buyer.

        Raises:
            ProviderRefusedError: the money is here, so it has to be refunded.
        """
        async with self._statements() as session:
            await manual_payments.cancel(session, reference)
        payment = await self.find(reference)
        if payment.state is not ProviderPaymentState.CANCELLED:
            raise ProviderRefusedError("received")
        return payment

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderRefund:
        """Note that money is owed to the buyer: `PENDING` until somebody has paid it and says so.

        Raises:
            ProviderRefusedError: less than that is here.
        """
        async with self._sessions.begin() as session:
            owed = await manual_payments.owe(session, reference, key, amount)
        if owed is None:
            raise ProviderRefusedError("more_than_received")
        return _refund(owed)

    # Looking up -------------------------------------------------------------------------------------------------------

    async def find(self, reference: str) -> ProviderPayment:
        """Look one payment up.

        Raises:
            ProviderRefusedError: there is none.
        """
        async with self._statements() as session:
            found = await manual_payments.find(session, reference)
        if found is None:
            raise ProviderRefusedError("unknown_payment")
        return _payment(found)

    async def ledger(self, since: datetime | None = None) -> AsyncIterator[ProviderPayment]:
        """List every payment, newest first: of the shop's own book, which loses what a restored database has lost."""
        last: ManualPaymentRow | None = None
        while True:
            async with self._statements() as session:
                rows = await manual_payments.page(session, since=since, before=last, limit=_PAGE)
            for row in rows:
                yield _payment(row)
            if len(rows) < _PAGE:
                return
            last = rows[-1]

    # Buyers -----------------------------------------------------------------------------------------------------------

    async def save_method(self, key: str, buyer: str, payment_method: str) -> SavedMethod:
        """Refuse: there is nothing to leave.

        Raises:
            ProviderRefusedError: always.
        """
        raise ProviderRefusedError("nothing_to_save")

    async def saved_methods(self, buyer: str) -> list[SavedMethod]:
        """List nothing."""
        return []

    async def forget_buyer(self, buyer: str) -> None:
        """Do nothing: nobody is kept."""


def _live(payment: ProviderPayment) -> ProviderPayment:
    if payment.state is ProviderPaymentState.CANCELLED:
        raise ProviderRefusedError("cancelled")
    return payment


def _payment(row: ManualPaymentRow) -> ProviderPayment:
    state, amount = _STATES[row.state], row.amount.amount
    awaited = row.state is ManualPaymentState.AWAITED
    return ProviderPayment(
        reference=row.reference,
        order_id=row.order_id,
        state=state,
        amount=row.amount,
        captured=amount if state is ProviderPaymentState.CAPTURED else 0,
        refunded=sum(refund.amount for refund in row.refunds),
        decline_code=AWAITING_TRANSFER if awaited else None,
        key=row.key,
        capturable=amount if state is ProviderPaymentState.AUTHORISED else 0,
        action_until=row.awaited_until if awaited else None,
        refunds=tuple(_refund(refund) for refund in row.refunds),
        method=row.way,
    )


def _refund(row: ManualRefundRow) -> ProviderRefund:
    return ProviderRefund(str(row.id), row.key, row.amount, _REFUND_STATES[row.state])
