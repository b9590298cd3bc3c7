"""Payments through Stripe, or through the sandbox, which speaks the same API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

import stripe

from domain.money import Money
from domain.provider_payments import (
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from providers.stripe_transport import StripeTransport

# Otherwise the client writes an id of this installation into the home directory and sends it with each request.
stripe.enable_telemetry = False

_STATES = MappingProxyType(
    {
        "requires_payment_method": ProviderPaymentState.PREPARED,
        "requires_confirmation": ProviderPaymentState.PREPARED,
        "requires_action": ProviderPaymentState.ACTION_REQUIRED,
        "processing": ProviderPaymentState.PROCESSING,
        "requires_capture": ProviderPaymentState.AUTHORISED,
        "succeeded": ProviderPaymentState.CAPTURED,
        "canceled": ProviderPaymentState.CANCELLED,
    }
)
_WRONG_STATE = "payment_intent_unexpected_state"
_PAGE = 100

T = TypeVar("T")


class StripeProvider:
    """Stripe's payment intents with manual capture. One instance belongs to one event loop; `close` ends it.

    `api_base` is another address than Stripe's own; `timeout` is in seconds and bounds a whole call. Nothing is tried
    again here: that is the workflow's business. An exception's message holds a code or a status and nothing else.
    """

    name = "stripe"

    def __init__(self, api_key: str, api_base: str = "", timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._http = StripeTransport(timeout)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            max_network_retries=0,
            http_client=self._http,
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds

    async def close(self) -> None:
        """Release the connections."""
        await self._http.close_async()

    async def prepare(self, key: str, order_id: UUID, total: Money) -> str:
        """Create a payment that moves nothing yet and return its reference. A forgotten one is harmless.

        Raises:
            ProviderRefusedError: Stripe takes no such payment.
            ProviderUnavailableError: the outcome is unknown.
        """
        creating = self._intents.create_async(
            {
                "amount": total.amount,
                "currency": total.currency.lower(),
                "capture_method": "manual",
                "allowed_payment_method_types": ["card"],
                "metadata": {"order_id": str(order_id), "key": key},
            },
            {"idempotency_key": f"{key}:prepare"},
        )
        return (await self._ask(creating)).id

    async def authorise(self, key: str, reference: str, payment_method: str) -> ProviderPayment:
        """Reserve the buyer's money. A decline is an answer (`DECLINED` with its code), not an error.

        Raises:
            ProviderRefusedError: the payment is in no state to be authorised, or there is no such payment method.
            ProviderUnavailableError: the outcome is unknown.
        """
        confirming = self._intents.confirm_async(
            reference, {"payment_method": payment_method}, {"idempotency_key": key}
        )
        with _translated():
            try:
                return _payment(await self._in_time(confirming))
            except stripe.CardError as error:
                return _declined(error)

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderPayment:
        """Take money that was authorised; what is authorised beyond `amount` is let go.

        Raises:
            ProviderRefusedError: the payment is in no state to be captured, or less was authorised.
            ProviderUnavailableError: the outcome is unknown.
        """
        capturing = self._intents.capture_async(
            reference, {"amount_to_capture": amount.amount}, {"idempotency_key": key}
        )
        return _payment(await self._ask(capturing))

    async def void(self, key: str, reference: str) -> ProviderPayment:
        """Cancel a payment that was not captured. One that is cancelled already is the answer, not an error.

        Raises:
            ProviderRefusedError: it was captured, so it has to be refunded.
            ProviderUnavailableError: the outcome is unknown.
        """
        try:
            return _payment(await self._ask(self._intents.cancel_async(reference, {}, {"idempotency_key": key})))
        except ProviderRefusedError as refusal:
            if refusal.code != _WRONG_STATE:
                raise
            payment = await self.find(reference)
            if payment.state is not ProviderPaymentState.CANCELLED:
                raise
            return payment

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderPayment:
        """Give captured money back, and return the payment as it is afterwards.

        Raises:
            ProviderRefusedError: more than was captured, or disputed.
            ProviderUnavailableError: the outcome is unknown.
        """
        refunding = self._refunds.create_async(
            {"payment_intent": reference, "amount": amount.amount}, {"idempotency_key": key}
        )
        await self._ask(refunding)
        return await self.find(reference)

    async def find(self, reference: str) -> ProviderPayment:
        """Look one payment up: the way out of every unknown outcome.

        Raises:
            ProviderRefusedError: Stripe has never heard of it.
            ProviderUnavailableError: it can not be asked now.
        """
        return _payment(await self._ask(self._intents.retrieve_async(reference, {"expand": ["latest_charge"]})))

    async def ledger(self) -> AsyncIterator[ProviderPayment]:
        """List every payment that Stripe knows, newest first, by pages of a hundred.

        Raises:
            ProviderUnavailableError: it can not be asked now; what came before is no whole ledger.
        """
        page = await self._ask(self._intents.list_async({"limit": _PAGE, "expand": ["data.latest_charge"]}))
        while page.data:
            for intent in page.data:
                yield _payment(intent)
            if not page.has_more:
                return
            page = await self._ask(page.next_page_async())

    async def _ask(self, call: Awaitable[T]) -> T:
        with _translated():
            return await self._in_time(call)

    async def _in_time(self, call: Awaitable[T]) -> T:
        # The client's own time-out bounds connecting, writing and each read, so a slow answer could take for ever.
        async with asyncio.timeout(self._timeout):
            return await call


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the client's errors into the port's. Theirs quote requests, so none is kept as the cause."""
    try:
        yield
    except TimeoutError:
        raise ProviderUnavailableError("timeout") from None
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise ProviderRefusedError(error.code or "invalid_request_error") from None
    except stripe.IdempotencyError:
        raise ProviderRefusedError("idempotency_error") from None
    except stripe.StripeError as error:
        # A wrong key is here too: nobody's order should fail because ours was revoked.
        raise ProviderUnavailableError(f"{type(error).__name__} {error.http_status or ''}".rstrip()) from None


def _declined(error: stripe.CardError) -> ProviderPayment:
    """Read the payment out of a decline: Stripe sends it along, with the error as its last one."""
    intent = error.error.payment_intent if error.error else None
    if intent is None:
        raise error
    return replace(_payment(intent), state=ProviderPaymentState.DECLINED, decline_code=_decline_code(error.error))


def _payment(intent: stripe.PaymentIntent) -> ProviderPayment:
    failure = intent.last_payment_error if intent.status == "requires_payment_method" else None
    return ProviderPayment(
        reference=intent.id,
        order_id=_order_id(intent),
        state=ProviderPaymentState.DECLINED if failure else _STATES[intent.status],
        amount=Money(intent.amount, intent.currency.upper()),
        captured=intent.amount_received,
        refunded=_refunded(intent.latest_charge),
        decline_code=_decline_code(failure),
    )


def _decline_code(failure: object) -> str | None:
    """Return the issuer's reason, or Stripe's own where no issuer was asked. Stripe leaves out what does not apply."""
    return getattr(failure, "decline_code", None) or getattr(failure, "code", None)


def _order_id(intent: stripe.PaymentIntent) -> UUID | None:
    """Return whose payment it is; other programs may use the same account, with metadata of their own."""
    try:
        return UUID(intent.metadata["order_id"])
    except (KeyError, ValueError):
        return None


def _refunded(charge: str | stripe.Charge | None) -> int:
    """Return what was given back of what was captured. Only a looked-up payment has its charge, so 0 elsewhere.

    Stripe counts as refunded also what a cancel or a partial capture let go without ever taking it.
    """
    if charge is None or isinstance(charge, str):
        return 0
    return charge.amount_refunded - (charge.amount - charge.amount_captured) if charge.amount_captured else 0
