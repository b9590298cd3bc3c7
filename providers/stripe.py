"""Payments through Stripe, or through the sandbox, which speaks the same API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import stripe

from domain.money import Money
from domain.order_ids import operation_of, refund_name
from domain.provider_payments import (
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefund,
    ProviderRefusedError,
    SavedMethod,
)
from providers import stripe_reading as reading
from providers.stripe_reading import translated
from providers.stripe_transport import StripeTransport

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params import (
        PaymentIntentCaptureParams,
        PaymentIntentConfirmParams,
        PaymentIntentCreateParams,
        PaymentIntentListParams,
    )

# Otherwise the client writes an id of this installation into the home directory and sends it with each request.
stripe.enable_telemetry = False

_WRONG_STATE = "payment_intent_unexpected_state"
_PAGE = 100
_WHOLE = "latest_charge.refunds"

T = TypeVar("T")
Installation = Callable[[], Awaitable[str]]
"""Tells what an installation is called."""


class StripeProvider:
    """Stripe's payment intents with manual capture. One instance belongs to one event loop; `close` ends it.

    `api_base` is another address than Stripe's own; `timeout` is in seconds and bounds a whole call. `multicapture`
    asks for payments that can be captured in parts, which is an error for an account that Stripe does not allow it.
    `installation` names who makes payments here: those of others on the same account are not ours (`order_id` is None).
    `transport` is another way to send requests; it is closed here too. Nothing is tried again here: that is the
    workflow's business. An exception's message holds a code or a status and nothing else.
    """

    name = "stripe"

    def __init__(
        self,
        api_key: str,
        api_base: str = "",
        timeout: float = 5.0,
        *,
        installation: Installation,
        multicapture: bool = True,
        transport: StripeTransport | None = None,
    ) -> None:
        self._timeout = timeout
        self._multicapture = multicapture
        self._installation = installation
        self._http = transport or StripeTransport(timeout)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            max_network_retries=0,
            http_client=self._http,
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._disputes = client.v1.disputes
        self._customers = client.v1.customers
        self._methods = client.v1.payment_methods

    async def close(self) -> None:
        """Release the connections."""
        await self._http.close_async()

    # Payments ---------------------------------------------------------------------------------------------------------

    async def prepare(
        self, key: str, order_id: UUID, total: Money, *, buyer: str | None = None, keep: bool = False
    ) -> str:
        """Create a payment that moves nothing yet and return its reference. A forgotten one is harmless.

        Stripe keeps methods for customers alone, so that a buyer becomes one, known by the order and nothing else.

        Raises:
            ProviderRefusedError: Stripe takes no such payment.
            ProviderUnavailableError: the outcome is unknown.
        """
        wanted: PaymentIntentCreateParams = {
            "amount": reading.written(total),
            "currency": total.currency.lower(),
            "capture_method": "manual",
            "allowed_payment_method_types": ["card"],
            "metadata": {
                "order_id": str(order_id),
                "key": operation_of(key),
                reading.INSTALLATION: await self._installation(),
            },
        }
        if self._multicapture:
            wanted["payment_method_options"] = {"card": {"request_multicapture": "if_available"}}
        if keep:
            wanted["setup_future_usage"] = "off_session"
            buyer = buyer or await self._create_buyer(f"{key}:buyer", order_id)
        if buyer is not None:
            wanted["customer"] = buyer
        return (await self._ask(self._intents.create_async(wanted, {"idempotency_key": f"{key}:prepare"}))).id

    async def authorise(
        self, key: str, reference: str, payment_method: str, *, off_session: bool = False
    ) -> ProviderPayment:
        """Reserve the buyer's money. A decline is an answer (`DECLINED` with its code), not an error.

        Raises:
            ProviderRefusedError: the payment is in no state to be authorised, or there is no such payment method.
            ProviderUnavailableError: the outcome is unknown.
        """
        wanted: PaymentIntentConfirmParams = {"payment_method": payment_method, "expand": ["latest_charge"]}
        if off_session:
            wanted["off_session"] = True
            await self._assign(key, reference, payment_method)
        confirming = self._intents.confirm_async(reference, wanted, {"idempotency_key": key})
        with translated():
            try:
                return reading.payment(await self._in_time(confirming))
            except stripe.CardError as error:
                return reading.declined(error)

    async def _assign(self, key: str, reference: str, payment_method: str) -> None:
        """Make a payment its method's customer's: Stripe takes no saved method for anybody else's."""
        method = await self._ask(self._methods.retrieve_async(payment_method))
        owner = reading.id_of(method.customer)
        if owner is not None:
            options: RequestOptions = {"idempotency_key": f"{key}:assign"}
            await self._ask(self._intents.update_async(reference, {"customer": owner}, options))

    async def capture(self, key: str, reference: str, amount: Money, *, last: bool = True) -> ProviderPayment:
        """Take money that was authorised; after the last capture, what is left is let go.

        Raises:
            ProviderRefusedError: the payment is in no state to be captured, less is left, or it can be captured once.
            ProviderUnavailableError: the outcome is unknown.
        """
        wanted: PaymentIntentCaptureParams = {
            "amount_to_capture": reading.written(amount),
            "metadata": {operation_of(key).partition(":")[2]: str(amount.amount)},
            "expand": ["latest_charge"],
        }
        if not last:
            wanted["final_capture"] = False
        return reading.payment(
            await self._ask(self._intents.capture_async(reference, wanted, {"idempotency_key": key}))
        )

    async def void(self, key: str, reference: str) -> ProviderPayment:
        """Let go what is reserved. A payment that is cancelled already is the answer, not an error.

        Raises:
            ProviderRefusedError: all was captured, so it has to be refunded.
            ProviderUnavailableError: the outcome is unknown.
        """
        cancelling = self._intents.cancel_async(reference, {}, {"idempotency_key": key})
        try:
            return reading.payment(await self._ask(cancelling))
        except ProviderRefusedError as refusal:
            if refusal.code != _WRONG_STATE:
                raise
            payment = await self.find(reference)
            if payment.state is ProviderPaymentState.AUTHORISED and payment.captured:
                return await self._release(key, reference)
            if payment.state is not ProviderPaymentState.CANCELLED:
                raise
            return payment

    async def _release(self, key: str, reference: str) -> ProviderPayment:
        """Let go what is left after partial captures: Stripe's way is a last capture of nothing."""
        releasing = self._intents.capture_async(
            reference,
            {"amount_to_capture": 0, "final_capture": True, "expand": ["latest_charge"]},
            {"idempotency_key": f"{key}:release"},
        )
        return reading.payment(await self._ask(releasing))

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderRefund:
        """Give captured money back.

        Raises:
            ProviderRefusedError: more than was captured, or disputed.
            ProviderUnavailableError: the outcome is unknown.
        """
        refunding = self._refunds.create_async(
            {"payment_intent": reference, "amount": reading.written(amount), "metadata": {"key": refund_name(key)}},
            {"idempotency_key": key},
        )
        return reading.refund(await self._ask(refunding))

    # Looking up -------------------------------------------------------------------------------------------------------

    async def find(self, reference: str) -> ProviderPayment:
        """Look one payment up: the way out of every unknown outcome.

        Raises:
            ProviderRefusedError: Stripe has never heard of it.
            ProviderUnavailableError: it can not be asked now.
        """
        return await self._whole(await self._ask(self._intents.retrieve_async(reference, {"expand": [_WHOLE]})))

    async def ledger(self, since: datetime | None = None) -> AsyncIterator[ProviderPayment]:
        """List every payment that Stripe knows, newest first, by pages of a hundred.

        Raises:
            ProviderUnavailableError: it can not be asked now; what came before is no whole ledger.
        """
        wanted: PaymentIntentListParams = {"limit": _PAGE, "expand": [f"data.{_WHOLE}"]}
        if since:
            wanted["created"] = {"gte": int(since.timestamp())}
        page = await self._ask(self._intents.list_async(wanted))
        while page.data:
            for intent in page.data:
                yield await self._whole(intent)
            if not page.has_more:
                return
            page = await self._ask(page.next_page_async())

    async def _whole(self, intent: stripe.PaymentIntent) -> ProviderPayment:
        """Read a payment, with the refunds that its charge leaves out, and with its disputes where it has any.

        A charge shows its ten newest refunds, and stays `disputed` after a dispute was won.
        """
        payment = reading.payment(intent, await self._disputed(intent), installation=await self._installation())
        if reading.has_more_refunds(intent):
            return replace(payment, refunds=await self._all_refunds(intent.id))
        return payment

    async def _disputed(self, intent: stripe.PaymentIntent) -> list[stripe.Dispute]:
        if not getattr(intent.latest_charge, "disputed", False):
            return []
        return (await self._ask(self._disputes.list_async({"payment_intent": intent.id, "limit": _PAGE}))).data

    async def _all_refunds(self, reference: str) -> tuple[ProviderRefund, ...]:
        """List the refunds of a payment, oldest first: one that is left out would be taken for not made."""
        page = await self._ask(self._refunds.list_async({"payment_intent": reference, "limit": _PAGE}))
        listed = [reading.refund(one) for one in page.data]
        while page.has_more:
            page = await self._ask(page.next_page_async())
            listed += [reading.refund(one) for one in page.data]
        return tuple(reversed(listed))

    # Buyers -----------------------------------------------------------------------------------------------------------

    async def _create_buyer(self, key: str, order_id: UUID) -> str:
        creating = self._customers.create_async({"metadata": {"order_id": str(order_id)}}, {"idempotency_key": key})
        return (await self._ask(creating)).id

    async def save_method(self, key: str, buyer: str, payment_method: str) -> SavedMethod:
        """Leave a payment method with a buyer.

        Raises:
            ProviderRefusedError: there is no such method or buyer, it is another's, or the bank does not allow it.
            ProviderUnavailableError: the outcome is unknown.
        """
        saving = self._methods.attach_async(payment_method, {"customer": buyer}, {"idempotency_key": key})
        return reading.saved_method(await self._ask(saving))

    async def saved_methods(self, buyer: str) -> list[SavedMethod]:
        """List what a buyer has left, newest first; a hundred at most.

        Raises:
            ProviderRefusedError: there is no such buyer.
            ProviderUnavailableError: it can not be asked now.
        """
        page = await self._ask(self._methods.list_async({"customer": buyer, "type": "card", "limit": _PAGE}))
        return [reading.saved_method(method) for method in page.data]

    async def forget_buyer(self, buyer: str) -> None:
        """Forget a customer, and with them all methods; one that is unknown or forgotten already is no error.

        Raises:
            ProviderUnavailableError: the outcome is unknown. Asking again is safe.
        """
        try:
            await self._ask(self._customers.delete_async(buyer))
        except ProviderRefusedError:
            return

    async def _ask(self, call: Awaitable[T]) -> T:
        with translated():
            return await self._in_time(call)

    async def _in_time(self, call: Awaitable[T]) -> T:
        # The client's own time-out bounds connecting, writing and each read, so a slow answer could take for ever.
        async with asyncio.timeout(self._timeout):
            return await call
