"""The payment providers of the shop: one for each way to pay, and the one that an operation was begun with."""

from collections.abc import AsyncIterator, Collection, Iterator
from datetime import datetime

from activities.ports import PaymentProvider
from domain.payment_methods import PaymentWay, provider_of, way_of
from domain.provider_payments import ProviderPayment, ProviderRefusedError


class PaymentProviders:
    """Finds the provider that is to be asked.

    `ways` are those that new payments may take. An operation stays with the provider of its row, whatever is switched
    off later: what was taken in a way can always be given back in it.
    """

    def __init__(self, *providers: PaymentProvider, ways: Collection[PaymentWay] = frozenset(PaymentWay)) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._ways = frozenset(ways)

    def __iter__(self) -> Iterator[PaymentProvider]:
        """List the providers."""
        return iter(self._providers.values())

    def named(self, name: str) -> PaymentProvider:
        """Return the provider of an operation's row.

        Raises:
            ProviderRefusedError: `unknown_provider`: this installation does not have it.
        """
        try:
            return self._providers[name]
        except KeyError:
            raise ProviderRefusedError("unknown_provider") from None

    def offers(self, payment_method: str) -> bool:
        """Tell whether a new payment may be made with a method."""
        return way_of(payment_method) in self._ways and provider_of(payment_method) in self._providers

    async def ledger(self, since: datetime | None = None) -> AsyncIterator[ProviderPayment]:
        """List every payment that any provider knows.

        Raises:
            ProviderUnavailableError: one can not be asked now; what came before is no whole ledger.
        """
        for provider in self:
            async for payment in provider.ledger(since):
                yield payment
