"""Writing into the books the refunds that were ours and that the books have lost: the buyer has the money already."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from activities.reconciliation.adopting import ACTOR
from activities.returning import failed_refunds
from db import order_log, payments, refunds
from db.engine import Sessions
from db.reconciliation.books import Entry
from db.refunds import KnownRefund, LostRefund
from domain.order_ids import operation_of, refund_id_of, refund_key, refund_name
from domain.order_states import EventType
from domain.provider_payments import ProviderPayment, ProviderRefund, RefundState
from models.payments import PaymentOperationState

_RECONCILED = "reconciled"
_MOST_DIGITS = 10
"""Whoever has access to the provider's account can write any key, which must not stop a round."""


class LostRefunds:
    """Brings the books of an order that stands to what has become of its refunds. Money is moved by nobody here."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def adopt(self, order_id: UUID, payment: ProviderPayment, entry: Entry, provider: str) -> bool:
        """Note refunds that bear a key of the order's which its books do not know.

        False, and nothing is noted: they are not exactly what the provider has given back and the books do not say.
        """
        if entry.attempt is None or payment.captured != entry.captured:
            return False
        found = {refund_name(one.key or ""): one.amount for one in _of_order(order_id, payment)}
        async with self._sessions.begin() as session:
            known = await refunds.known(session, order_id)
            lost = {name: amount for name, amount in found.items() if not _is_known(name, payment.reference, known)}
            if not lost or sum(lost.values()) != payment.refunded - entry.refunded:
                return False
            for name, amount in lost.items():
                key, refund_id = operation_of(name), refund_id_of(name)
                refund = LostRefund(order_id, key, refund_id, entry.attempt, amount, provider, payment.reference)
                await self._note(session, refund)
        return True

    async def note_failed(self, payment: ProviderPayment) -> None:
        """Note refunds of an order that is over which have failed after they had succeeded: they can be made again."""
        async with self._sessions.begin() as session:
            await refunds.fail_late(session, failed_refunds(payment))

    async def _note(self, session: AsyncSession, refund: LostRefund) -> None:
        """Take the steps of a refund at once.

        Raises:
            RefundTooLargeError: the order has no place for it.
        """
        key, refund_id = await refunds.adopt(session, refund, actor=ACTOR, reason=_RECONCILED)
        await payments.finish(session, key, PaymentOperationState.SUCCEEDED)
        await refunds.settle(session, refund_id)
        await order_log.annotate(session, refund.order_id, EventType.REFUNDED, actor=ACTOR, reason=_RECONCILED)


def _is_known(name: str, reference: str, known: Sequence[KnownRefund]) -> bool:
    """Tell whether the books know a refund of a payment: under its own name, or under the number that it was given.

    The number alone tells no two refunds apart: after a restore the next one has the number of the one that was lost.
    """
    if name in {one.key for one in known} | {refund_key(one.key, one.refund_id) for one in known}:
        return True
    refund_id = refund_id_of(name)
    return refund_id is not None and (refund_id, reference) in {(one.refund_id, one.reference) for one in known}


def _of_order(order_id: UUID, payment: ProviderPayment) -> list[ProviderRefund]:
    """List the refunds that have succeeded and bear the key of an operation of the order."""
    succeeded = [one for one in payment.refunds if one.state is RefundState.SUCCEEDED]
    return [one for one in succeeded if _names(operation_of(one.key or ""), f"{order_id}:refund:")]


def _names(key: str, operation: str) -> bool:
    n = key.removeprefix(operation)
    return n != key and n.isascii() and n.isdecimal() and len(n) < _MOST_DIGITS
