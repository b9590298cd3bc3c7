"""Noting on an unpaid order the payment that the provider has of it and the books have lost."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import PlaceOrder
from db import order_log, orders, payments
from db.engine import Sessions
from db.reconciliation import books
from domain.order_ids import operation_key
from domain.order_states import UNPAID, EventType, OrderStatus
from domain.provider_payments import ProviderPayment, ProviderPaymentState
from models.columns import utc_now
from models.payments import PaymentOperationKind, PaymentOperationState

ACTOR = "reconciliation"
_AUTHORISE = PaymentOperationKind.AUTHORISE


class Adoption:
    """Adopts payments, so that an order which goes on from its row finds them and asks for no other."""

    def __init__(self, sessions: Sessions, hold: timedelta) -> None:
        self._sessions = sessions
        self._hold = hold

    async def adopt(self, order_id: UUID, payment: ProviderPayment, provider: str) -> bool:
        """Note a provider's payment as the authorisation that its key names. False: the order has no place for it."""
        attempt = attempt_of(order_id, payment)
        if attempt is None:
            return False
        async with self._sessions.begin() as session:
            known = await books.entries(session, provider, [(payment.reference, order_id)], before=utc_now())
            entry = known[payment.reference]
            if entry.attempt is not None or entry.returned is not None or entry.order is None:
                return False
            if entry.order.status not in UNPAID or attempt < entry.order.payment_attempt:
                return False
            if not await _is_free(session, order_id, attempt):
                return False
            await _bring_to(session, order_id, entry.order, attempt, self._hold)
            return await _note(session, order_id, attempt, payment, provider)

    async def start(self, order_id: UUID) -> PlaceOrder:
        """Return what starts a workflow that goes on from the order's row.

        Raises:
            NotFoundError: it has no row.
        """
        async with self._sessions.begin() as session:
            return await orders.restart(session, order_id)


def has_money(payment: ProviderPayment) -> bool:
    """Tell whether a payment holds or keeps money."""
    authorised = payment.state is ProviderPaymentState.AUTHORISED
    return authorised or payment.capturable > 0 or payment.captured > payment.refunded


def attempt_of(order_id: UUID, payment: ProviderPayment) -> int | None:
    """Read out of a payment's key which attempt of the order it was made for."""
    order, operation, attempt, *_ = [*(payment.key or "").split(":"), "", "", ""]
    mine = order == str(order_id) and operation == _AUTHORISE and attempt.isascii() and attempt.isdecimal()
    return int(attempt) if mine else None


async def _is_free(session: AsyncSession, order_id: UUID, attempt: int) -> bool:
    """Tell whether an attempt is about no payment yet, and may still be."""
    found = await payments.find(session, order_id, _AUTHORISE, attempt)
    return found is None or (found.reference is None and found.state is PaymentOperationState.STARTED)


async def _note(session: AsyncSession, order_id: UUID, attempt: int, payment: ProviderPayment, provider: str) -> bool:
    await payments.start(
        session,
        order_id,
        _AUTHORISE,
        attempt,
        amount=payment.amount,
        provider=provider,
        reference=payment.reference,
        keeps=payment.buyer is not None,
    )
    key = operation_key(order_id, _AUTHORISE, attempt)
    return await payments.attach(session, key, payment.reference) == payment.reference


async def _bring_to(
    session: AsyncSession, order_id: UUID, order: books.OrderStanding, attempt: int, hold: timedelta
) -> None:
    """Take the steps that an unpaid order had taken before it came to this attempt."""
    if order.status is OrderStatus.PENDING and order.payment_attempt == attempt:
        return
    if order.status is OrderStatus.PENDING:
        declined = EventType.PAYMENT_DECLINED
        await order_log.advance(session, order_id, declined, actor=ACTOR, reason=ACTOR, deadline=utc_now() + hold)
    retried = EventType.PAYMENT_RETRIED
    await order_log.advance(session, order_id, retried, actor=ACTOR, reason=ACTOR, attempt=attempt)
