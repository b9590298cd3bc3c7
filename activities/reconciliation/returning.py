"""Giving back a payment that no operation of ours stands for."""

from uuid import UUID

from temporalio import activity

from activities.ports import PaymentProvider
from activities.reconciliation.adopting import has_money
from activities.returning import give_back
from db.engine import Sessions
from db.reconciliation import returns
from domain.money import Money
from domain.order_ids import provider_key
from domain.provider_payments import ProviderPayment, ProviderRefusedError, RefundState
from models.reconciliation import ReturnState


class Returns:
    """Gives payments back: written down first, looked up before each call, and safe to repeat."""

    def __init__(self, sessions: Sessions, provider: PaymentProvider) -> None:
        self._sessions = sessions
        self._provider = provider

    async def give_back(self, order_id: UUID, payment: ProviderPayment) -> bool:
        """Let go what is reserved and refund what was taken. False: an operation has come to stand for the payment.

        Raises:
            ProviderRefusedError: the provider does not give it back; it is written down so.
            ProviderUnavailableError: the outcome is unknown; the next round looks it up.
        """
        name, reference = self._provider.name, payment.reference
        kept = Money(payment.captured - payment.refunded, payment.amount.currency)
        async with self._sessions.begin() as session:
            if not await returns.start(session, name, reference, order_id, kept):
                return False
        try:
            state = await self._give_back(f"{order_id}:return:{reference}", await self._provider.find(reference))
        except ProviderRefusedError as refused:
            async with self._sessions.begin() as session:
                await returns.finish(session, name, reference, ReturnState.REFUSED, refused.code)
            raise
        async with self._sessions.begin() as session:
            await returns.finish(session, name, reference, state)
        return True

    async def _give_back(self, key: str, payment: ProviderPayment) -> ReturnState:
        if has_money(payment) and payment.captured == 0:
            await self._provider.void(provider_key(f"{key}:void", activity.info().attempt), payment.reference)
            return ReturnState.VOIDED
        left = payment.captured - payment.refunded
        if left > 0:
            refund = await give_back(self._provider, key, payment, left)
            if refund.state is RefundState.FAILED:
                raise ProviderRefusedError("refund_failed")
        return ReturnState.REFUNDED if payment.captured else ReturnState.VOIDED
