"""What staff say of money that no provider's program sees."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from api.schemas.fields import Input, Output, text
from api.schemas.money import Money
from api.schemas.refunds import RefundAmount
from domain.manual_payments import Confirmation


class MovedMoney(Input):
    """Money that has come, or was paid back; `reference` names it in the books of the bank, or of the driver."""

    amount: RefundAmount
    reference: Annotated[str, text(100)]


class ConfirmedMoney(Output):
    """What came of it. `late`: the payment had been given up, and the money is owed to the buyer."""

    order_id: UUID
    amount: Money
    reference: str
    outcome: Confirmation


class OwedRefund(Output):
    """Money that somebody has to pay back; `payment` is what the buyer wrote on the transfer."""

    id: UUID
    order_id: UUID
    number: str
    payment: str
    amount: Money
    owed_since: datetime
