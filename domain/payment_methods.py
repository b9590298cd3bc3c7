"""Ways to pay: which provider each is asked of, and when its money is taken.

A payment method is named by a token. Two tokens are reserved for ways that no provider's program knows; every other one
is a card's, in the words of the card's provider.
"""

from enum import StrEnum

from domain.captures import CapturePolicy

CARDS = "stripe"
"""The provider of cards."""
MANUAL = "manual"
"""The provider of what people confirm: the shop's own book."""

AWAITING_TRANSFER = "awaiting_transfer"
"""What a payment waits for whose buyer has been told where to transfer the money."""
METHOD_UNAVAILABLE = "payment_method_unavailable"
"""Why a payment is declined whose way the shop does not offer (any more)."""


class PaymentWay(StrEnum):
    """A way to pay. Those that are no card are named by their token."""

    CARD = "card"
    BANK_TRANSFER = "bank_transfer"
    CASH_ON_DELIVERY = "cash_on_delivery"


_RESERVED = frozenset({PaymentWay.BANK_TRANSFER, PaymentWay.CASH_ON_DELIVERY})


def way_of(token: str | None) -> PaymentWay:
    """Tell which way to pay a token names."""
    return PaymentWay(token) if token in _RESERVED else PaymentWay.CARD


def provider_of(token: str | None) -> str:
    """Name the provider that a token's payment is asked of."""
    return CARDS if way_of(token) is PaymentWay.CARD else MANUAL


def taken_when(token: str | None, policy: CapturePolicy) -> CapturePolicy:
    """Tell when the money of a method is taken, where `policy` is the shop's for cards.

    A transfer is taken when it has arrived, which is before its order is placed; cash when the goods are handed over.
    """
    match way_of(token):
        case PaymentWay.BANK_TRANSFER:
            return CapturePolicy.PLACEMENT
        case PaymentWay.CASH_ON_DELIVERY:
            return CapturePolicy.DELIVERY
        case PaymentWay.CARD:
            return CapturePolicy.PLACEMENT if policy is CapturePolicy.DELIVERY else policy
