"""Shipments in requests and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.fields import MOST_LINES, Input, Output, Quantity, text
from models.shipments import ShipmentState

_Carrier = Annotated[str, text(64, least=0)]
_Tracking = Annotated[str, text(100, least=0)]


class NewShipmentLine(Input):
    """How many of an order's line leave the house."""

    line_id: UUID
    quantity: Quantity


class NewShipment(Input):
    """What leaves the house, and with whom. Without `lines` it is all that is left; an empty list is a mistake."""

    lines: Annotated[tuple[NewShipmentLine, ...], Field(min_length=1, max_length=MOST_LINES)] | None = None
    carrier: _Carrier = ""
    tracking_number: _Tracking = ""


class ShipmentLine(Output):
    """How many of an order's line a shipment holds."""

    line_id: UUID
    sku: str
    quantity: int


class Shipment(Output):
    """A shipment. It is `preparing` while its money is being taken, and `abandoned` where that could not be taken."""

    id: UUID
    order_id: UUID
    status: ShipmentState = Field(validation_alias="state")
    carrier: str
    tracking_number: str
    lines: list[ShipmentLine]
    created_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
