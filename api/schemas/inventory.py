"""Stock in requests and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from api.schemas.fields import Country, Input, Line, Output
from db.stock import Stock as StockRow
from models.inventory import DEFAULT_LOCATION

_MOST_MOVED = 1_000_000_000


def _moves(delta: int) -> int:
    if delta == 0:
        raise PydanticCustomError("zero", "Input should not be 0")
    return delta


Delta = Annotated[int, Field(strict=True, ge=-_MOST_MOVED, le=_MOST_MOVED), AfterValidator(_moves)]
LocationCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class StockAtLocation(Output):
    """Stock at one place: `on_hand` may still be sold, `reserved` of it is held by orders.

    What lies at a place that is not `active` is not sold.
    """

    location: str
    on_hand: int
    reserved: int
    available: int
    active: bool


class Stock(Output):
    """What may still be sold of a SKU: `available` is there, `backorderable` is not. The rest is for staff.

    `sold_unshipped` was sold and is in no shipment yet: it lies there, beside what is `on_hand`. `backordered` was sold
    and is not there: it is taken out of what comes in, in the order in which it was sold.
    """

    sku: str
    available: int
    backorderable: int
    on_hand: int | None = None
    reserved: int | None = None
    sold_unshipped: int | None = None
    backordered: int | None = None
    backorder_limit: int | None = None
    low_stock_at: int | None = None
    locations: list[StockAtLocation] | None = None

    @classmethod
    def of(cls, stock: StockRow, *, for_staff: bool) -> "Stock":
        """Show the stock of a SKU."""
        if not for_staff:
            return cls(sku=stock.sku, available=stock.available, backorderable=stock.backorderable)
        return cls(
            sku=stock.sku,
            available=stock.available,
            backorderable=stock.backorderable,
            on_hand=sum(level.on_hand for level in stock.levels),
            reserved=sum(level.reserved for level in stock.levels),
            sold_unshipped=stock.sold_unshipped,
            backordered=stock.backordered,
            backorder_limit=stock.backorder_limit,
            low_stock_at=stock.low_stock_at,
            locations=[StockAtLocation.model_validate(level) for level in stock.levels],
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


class NewTransfer(Input):
    """Goods that go from one place to another."""

    origin: Annotated[LocationCode, Field(alias="from")]
    destination: Annotated[LocationCode, Field(alias="to")]
    quantity: Annotated[int, Field(strict=True, ge=1, le=_MOST_MOVED)]
    reason: Line = Field(description="Kept as a note of both movements.")


class Transfer(Output):
    """The stock of both places after a transfer."""

    origin: StockAtLocation = Field(serialization_alias="from")
    destination: StockAtLocation = Field(serialization_alias="to")


class StockPolicyChoice(Input):
    """How much more of a SKU may be sold than there is, and how little of it is little; null: nobody wants to know."""

    backorder_limit: Annotated[int, Field(strict=True, ge=0, le=_MOST_MOVED)] = 0
    low_stock_at: Annotated[int, Field(strict=True, ge=0, le=_MOST_MOVED)] | None = None


class StockPolicy(Output):
    """How much more of a SKU may be sold than there is, and how little of it is little.

    `version` is 0 where nothing was decided.
    """

    backorder_limit: int
    low_stock_at: int | None
    version: int


class StockAlert(Output):
    """The moment at which what is available of a SKU fell to its threshold or below; `told_at`, when a mail said so."""

    id: UUID
    sku: str
    low_stock_at: int
    available: int
    created_at: datetime
    told_at: datetime | None


Countries = Annotated[list[Country], Field(max_length=300, description="Where it ships to; empty: everywhere.")]
Priority = Annotated[int, Field(strict=True, ge=0, le=1_000_000, description="Of several places the lowest sends.")]


class NewLocation(Input):
    """A place that is to hold stock."""

    code: LocationCode
    name: Line
    priority: Priority = 100
    countries: Countries = Field(default_factory=list)
    active: bool = True


class LocationEdit(Input):
    """What is to change of a place; what is not named stays as it is."""

    name: Line | None = None
    priority: Priority | None = None
    countries: Countries | None = None
    active: bool | None = None


class Location(Output):
    """A place that holds stock; what lies at one that is not `active` is not sold."""

    code: str
    name: str
    priority: int
    countries: list[str]
    active: bool
    version: int
