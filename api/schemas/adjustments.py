"""What a total consists of, part by part."""

from uuid import UUID

from pydantic import Field

from api.schemas.fields import Output
from api.schemas.money import Money
from domain.pricing.explaining import AdjustmentProblem, AdjustmentType


class AdjustmentPart(Output):
    """The part of an adjustment that belongs to one line."""

    line_id: UUID
    amount: Money


class Adjustment(Output):
    """A discount (taken off the subtotal), shipping or a tax (added to it), or a tax that prices include already.

    What `lines` do not sum up to belongs to the order as a whole.
    """

    type: AdjustmentType
    code: str = Field(description="Of the promotion or the shipping method; of a tax its category.")
    label: str
    amount: Money = Field(description="Never negative: the type says what it does.")
    lines: list[AdjustmentPart]
    problem: AdjustmentProblem | None = Field(
        default=None, description="Why something that was asked for changes nothing."
    )
