"""Taking and giving back money: authorise and capture, and the one undo for both.

Each operation is a row that is written before the provider is called. An unknown outcome (no answer, a 5xx) ends the
attempt; the next one finds the row, looks the payment up, and only then asks again. What makes each effect happen once
is the provider's payment itself, which can be authorised and captured only once; idempotency keys are a convenience.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.kept_methods import KeptMethods
from activities.ports import PaymentProvider
from activities.providers import PaymentProviders
from activities.refusals import refusals
from activities.returning import failed_refunds
from activities.reversals import Reversals
from contracts import payments as contract
from contracts.failures import refusal
from contracts.payments import (
    AuthorisePayment,
    CapturePayment,
    LetGoRest,
    LookUpPayment,
    PaymentAnswer,
    PaymentDecision,
    PaymentLookedUp,
    PaymentReversed,
    Reversal,
    ReversePayment,
)
from db import payments, refunds
from db.engine import Sessions, single_statements
from db.payments import Books, Operation
from domain.captures import CapturePolicy
from domain.declines import DeclineKind, kind_of
from domain.money import Money
from domain.order_ids import provider_key, provider_keys
from domain.payment_methods import METHOD_UNAVAILABLE, provider_of
from domain.provider_payments import (
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefusedError,
    ProviderRepeatedError,
    ProviderUnavailableError,
    has_taken,
)
from models.payments import PaymentOperationKind as Kind
from models.payments import PaymentOperationState as State

_WAITING = frozenset({ProviderPaymentState.ACTION_REQUIRED, ProviderPaymentState.PROCESSING})
"""Neither authorised nor declined, and nothing that we do brings it on: the buyer, or a bank, has to."""


class PaymentActivities(contract.PaymentActivities):
    """Implements the payment steps with providers and PostgreSQL; no transaction is open during a call."""

    def __init__(self, sessions: Sessions, providers: PaymentProviders) -> None:
        self._sessions = sessions
        self._statements = single_statements(sessions)
        self._providers = providers
        self._reversals = Reversals(sessions, providers)
        self._kept = KeptMethods(sessions)

    # Do -------------------------------------------------------------------------------------------------------------

    @activity.defn(name="payments.authorise")
    async def authorise(self, request: AuthorisePayment) -> PaymentAnswer:
        """Authorise once. A decline is an answer."""
        return await self.authorise_beside(None, request)

    async def authorise_beside(self, standing: ProviderPayment | None, request: AuthorisePayment) -> PaymentAnswer:
        """Authorise once, knowing the payment that stands already and whose buyer pays again, if one does."""
        async with _provider_step():
            operation = await self._begin(request, provider_of(request.payment_method))
            if operation.state not in {State.STARTED, State.ACTION_REQUIRED}:
                return _answer_of(operation)
            if operation.reference is None and not self._providers.offers(request.payment_method):
                return await self._finish(operation, State.DECLINED, METHOD_UNAVAILABLE)
            try:
                payment = await self._authorise(operation, request, standing)
            except ProviderRefusedError as refused:
                return await self._finish(operation, State.DECLINED, refused.code)
            if payment is None:
                return await self._overtaken(operation)
            return await self._conclude_authorisation(operation, payment)

    async def _authorise(
        self, operation: Operation, request: AuthorisePayment, standing: ProviderPayment | None
    ) -> ProviderPayment | None:
        """Create the payment, note its reference, then confirm it; or look up what an earlier try has done.

        None: the operation was finished or fenced before the reference could be noted.
        """
        provider, reference = self._of(operation), operation.reference
        if reference is not None:
            found = await provider.find(reference)
            if found.state is not ProviderPaymentState.PREPARED:
                return found
        means = await self._kept.means(provider, operation, request, standing)
        if reference is None:
            prepared = await provider.prepare(
                _key(operation), operation.order_id, operation.amount, buyer=means.buyer, keep=request.keep
            )
            async with self._statements() as session:
                reference = await payments.attach(session, operation.key, prepared)
            if reference is None:
                return None
        try:
            return await provider.authorise(_key(operation), reference, means.method, off_session=request.off_session)
        except ProviderRefusedError:
            found = await provider.find(reference)
            if found.state is ProviderPaymentState.PREPARED:
                raise
            return found

    async def _conclude_authorisation(self, operation: Operation, payment: ProviderPayment) -> PaymentAnswer:
        """Write down what the provider has answered; what the buyer has to do is kept out of every history."""
        if payment.captured and payment.refunded >= payment.captured:
            # Only after the books were restored from an older copy: what was given back does not pay again.
            return await self._finish(operation, State.DECLINED, "refunded")
        if payment.state not in _WAITING:
            return await self._conclude(operation, payment, ProviderPaymentState.AUTHORISED)
        code = payment.decline_code or (
            "processing" if payment.state is ProviderPaymentState.PROCESSING else "authentication_required"
        )
        async with self._statements() as session:
            noted = await payments.await_buyer(session, operation.key, code, payment.client_secret)
        if not noted:
            return await self._overtaken(operation)
        return PaymentAnswer(PaymentDecision.ACTION_REQUIRED, code, until=payment.action_until)

    @activity.defn(name="payments.look_up")
    async def look_up(self, request: LookUpPayment) -> PaymentLookedUp:
        """Look an attempt up at its provider, and write down what its buyer has brought it to meanwhile."""
        async with _provider_step():
            async with self._statements() as session:
                operation = await payments.find(session, request.order_id, Kind.AUTHORISE, request.attempt)
            if operation is None or operation.reference is None:
                return PaymentLookedUp()
            payment = await self._of(operation).find(operation.reference)
            if operation.state is State.ACTION_REQUIRED:
                return PaymentLookedUp(await self._conclude_authorisation(operation, payment))
            return await self._compare(operation, payment)

    async def _compare(self, operation: Operation, payment: ProviderPayment) -> PaymentLookedUp:
        """Compare what the provider says with the books, also of earlier payments that have paid for shipments."""
        if operation.state is State.SUCCEEDED and not operation.undone:
            seen = [await self._compare_one(operation, payment)]
        else:
            seen = [PaymentLookedUp(disputed=payment.disputed)]
        async with self._statements() as session:
            earlier = await payments.captured_before(session, operation.order_id, operation.attempt)
        seen += [await self._compare_one(one, await self._of(one).find(one.reference or "")) for one in earlier]
        findings = [one.finding for one in seen if one.finding]
        return replace(seen[0], disputed=any(one.disputed for one in seen), finding=next(iter(findings), None))

    async def _compare_one(self, operation: Operation, payment: ProviderPayment) -> PaymentLookedUp:
        """Compare one payment. Nothing is put in order here: that is for a person.

        But a refund that had succeeded and has failed since is written down as that, so that it can be made again.
        """
        if await self._failed_late(payment):
            return PaymentLookedUp(
                PaymentAnswer(PaymentDecision.APPROVED), disputed=payment.disputed, finding="refund_refused"
            )
        async with self._statements() as session:
            books = await payments.books(session, operation.order_id, operation.attempt)
        approved = PaymentAnswer(PaymentDecision.APPROVED)
        if books.policy is CapturePolicy.DELIVERY and payment.captured and not books.captured:
            received = Money(payment.captured, operation.amount.currency)
            taken = await self._take(CapturePayment(operation.order_id, operation.attempt, received))
            return PaymentLookedUp(approved, collected=taken.decision is PaymentDecision.APPROVED)
        return PaymentLookedUp(approved, disputed=payment.disputed, finding=_finding(payment, books))

    async def _failed_late(self, payment: ProviderPayment) -> bool:
        failed = failed_refunds(payment)
        if not failed:
            return False
        async with self._statements() as session:
            return await refunds.fail_late(session, failed)

    @activity.defn(name="payments.capture")
    async def capture(self, request: CapturePayment) -> PaymentAnswer:
        """Capture once what was authorised."""
        async with _provider_step():
            return await self._take(request)

    async def _take(self, request: CapturePayment) -> PaymentAnswer:
        operation = await self._begin_capture(request)
        if operation.state is not State.STARTED:
            return _answer_of(operation)
        payment = await self._capture(operation, last=request.last, whole=request.n is None)
        if has_taken(payment, operation.key):
            return await self._finish(operation, State.SUCCEEDED)
        return await self._conclude(operation, payment, ProviderPaymentState.CAPTURED)

    async def _begin_capture(self, request: CapturePayment) -> Operation:
        """Write the capture down, or find the one that was written with its shipment."""
        async with self._statements() as session:
            if request.n is None:
                operation = await payments.start_capture(session, request.order_id, request.attempt, request.total)
                authorised = operation is not None
            else:
                found = await payments.find(session, request.order_id, Kind.AUTHORISE, request.attempt)
                authorised = found is not None and found.state is State.SUCCEEDED
                operation = await payments.find(session, request.order_id, Kind.CAPTURE, request.n)
        if not authorised:
            raise _fenced("an authorisation that did not succeed")
        if operation is None:
            raise _fenced("a capture without a shipment")
        return operation

    async def _capture(self, operation: Operation, *, last: bool, whole: bool) -> ProviderPayment:
        """Capture, or look up what an earlier try has done. A refusal of one of several captures is a decline.

        Raises:
            ApplicationError: `capture_refused`: the whole is refused, so that another card would hardly help.
        """
        provider, reference = self._of(operation), operation.reference or ""
        if not operation.fresh:
            found = await provider.find(reference)
            if found.state is not ProviderPaymentState.AUTHORISED or has_taken(found, operation.key):
                return found
        try:
            if not whole:
                return await _take_share(provider, operation, reference, last=last)
            key = _key(operation) if operation.fresh else _another_key(operation)
            return await provider.capture(key, reference, operation.amount, last=last)
        except ProviderRefusedError as refused:
            found = await provider.find(reference)
            if found.state is not ProviderPaymentState.AUTHORISED or has_taken(found, operation.key):
                return found
            if whole:
                raise refusal(
                    "capture_refused", "The payment provider refuses to capture what it has authorised."
                ) from refused
            return replace(found, state=ProviderPaymentState.DECLINED, decline_code=refused.code)

    async def _conclude(
        self, operation: Operation, payment: ProviderPayment, hoped: ProviderPaymentState
    ) -> PaymentAnswer:
        """Write down what the provider has answered; an answer that is not final yet is looked up again later."""
        if payment.state in {hoped, ProviderPaymentState.CAPTURED}:
            return await self._finish(operation, State.SUCCEEDED, authorised_until=payment.authorised_until)
        if payment.state in {ProviderPaymentState.DECLINED, ProviderPaymentState.CANCELLED}:
            return await self._finish(operation, State.DECLINED, payment.decline_code or payment.state)
        raise ProviderUnavailableError

    async def _finish(
        self,
        operation: Operation,
        state: State,
        code: str | None = None,
        *,
        authorised_until: datetime | None = None,
    ) -> PaymentAnswer:
        async with self._statements() as session:
            finished = await payments.finish(session, operation.key, state, code, authorised_until=authorised_until)
        return _answer_of(replace(operation, state=state, code=code)) if finished else await self._overtaken(operation)

    async def _overtaken(self, operation: Operation) -> PaymentAnswer:
        """Answer as the row says by now: another try has finished the operation, or its undo has run."""
        async with self._statements() as session:
            found = await payments.find(session, operation.order_id, operation.operation, operation.attempt)
        return _answer_of(found or operation)

    # Undo -----------------------------------------------------------------------------------------------------------

    @activity.defn(name="payments.reverse")
    async def reverse(self, request: ReversePayment) -> PaymentReversed:
        """Fence the attempt, then give back what it has taken; of the whole order, of every attempt."""
        async with _provider_step():
            attempts = {request.attempt}
            if request.whole:
                async with self._statements() as session:
                    attempts |= await payments.unsettled_attempts(session, request.order_id)
            reversed_ = [await self._reversals.reverse(request.order_id, one) for one in sorted(attempts, reverse=True)]
            return _sum_up(reversed_)

    @activity.defn(name="payments.let_go_rest")
    async def let_go_rest(self, request: LetGoRest) -> PaymentReversed:
        """Let go what is still reserved, also by an attempt that was to take this one's place."""
        async with _provider_step():
            async with self._statements() as session:
                later = await payments.unsettled_attempts(session, request.order_id)
            for attempt in sorted(one for one in later if one > request.attempt):
                await self._reversals.reverse(request.order_id, attempt)
            return await self._reversals.let_go_rest(request.order_id, request.attempt)

    async def _begin(self, request: AuthorisePayment, provider: str) -> Operation:
        """Write an authorisation down before its provider is called, or find what is written already."""
        async with self._statements() as session:
            return await payments.start(
                session,
                request.order_id,
                Kind.AUTHORISE,
                request.attempt,
                amount=request.total,
                provider=provider,
                keeps=request.keep,
            )

    def _of(self, operation: Operation) -> PaymentProvider:
        return self._providers.named(operation.provider)


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
        passes = kind_of(operation.code) is DeclineKind.SOFT
        return PaymentAnswer(PaymentDecision.DECLINED, operation.code, passes)
    if operation.state is State.ACTION_REQUIRED:
        return PaymentAnswer(PaymentDecision.ACTION_REQUIRED, operation.code)
    raise _fenced(operation.key)


def _finding(payment: ProviderPayment, books: Books) -> str | None:
    """Name what the books can not explain."""
    if payment.refunded > books.refunded:
        return "refunded_elsewhere"
    if payment.captured > books.captured:
        return "captured_elsewhere"
    if payment.state is ProviderPaymentState.CANCELLED:
        return "authorisation_lost"
    return None


async def _take_share(
    provider: PaymentProvider, operation: Operation, reference: str, *, last: bool
) -> ProviderPayment:
    """Capture one of several, under the one key of which nothing else can be under way, or find that it was captured.

    Raises:
        ProviderRefusedError: the provider does not capture it, or has done so already.
        ProviderUnavailableError: the outcome is unknown.
    """
    for key in provider_keys(operation.key):
        try:
            return await provider.capture(key, reference, operation.amount, last=last)
        except ProviderRepeatedError:
            found = await provider.find(reference)
            if found.state is not ProviderPaymentState.AUTHORISED or has_taken(found, operation.key):
                return found
    raise ProviderUnavailableError("every key brings a failure")


def _fenced(key: str) -> ApplicationError:
    """Refuse a step whose undo has run already."""
    return refusal("payment_abandoned", f"{key} was given up: its undo has run.")


def _sum_up(reversals: Sequence[PaymentReversed]) -> PaymentReversed:
    """Tell of several attempts what has moved most, or that something is still to come."""
    if any(one.reversal is Reversal.UNDER_WAY for one in reversals):
        return PaymentReversed(Reversal.UNDER_WAY)
    refunded = [one for one in reversals if one.reversal is Reversal.REFUNDED]
    if refunded:
        return PaymentReversed(Reversal.REFUNDED, sum(one.amount for one in refunded))
    voided = any(one.reversal is Reversal.VOIDED for one in reversals)
    return PaymentReversed(Reversal.VOIDED if voided else Reversal.NOTHING_TAKEN)


def _key(operation: Operation) -> str:
    return provider_key(operation.key, activity.info().attempt)


def _another_key(operation: Operation) -> str:
    """Name a request that was made before and had no effect.

    A provider may repeat the answer that it has given under a key, a refusal too, and an operator wants it asked anew.
    Only for what it does once under any key.
    """
    tried = activity.info()
    return f"{operation.key}:{tried.activity_id}.{tried.attempt}"
