"""What payment providers report: each provider's way of signing and of speaking, read into words of ours."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from api.webhooks import stripe
from domain.payment_events import ProviderEvent
from settings import Settings


class Reads(Protocol):
    """Reads one event of a provider, once it has made sure who sent it."""

    def __call__(self, body: bytes, signature: str, settings: Settings, now: datetime) -> ProviderEvent:
        """Check the signature of the raw body, then read it.

        Raises:
            NotFoundError: no events are taken from this provider.
            SignatureInvalidError, SignatureStaleError: it may be anybody's, or an old one that somebody has kept.
            InvalidRequestError: it is signed and can not be read.
        """
        ...


PROVIDERS: Mapping[str, Reads] = {"stripe": stripe.read}
"""By the name that is in the path, and in `payment_operations.provider`."""
