"""Giving back whatever an attempt to pay has taken, or may still take: the one undo of authorising and capturing.

First the books forbid what has not begun, then the provider is asked: what is reserved is let go, and what was captured
and not refunded yet is refunded. What is refunded already, by whomever, is found and not refunded again.
"""

from uuid import UUID

from temporalio import activity

from activities.ports import PaymentProvider
from activities.providers import PaymentProviders
from activities.returning import failed_refunds, give_back, refund_of
from contracts.failures import refusal
from contracts.payments import PaymentReversed, Reversal
from db import payments, refunds
from db.engine import Sessions, single_statements
from db.payments import Operation
from domain.order_ids import operation_key, provider_key, refund_key
from domain.provider_payments import (
    ProviderCapture,
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefundState,
)
from models.payments import PaymentOperationKind as Kind
from models.payments import PaymentOperationState as State


class Reversals:
    """Reverses one attempt, with the provider that it was made with."""

    def __init__(self, sessions: Sessions, providers: PaymentProviders) -> None:
        self._sessions = sessions
        self._statements = single_statements(sessions)
        self._providers = providers

    async def reverse(self, order_id: UUID, attempt: int) -> PaymentReversed:
        """Fence the attempt, then give back what it has taken.

        After the fence no authorisation can note a reference, and none is confirmed without one; a payment that is
        known is cancelled at the provider, which refuses whatever still arrives.

        Raises:
            ApplicationError: `refund_refused`: an operator has to look at it.
            ProviderUnavailableError: it is not known yet whether everything was given back.
        """
        async with self._sessions.begin() as session:
            provider = await payments.provider(session, order_id, attempt)
            authorised = await payments.fence(session, order_id, Kind.AUTHORISE, attempt, provider)
            await payments.fence_captures(session, order_id, attempt, provider)
        if authorised is None or authorised.reference is None:
            return PaymentReversed(Reversal.NOTHING_TAKEN)
        payment = await self._providers.named(authorised.provider).find(authorised.reference)
        if payment.state is not ProviderPaymentState.CAPTURED:
            payment = await self.let_go(authorised, payment)
        if payment.state is ProviderPaymentState.CAPTURED:
            return await self._refund(authorised, payment)
        return PaymentReversed(Reversal.VOIDED)

    async def let_go(self, authorised: Operation, payment: ProviderPayment) -> ProviderPayment:
        """Let go what is reserved at the provider; a payment that was captured meanwhile is returned as it is."""
        provider = self._providers.named(authorised.provider)
        async with self._statements() as session:
            operation = await payments.start(
                session,
                authorised.order_id,
                Kind.VOID,
                authorised.attempt,
                amount=payment.amount,
                provider=authorised.provider,
                reference=payment.reference,
            )
        if payment.state is not ProviderPaymentState.CANCELLED:
            try:
                payment = await provider.void(self._key(operation), payment.reference)
            except ProviderRefusedError:
                payment = await provider.find(payment.reference)
        if payment.state is ProviderPaymentState.CANCELLED or _rest_was_let_go(payment):
            async with self._statements() as session:
                await payments.finish(session, operation.key, State.SUCCEEDED)
        elif payment.state is not ProviderPaymentState.CAPTURED:
            raise ProviderUnavailableError
        return payment

    async def let_go_rest(self, order_id: UUID, attempt: int) -> PaymentReversed:
        """Let go what an attempt reserves and nothing captures any more; what it has captured is kept.

        Raises:
            ProviderUnavailableError: it is not known yet whether it was let go.
        """
        async with self._statements() as session:
            authorised = await payments.find(session, order_id, Kind.AUTHORISE, attempt)
        if authorised is None or authorised.reference is None:
            return PaymentReversed(Reversal.NOTHING_TAKEN)
        payment = await self._providers.named(authorised.provider).find(authorised.reference)
        payment = await self.let_go(authorised, payment)
        if payment.state is ProviderPaymentState.CAPTURED and not _rest_was_let_go(payment):
            async with self._statements() as session:  # somebody has captured it all: the look-up tells
                await payments.finish(session, operation_key(order_id, Kind.VOID, attempt), State.ABANDONED)
            return PaymentReversed(Reversal.NOTHING_TAKEN)
        return PaymentReversed(Reversal.VOIDED)

    async def _refund(self, authorised: Operation, payment: ProviderPayment) -> PaymentReversed:
        """Refund what is left of all that was captured. The provider never gives back more, however often asked.

        A refund that the books took for done and that has failed since is part of what is left.
        """
        order_id, attempt = authorised.order_id, authorised.attempt
        async with self._sessions.begin() as session:
            await refunds.fail_late(session, failed_refunds(payment))
            for capture in _captures(order_id, attempt, payment):
                await payments.learn_captured(session, capture.key, capture.amount, payment.reference)
            await payments.finish(session, operation_key(order_id, Kind.VOID, attempt), State.ABANDONED)
        while operation := await self._next_refund(order_id, attempt):
            provider = self._providers.named(operation.provider)
            if not await self._give_back(provider, operation, await provider.find(payment.reference)):
                return PaymentReversed(Reversal.UNDER_WAY)
        return PaymentReversed(Reversal.REFUNDED, payment.captured)

    async def _next_refund(self, order_id: UUID, attempt: int) -> Operation | None:
        async with self._sessions.begin() as session:
            return await refunds.start_rest(session, order_id, attempt)

    async def _give_back(self, provider: PaymentProvider, operation: Operation, payment: ProviderPayment) -> bool:
        """Carry one refund out, less what was given back by hand. False: it is under way.

        Raises:
            ApplicationError: `refund_refused`.
            ProviderUnavailableError: the outcome is unknown.
        """
        state = RefundState.SUCCEEDED
        key = refund_key(operation.key, operation.refund_id)
        known = refund_of(payment, key)
        amount = min(operation.amount.amount, payment.captured - payment.refunded)
        try:
            if known or amount > 0:
                state = (await give_back(provider, key, payment, amount)).state
        except ProviderRefusedError as refused:
            payment = await provider.find(payment.reference)
            if payment.refunded < payment.captured:
                await self._finish(operation, State.DECLINED, refused.code)
                raise refusal("refund_refused", "The payment provider refuses the refund.") from refused
        if state is RefundState.PENDING:
            return False
        if state is RefundState.FAILED:
            await self._finish(operation, State.DECLINED, state)
            raise refusal("refund_refused", "The refund has failed at the payment provider.")
        await self._finish(operation, State.SUCCEEDED)
        return True

    async def _finish(self, operation: Operation, state: State, code: str | None = None) -> None:
        async with self._statements() as session:
            await payments.finish(session, operation.key, state, code)

    def _key(self, operation: Operation) -> str:
        return provider_key(operation.key, activity.info().attempt)


def _rest_was_let_go(payment: ProviderPayment) -> bool:
    """Tell whether a part was captured, and the rest is reserved no more."""
    return payment.state is ProviderPaymentState.CAPTURED and payment.captured < payment.amount.amount


def _captures(order_id: UUID, attempt: int, payment: ProviderPayment) -> tuple[ProviderCapture, ...]:
    """List what was captured; a provider that does not tell captures apart has made the one of this attempt."""
    whole = ProviderCapture(operation_key(order_id, Kind.CAPTURE, attempt), payment.captured)
    return payment.captures or (whole,)
