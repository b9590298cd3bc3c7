"""Stock in requests and answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from api.schemas.fields import Input, Line, Output
from db.stock import Level
from models.inventory import DEFAULT_LOCATION

_MOST_MOVED = 1_000_000_000


def _moves(delta: int) -> int:
    if delta == 0:
        raise PydanticCustomError("zero", "Input should not be 0")
    return delta


Delta = Annotated[int, Field(strict=True, ge=-_MOST_MOVED, le=_MOST_MOVED), AfterValidator(_moves)]
LocationCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class StockAtLocation(Output):
    """Stock at one place: `on_hand` may still be sold, `reserved` of it is held by orders."""

    location: str
    on_hand: int
    reserved: int
    available: int


class Stock(Output):
    """What may still be sold of a SKU; `locations` is for staff."""

    sku: str
    available: int
    locations: list[StockAtLocation] | None = None

    @classmethod
    def of(cls, sku: str, levels: Sequence[Level], *, with_locations: bool) -> "Stock":
        """Show the stock of a SKU."""
        return cls(
            sku=sku,
            available=sum(level.available for level in levels),
            locations=[StockAtLocation.model_validate(level) for level in levels] if with_locations else None,
        )


class NewAdjustment(Input):
    """A change of what is on hand, with what a person says about it."""

    location: LocationCode = DEFAULT_LOCATION
    delta: Delta = Field(description="Added, or taken away; never 0.")
    reason: Line = Field(description="`receipt`, `adjustment`, or free text, which is kept as a note.")


class StockMovement(Output):
    """One change of what is on hand."""

    id: UUID
    sku: str
    location: str
    delta: int
    reason: str
    note: str
    order_id: UUID | None
    actor: str
    created_at: datetime


class NewLocation(Input):
    """A place that is to hold stock."""

    code: LocationCode
    name: Line


class Location(Output):
    """A place that holds stock."""

    code: str
    name: str
