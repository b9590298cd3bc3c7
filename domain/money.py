"""Money in minor units: the only place where amounts are added, multiplied or compared."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

_CODE = re.compile(r"[A-Z]{3}")

MOST_MONEY = 2**53 - 1
"""The largest amount: every JSON reader knows it exactly."""


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies met."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"{left} and {right} can not be combined")


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `amount` in minor units (pence, cents), `currency` as an ISO 4217 code.

    Amounts are whole numbers; there is no division, so nothing is ever rounded here.
    Combining two currencies raises `CurrencyMismatchError`.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.currency):
            msg = f"not an ISO 4217 code: {self.currency!r}"
            raise ValueError(msg)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing, in a currency."""
        return cls(0, currency)

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount * quantity, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same_currency(other)
        return self.amount < other.amount

    def __le__(self, other: "Money") -> bool:
        self._same_currency(other)
        return self.amount <= other.amount

    def __str__(self) -> str:
        """Write the amount as people read it: `12.34 GBP`."""
        digits = minor_unit_digits(self.currency)
        return f"{Decimal(self.amount).scaleb(-digits):.{digits}f} {self.currency}"

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatchError(self.currency, other.currency)


_NO_DIGITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def minor_unit_digits(currency: str) -> int:
    """Tell how many decimal places a currency's minor unit has (ISO 4217)."""
    if currency in _NO_DIGITS:
        return 0
    return 3 if currency in _THREE_DIGITS else 2
