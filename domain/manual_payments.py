"""What staff say of money that no provider's program sees."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.money import Money


class Confirmation(StrEnum):
    """What came of saying that money has moved."""

    RECEIVED = "received"
    LATE = "late"
    """The payment had been given up: the money is owed to the buyer, and the order needs an operator."""
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money that has moved. `reference` names it in the books of whoever has moved it, so that it counts once."""

    order_id: UUID
    amount: Money
    reference: str
    actor: str


@dataclass(frozen=True, slots=True)
class OwedRefund:
    """Money that somebody has to pay back by hand; `payment` is what the buyer wrote on the transfer."""

    id: UUID
    order_id: UUID
    number: str
    payment: str
    amount: Money
    owed_since: datetime
