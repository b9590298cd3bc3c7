"""Amounts in requests and answers."""

from api.schemas.fields import Amount, Currency, Input, Output
from domain import money


class Price(Input):
    """An amount that is offered."""

    amount: Amount
    currency: Currency

    def to_domain(self) -> money.Money:
        """Return the same amount as the domain knows it."""
        return money.Money(self.amount, self.currency)


class Money(Output):
    """An exact amount in minor units of an ISO 4217 currency."""

    amount: int
    currency: str
