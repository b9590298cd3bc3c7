"""Returns in requests and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.fields import MOST_LINES, MOST_QUANTITY, NO_CARD, Input, Output, Quantity, text
from api.schemas.inventory import LocationCode
from api.schemas.money import Money
from domain.refunds import RefundStatus
from domain.returns import ReturnStatus

_Reason = Annotated[str, text(500), NO_CARD]
_Restocked = Annotated[int, Field(strict=True, ge=0, le=MOST_QUANTITY)]


class NewReturnLine(Input):
    """How many of an order's line are to come back."""

    line_id: UUID
    quantity: Quantity


class NewReturn(Input):
    """What is to come back, and why. Without `lines` it is all that was sent and is in no return yet."""

    lines: Annotated[tuple[NewReturnLine, ...], Field(min_length=1, max_length=MOST_LINES)] | None = None
    reason: _Reason | None = None


class ReturnCancellation(Input):
    """Why goods do not come back, in the words of who says so; the buyer can read them."""

    reason: _Reason | None = None


class ArrivedLine(Input):
    """How many of an order's line have arrived, and how many of these can be sold again."""

    line_id: UUID
    quantity: Quantity
    restock: _Restocked | None = Field(default=None, description="All of them, where it is not said.")


class ReturnArrival(Input):
    """What has arrived. Without `lines` all of it; what is not named has stayed with its buyer."""

    lines: Annotated[tuple[ArrivedLine, ...], Field(min_length=1, max_length=MOST_LINES)] | None = None
    location: LocationCode | None = Field(default=None, description="Where it is put: without one, where it came from.")
    refund: bool = Field(default=True, description="Whether what was paid for it is given back.")


class ReturnLine(Output):
    """How many of an order's line are to come back, have arrived, and went back into stock."""

    line_id: UUID
    sku: str
    quantity: int
    received_quantity: int = Field(validation_alias="received")
    restocked_quantity: int = Field(validation_alias="restocked")


class ReturnRefund(Output):
    """What is given back for a return, and how far that is; it is among the order's refunds, under the return's id."""

    amount: Money
    status: RefundStatus


class Return(Output):
    """A return. `answer` is what was said when it was cancelled; `refund` is there once something is given back."""

    id: UUID
    order_id: UUID
    status: ReturnStatus
    reason: str | None
    answer: str | None
    lines: list[ReturnLine]
    refund: ReturnRefund | None
    created_at: datetime
    ended_at: datetime | None
