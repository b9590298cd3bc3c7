"""Paying again without the buyer: with the method that an earlier attempt has left with the provider."""

from dataclasses import dataclass

from activities.ports import PaymentProvider
from contracts.payments import AuthorisePayment
from db import payments
from db.engine import Sessions, single_statements
from db.payments import Operation
from domain.provider_payments import ProviderPayment, ProviderRefusedError
from models.payments import PaymentOperationKind


@dataclass(frozen=True, slots=True)
class Means:
    """What a payment is made with: a method, and the provider's customer that it belongs to, if it does to one."""

    method: str
    buyer: str | None = None


class KeptMethods:
    """Knows what an attempt is paid with."""

    def __init__(self, sessions: Sessions) -> None:
        self._statements = single_statements(sessions)

    async def means(
        self,
        provider: PaymentProvider,
        operation: Operation,
        request: AuthorisePayment,
        standing: ProviderPayment | None = None,
    ) -> Means:
        """Tell what to pay with: the method as it was offered, or, without the buyer, the one that is kept for them.

        A provider takes a method twice only for the customer it is kept for, and a method that was declined is not
        kept by itself. So it is left with the customer of the attempt before (of the payment that is `standing`, where
        one is known); where its bank does not allow that, the payment itself will tell.

        Raises:
            ProviderUnavailableError: it is not known now.
        """
        buyer = None
        if request.off_session:
            buyer = standing.buyer if standing else await self._earlier_buyer(provider, operation)
        if buyer is None:
            return Means(request.payment_method)
        if saved := [one.reference for one in await provider.saved_methods(buyer)]:
            return Means(request.payment_method if request.payment_method in saved else saved[0], buyer)
        try:
            kept = await provider.save_method(f"{operation.key}:keep", buyer, request.payment_method)
        except ProviderRefusedError:
            return Means(request.payment_method, buyer)
        return Means(kept.reference, buyer)

    async def _earlier_buyer(self, provider: PaymentProvider, operation: Operation) -> str | None:
        async with self._statements() as session:
            kind = PaymentOperationKind.AUTHORISE
            earlier = await payments.find(session, operation.order_id, kind, operation.attempt - 1)
        if earlier is None or earlier.reference is None or earlier.provider != provider.name:
            return None
        return (await provider.find(earlier.reference)).buyer
