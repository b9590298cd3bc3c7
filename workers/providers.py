"""The providers of a process that keep connections, opened by the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from activities.providers import PaymentProviders
from db.engine import Sessions
from db.installation import installation_id
from providers.manual import ManualProvider
from providers.sms import TwilioGateway
from providers.stripe import StripeProvider
from settings import Settings


class InstallationName:
    """Tells what this installation is called at payment providers: as the settings say, or as its database does."""

    def __init__(self, sessions: Sessions, said: str = "") -> None:
        self._sessions = sessions
        self._name = said

    async def __call__(self) -> str:
        """Return the name; the database is asked once."""
        if not self._name:
            async with self._sessions.begin() as session:
                self._name = str(await installation_id(session))
        return self._name


@asynccontextmanager
async def open_providers(settings: Settings, sessions: Sessions) -> AsyncIterator[PaymentProviders]:
    """Open every provider, and close them again. Those that are switched off are there for what was begun with them."""
    cards = StripeProvider(
        api_key=settings.stripe_api_key,
        api_base=settings.stripe_api_base,
        timeout=settings.stripe_timeout,
        multicapture=settings.stripe_multicapture,
        installation=InstallationName(sessions, settings.installation),
    )
    manual = ManualProvider(sessions, settings.transfer_patience)
    try:
        yield PaymentProviders(cards, manual, ways=settings.payment_ways)
    finally:
        await cards.close()


@asynccontextmanager
async def open_sms(settings: Settings) -> AsyncIterator[TwilioGateway | None]:
    """Open the SMS gateway, and close it again. None: the settings name no account there."""
    if not settings.sms_account:
        yield None
        return
    gateway = TwilioGateway(
        account=settings.sms_account,
        token=settings.sms_token,
        sender=settings.sms_from,
        base=settings.sms_api_base,
        timeout=settings.sms_timeout,
    )
    try:
        yield gateway
    finally:
        await gateway.close()
