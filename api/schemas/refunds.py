"""Refunds in requests and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.fields import NO_CARD, Currency, Input, Output, text
from api.schemas.money import Money
from domain import money
from domain.money import MOST_MONEY
from domain.refunds import RefundStatus


class RefundAmount(Input):
    """An amount to give back: one minor unit at least."""

    amount: Annotated[int, Field(strict=True, ge=1, le=MOST_MONEY, description="In minor units: pence, cents.")]
    currency: Currency

    def to_domain(self) -> money.Money:
        """Return the same amount as the domain knows it."""
        return money.Money(self.amount, self.currency)


class NewRefund(Input):
    """What is to be given back, and why, in the words of who asks. No amount: all that is left."""

    amount: RefundAmount | None = None
    reason: Annotated[str, text(500), NO_CARD] | None = None


class Refund(Output):
    """A refund. `started` is under way at the provider; `failed` waits for an operator. Staff see who asked and why."""

    id: UUID
    amount: Money
    status: RefundStatus
    created_at: datetime
    actor: str | None = None
    reason: str | None = None
    note: str | None = None
    code: str | None = Field(default=None, description="The provider's own word for why it has failed.")
