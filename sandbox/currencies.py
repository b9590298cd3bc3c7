"""How many decimal places Stripe's amounts have: https://docs.stripe.com/currencies."""

from decimal import Decimal

_NONE = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_THREE = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def shown(amount: int, currency: str) -> str:
    """Write an amount as people read it: `42.00 GBP`."""
    digits = 0 if currency in _NONE else 3 if currency in _THREE else 2
    return f"{Decimal(amount).scaleb(-digits):.{digits}f} {currency.upper()}"
