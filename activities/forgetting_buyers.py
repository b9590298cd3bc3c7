"""Having providers forget the buyers, with their methods, that they keep for orders which are charged no more."""

from collections.abc import Sequence

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import PaymentProvider
from activities.providers import PaymentProviders
from contracts.kept_methods import FORGET_BUYERS
from db import kept_methods
from db.engine import Sessions, single_statements
from domain.provider_payments import ProviderRefusedError, ProviderUnavailableError

_PAGE = 100
_PATIENCE = 5
"""Payments that a provider may fail to answer for before a round takes it to be away."""


class BuyerChores:
    """Implements the chore with providers and PostgreSQL. What is noted as forgotten was forgotten before."""

    def __init__(self, sessions: Sessions, providers: PaymentProviders) -> None:
        self._statements = single_statements(sessions)
        self._providers = providers

    @activity.defn(name=FORGET_BUYERS)
    async def forget(self) -> int:
        """Forget the buyers of every payment that was left, and return how many payments that were.

        Raises:
            ProviderUnavailableError: something could not be forgotten now; the next round tries again.
        """
        async with heartbeats():
            return sum([await self._forget_with(provider) for provider in self._providers])

    async def _forget_with(self, provider: PaymentProvider) -> int:
        """Go through one provider's payments; one that it does not answer for keeps no other waiting."""
        forgotten, failed, after = 0, 0, ""
        while page := await self._page(provider, after):
            for key, reference in page:
                try:
                    await self._forget(provider, key, reference)
                    forgotten += 1
                except ProviderUnavailableError:
                    failed += 1
                    if failed == _PATIENCE:
                        raise
            after = page[-1][0]
        if failed:
            raise ProviderUnavailableError("not all buyers were forgotten")
        return forgotten

    async def _page(self, provider: PaymentProvider, after: str) -> Sequence[tuple[str, str | None]]:
        async with self._statements() as session:
            return await kept_methods.outlived(session, provider.name, after=after, most=_PAGE)

    async def _forget(self, provider: PaymentProvider, key: str, reference: str | None) -> None:
        buyer = await _buyer(provider, reference)
        if buyer is not None:
            await provider.forget_buyer(buyer)
        async with self._statements() as session:
            await kept_methods.forgotten(session, key)


async def _buyer(provider: PaymentProvider, reference: str | None) -> str | None:
    """Look up whom a payment belongs to; one that was never begun, or that nobody knows, has left nothing."""
    if reference is None:
        return None
    try:
        return (await provider.find(reference)).buyer
    except ProviderRefusedError:
        return None
