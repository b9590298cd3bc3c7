"""How Stripe writes amounts: https://docs.stripe.com/currencies.

In the minor units of ISO 4217, as we do, but for currencies that once had others: what is one króna here is a hundred
hundredths there, and taken as it is it would be charged a hundred times too little.
"""

from types import MappingProxyType

from domain.money import Money, minor_unit_digits

_DIGITS = MappingProxyType({"ISK": 2, "MGA": 0, "UGX": 2})
"""Decimal places where Stripe has others than ISO 4217."""


def to_stripe(money: Money) -> int:
    """Write an amount as Stripe reads it.

    Raises:
        ValueError: Stripe has no unit as small as that.
    """
    shift = _shift(money.currency)
    if shift >= 0:
        return int(money.amount * 10**shift)
    whole, rest = divmod(money.amount, 10**-shift)
    if rest:
        raise ValueError("a fraction of Stripe's smallest unit")
    return int(whole)


def from_stripe(amount: int, currency: str) -> int:
    """Read an amount that Stripe has written; `currency` is an ISO 4217 code."""
    shift = _shift(currency)
    return int(amount // 10**shift if shift >= 0 else amount * 10**-shift)


def _shift(currency: str) -> int:
    ours = minor_unit_digits(currency)
    return _DIGITS.get(currency, ours) - ours
