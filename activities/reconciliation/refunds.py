"""Writing into the books the refunds that were ours and that the books have lost: the buyer has the money already."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from activities.reconciliation.adopting import ACTOR
from db import order_log, payments, refunds
from db.engine import Sessions
from db.reconciliation.books import Entry
from db.refunds import LostRefund
from domain.order_ids import operation_of
from domain.order_states import EventType
from domain.provider_payments import ProviderPayment, ProviderRefund, RefundState
from models.payments import PaymentOperationState

_RECONCILED = "reconciled"
_MOST_DIGITS = 10
"""Whoever has access to the provider's account can write any key, which must not stop a round."""


class LostRefunds:
    """Adopts refunds of an order that stands. Money is moved by nobody here."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def adopt(self, order_id: UUID, payment: ProviderPayment, entry: Entry, provider: str) -> bool:
        """Note refunds that bear a key of the order's which its books do not know.

        False, and nothing is noted: they are not exactly what the provider has given back and the books do not say.
        """
        if entry.attempt is None or payment.captured != entry.captured:
            return False
        found = {operation_of(one.key or ""): one for one in _of_order(order_id, payment)}
        async with self._sessions.begin() as session:
            lost = {key: found[key].amount for key in await refunds.unknown(session, list(found))}
            if not lost or sum(lost.values()) != payment.refunded - entry.refunded:
                return False
            for key, amount in lost.items():
                refund = LostRefund(order_id, key, entry.attempt, amount, provider, payment.reference)
                await self._note(session, refund)
        return True

    async def _note(self, session: AsyncSession, refund: LostRefund) -> None:
        """Take the steps of a refund at once.

        Raises:
            RefundTooLargeError: the order has no place for it.
        """
        refund_id = await refunds.adopt(session, refund, actor=ACTOR, reason=_RECONCILED)
        await payments.finish(session, refund.key, PaymentOperationState.SUCCEEDED)
        await refunds.settle(session, refund_id)
        await order_log.annotate(session, refund.order_id, EventType.REFUNDED, actor=ACTOR, reason=_RECONCILED)


def _of_order(order_id: UUID, payment: ProviderPayment) -> list[ProviderRefund]:
    """List the refunds that have succeeded and bear the key of an operation of the order."""
    succeeded = [one for one in payment.refunds if one.state is RefundState.SUCCEEDED]
    return [one for one in succeeded if _names(operation_of(one.key or ""), f"{order_id}:refund:")]


def _names(key: str, operation: str) -> bool:
    n = key.removeprefix(operation)
    return n != key and n.isascii() and n.isdecimal() and len(n) < _MOST_DIGITS
