"""Taking and giving back money: authorise and capture, and the one undo for both.

Each operation is a row that is written before the provider is called. An unknown outcome (no answer, a 5xx) ends the
attempt; the next one finds the row, looks the payment up, and only then asks again. What makes each effect happen once
is the provider's payment itself, which can be authorised and captured only once; idempotency keys are a convenience.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.ports import PaymentProvider
from activities.refusals import refusals
from contracts import payments as contract
from contracts.failures import refusal
from contracts.payments import (
    AuthorisePayment,
    CapturePayment,
    PaymentAnswer,
    PaymentDecision,
    PaymentReversed,
    Reversal,
    ReversePayment,
)
from db import payments
from db.engine import Sessions, single_statements
from db.payments import Operation
from domain.money import Money
from domain.order_ids import operation_key
from domain.provider_payments import (
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from models.payments import PaymentOperationKind as Kind
from models.payments import PaymentOperationState as State

_STUBBORN = 3
"""Tries with one idempotency key. A provider may save a failure under a key and replay it for ever."""


class PaymentActivities(contract.PaymentActivities):
    """Implements the payment steps with a provider and PostgreSQL; no transaction is open during a call."""

    def __init__(self, sessions: Sessions, provider: PaymentProvider) -> None:
        self._sessions = sessions
        self._statements = single_statements(sessions)
        self._provider = provider

    # Do -------------------------------------------------------------------------------------------------------------

    @activity.defn(name="payments.authorise")
    async def authorise(self, request: AuthorisePayment) -> PaymentAnswer:
        """Authorise once. A decline is an answer."""
        async with _provider_step():
            operation = await self._begin(request.order_id, Kind.AUTHORISE, request.attempt, request.total)
            if operation.state is not State.STARTED:
                return _answer_of(operation)
            try:
                payment = await self._authorise(operation, request.payment_method)
            except ProviderRefusedError as refused:
                return await self._finish(operation, State.DECLINED, refused.code)
            if payment is None:
                return await self._overtaken(operation)
            return await self._conclude(operation, payment, ProviderPaymentState.AUTHORISED)

    async def _authorise(self, operation: Operation, payment_method: str) -> ProviderPayment | None:
        """Create the payment, note its reference, then confirm it; or look up what an earlier try has done.

        None: the operation was finished or fenced before the reference could be noted.
        """
        reference = operation.reference
        if reference is None:
            prepared = await self._provider.prepare(_key(operation), operation.order_id, operation.amount)
            async with self._statements() as session:
                reference = await payments.attach(session, operation.key, prepared)
            if reference is None:
                return None
        else:
            found = await self._provider.find(reference)
            if found.state is not ProviderPaymentState.PREPARED:
                return found
        try:
            return await self._provider.authorise(_key(operation), reference, payment_method)
        except ProviderRefusedError:
            found = await self._provider.find(reference)
            if found.state is ProviderPaymentState.PREPARED:
                raise
            return found

    @activity.defn(name="payments.capture")
    async def capture(self, request: CapturePayment) -> PaymentAnswer:
        """Capture once what was authorised."""
        async with _provider_step():
            async with self._statements() as session:
                authorised = await payments.find(session, request.order_id, Kind.AUTHORISE, request.attempt)
            if authorised is None or authorised.state is not State.SUCCEEDED:
                raise _fenced("an authorisation that did not succeed")
            operation = await self._begin(
                request.order_id, Kind.CAPTURE, request.attempt, request.total, authorised.reference
            )
            if operation.state is not State.STARTED:
                return _answer_of(operation)
            return await self._conclude(operation, await self._capture(operation), ProviderPaymentState.CAPTURED)

    async def _capture(self, operation: Operation) -> ProviderPayment:
        reference = operation.reference or ""
        if not operation.fresh:
            found = await self._provider.find(reference)
            if found.state is not ProviderPaymentState.AUTHORISED:
                return found
        try:
            return await self._provider.capture(_key(operation), reference, operation.amount)
        except ProviderRefusedError:
            return await self._provider.find(reference)

    async def _conclude(
        self, operation: Operation, payment: ProviderPayment, hoped: ProviderPaymentState
    ) -> PaymentAnswer:
        """Write down what the provider has answered; an answer that is not final yet is looked up again later."""
        if payment.state in {hoped, ProviderPaymentState.CAPTURED}:
            return await self._finish(operation, State.SUCCEEDED)
        if payment.state is ProviderPaymentState.ACTION_REQUIRED:
            return await self._finish(operation, State.DECLINED, "authentication_required")
        if payment.state in {ProviderPaymentState.DECLINED, ProviderPaymentState.CANCELLED}:
            return await self._finish(operation, State.DECLINED, payment.decline_code or payment.state)
        raise ProviderUnavailableError

    async def _finish(self, operation: Operation, state: State, code: str | None = None) -> PaymentAnswer:
        async with self._statements() as session:
            finished = await payments.finish(session, operation.key, state, code)
        return _answer_of(replace(operation, state=state, code=code)) if finished else await self._overtaken(operation)

    async def _overtaken(self, operation: Operation) -> PaymentAnswer:
        """Answer as the row says by now: another try has finished the operation, or its undo has run."""
        async with self._statements() as session:
            found = await payments.find(session, operation.order_id, operation.operation, operation.attempt)
        return _answer_of(found or operation)

    # Undo -----------------------------------------------------------------------------------------------------------

    @activity.defn(name="payments.reverse")
    async def reverse(self, request: ReversePayment) -> PaymentReversed:
        """Fence the attempt, then give back what it has taken.

        After the fence no authorisation can note a reference, and none is confirmed without one; a payment that is
        known is cancelled at the provider, which refuses whatever still arrives.
        """
        async with _provider_step():
            name = self._provider.name
            async with self._sessions.begin() as session:
                authorised = await payments.fence(session, request.order_id, Kind.AUTHORISE, request.attempt, name)
                await payments.fence(session, request.order_id, Kind.CAPTURE, request.attempt, name)
            if authorised is None or authorised.reference is None:
                return PaymentReversed(Reversal.NOTHING_TAKEN)
            payment = await self._provider.find(authorised.reference)
            if payment.state is not ProviderPaymentState.CAPTURED:
                payment = await self._void(request, payment)
            if payment.state is ProviderPaymentState.CAPTURED:
                return await self._refund(request, payment)
            return PaymentReversed(Reversal.VOIDED)

    async def _void(self, request: ReversePayment, payment: ProviderPayment) -> ProviderPayment:
        """Cancel a payment at the provider; one that was captured meanwhile is returned as it is."""
        operation = await self._begin(request.order_id, Kind.VOID, request.attempt, payment.amount, payment.reference)
        if payment.state is not ProviderPaymentState.CANCELLED:
            try:
                payment = await self._provider.void(_key(operation), payment.reference)
            except ProviderRefusedError:
                payment = await self._provider.find(payment.reference)
        if payment.state is ProviderPaymentState.CANCELLED:
            async with self._statements() as session:
                await payments.finish(session, operation.key, State.SUCCEEDED)
        elif payment.state is not ProviderPaymentState.CAPTURED:
            raise ProviderUnavailableError
        return payment

    async def _refund(self, request: ReversePayment, payment: ProviderPayment) -> PaymentReversed:
        """Refund all that was captured. The provider never gives back more, however often it is asked."""
        whole = Money(payment.captured, payment.amount.currency)
        async with self._sessions.begin() as session:
            await payments.learn_captured(session, request.order_id, request.attempt, payment.reference)
            await payments.finish(session, operation_key(request.order_id, Kind.VOID, request.attempt), State.ABANDONED)
        operation = await self._begin(request.order_id, Kind.REFUND, request.attempt, whole, payment.reference)
        left = payment.captured - payment.refunded
        if left > 0:
            try:
                await self._provider.refund(_key(operation), payment.reference, Money(left, whole.currency))
            except ProviderRefusedError as refused:
                await self._require_refunded(payment.reference, refused)
        async with self._statements() as session:
            await payments.finish(session, operation.key, State.SUCCEEDED)
        return PaymentReversed(Reversal.REFUNDED, whole.amount)

    async def _require_refunded(self, reference: str, refused: ProviderRefusedError) -> None:
        """Accept a refusal only when everything was given back already; else an operator has to look at it.

        Raises:
            ApplicationError: `refund_refused`, for good.
        """
        payment = await self._provider.find(reference)
        if payment.refunded < payment.captured:
            raise refusal("refund_refused", "The payment provider refuses the refund.") from refused

    async def _begin(
        self, order_id: UUID, kind: Kind, attempt: int, amount: Money, reference: str | None = None
    ) -> Operation:
        """Write an operation down before its provider is called, or find what is written already."""
        async with self._statements() as session:
            return await payments.start(
                session, order_id, kind, attempt, amount=amount, provider=self._provider.name, reference=reference
            )


@asynccontextmanager
async def _provider_step() -> AsyncIterator[None]:
    """Show signs of life while the provider is asked; what it refuses for good is for an operator."""
    async with heartbeats():
        with refusals():
            yield


def _answer_of(operation: Operation) -> PaymentAnswer:
    """Answer as the row says, for an operation that is finished: what was undone since is not approved any more."""
    if operation.state is State.SUCCEEDED and not operation.undone:
        return PaymentAnswer(PaymentDecision.APPROVED)
    if operation.state is State.DECLINED:
        return PaymentAnswer(PaymentDecision.DECLINED, operation.code)
    raise _fenced(operation.key)


def _fenced(key: str) -> ApplicationError:
    """Refuse a step whose undo has run already."""
    return refusal("payment_abandoned", f"{key} was given up: its undo has run.")


def _key(operation: Operation) -> str:
    """Name a request to the provider: the operation's own key, until that has only ever brought failures."""
    tries = activity.info().attempt
    return operation.key if tries <= _STUBBORN else f"{operation.key}:{tries}"
