"""Which ways to pay a shop offers."""

from domain.errors import PaymentMethodUnavailableError
from domain.payment_methods import way_of
from settings import Settings


def require_offered(settings: Settings, payment_method: str) -> None:
    """Refuse a payment method before anything is begun with it.

    Raises:
        PaymentMethodUnavailableError: the shop does not offer this way to pay.
    """
    way = way_of(payment_method)
    if way not in settings.payment_ways:
        raise PaymentMethodUnavailableError(f"this shop does not offer {way}")
