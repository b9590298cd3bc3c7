"""Stripe's test payment methods and what becomes of each. Names and codes as Stripe's "Testing" page lists them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card was refused, in Stripe's words."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a test card does: it may ask for authentication (3-D Secure), and then be declined.

    `once_set_up` asks no more once it was saved. `saves` is whether it can be, `multicapture` whether it can be
    captured several times, and `refund` how its refunds go: succeeded at once, pending first, or failing later.
    """

    decline: Decline | None = None
    authenticates: bool = False
    once_set_up: bool = False
    saves: bool = True
    multicapture: bool = True
    refund: Literal["succeeded", "pending", "fails"] = "succeeded"


_REFUSED = "Your card was declined."
_NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "authentication_failed",
    "The provided PaymentMethod has failed authentication.",
)

AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

_DECLINES = {
    "": Decline("card_declined", "generic_decline", _REFUSED),
    "InsufficientFunds": _NO_FUNDS,
    "LostCard": Decline("card_declined", "lost_card", _REFUSED),
    "StolenCard": Decline("card_declined", "stolen_card", _REFUSED),
    "Fraudulent": Decline("card_declined", "fraudulent", _REFUSED),
    "VelocityLimitExceeded": Decline("card_declined", "card_velocity_exceeded", _REFUSED),
    "ExpiredCard": Decline("expired_card", "expired_card", "Your card has expired."),
    "IncorrectCvc": Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
    "ProcessingError": Decline(
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
}
_GOOD = (
    *("visa", "visa_debit", "mastercard", "mastercard_debit", "mastercard_prepaid", "amex", "discover", "diners"),
    *("jcb", "unionpay", "us", "gb", "de", "fr", "bypassPending"),
)

# Stripe renamed the declines over the years (`pm_card_chargeDeclined`, `pm_card_visa_chargeDeclined`); both are in use.
CARDS: dict[str, Card] = {
    **{f"pm_card_{brand}": Card() for brand in _GOOD},
    **{f"pm_card_chargeDeclined{name}": Card(decline, saves=False) for name, decline in _DECLINES.items()},
    **{f"pm_card_visa_chargeDeclined{name}": Card(decline, saves=False) for name, decline in _DECLINES.items()},
    "pm_card_chargeCustomerFail": Card(_DECLINES[""]),
    "pm_card_radarBlock": Card(_DECLINES["Fraudulent"]),
    "pm_card_authenticationRequired": Card(authenticates=True),
    "pm_card_authenticationRequiredOnSetup": Card(authenticates=True, once_set_up=True),
    "pm_card_credit_disableEnterpriseCardFeatures": Card(multicapture=False),
    "pm_card_pendingRefund": Card(refund="pending"),
    "pm_card_refundFail": Card(refund="fails"),
    "pm_card_threeDSecure2Required": Card(authenticates=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(_NO_FUNDS, authenticates=True),
}


def declines_as(code: str) -> Decline:
    """Make the decline that a fault asks for, by its decline code."""
    known = next((decline for decline in _DECLINES.values() if decline.decline_code == code), None)
    return known or Decline("card_declined", code, _REFUSED)
