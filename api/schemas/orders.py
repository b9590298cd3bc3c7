"""Orders in requests and answers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.schemas.adjustments import Adjustment
from api.schemas.fields import NO_CARD, Input, Output, Words, text
from api.schemas.money import Money, Price
from domain.order_states import OrderStatus, PaymentStatus


class PaymentMethod(Input):
    """A way to pay, as the provider's token; never card data."""

    token: Words


class FirstPaymentMethod(PaymentMethod):
    """A way to pay at checkout. With `retry`, a decline that may pass later is tried again for some days."""

    retry: bool = False


class Checkout(Input):
    """What a checkout needs. With `expected_total` nothing is sold at another price than the buyer saw."""

    payment_method: FirstPaymentMethod
    expected_total: Price | None = None


class NewPayment(Input):
    """Another way to pay, after one was declined."""

    payment_method: PaymentMethod


class Cancellation(Input):
    """Why an order is to be cancelled, in the words of who asks.

    `rest_only`: of an order that was shipped in part, what was not; of one of which nothing was, all of it.
    """

    reason: Annotated[str, text(500), NO_CARD] | None = None
    rest_only: bool = False


class OrderLine(Output):
    """A line as it was sold; it has an id as soon as the order has a number."""

    line_id: UUID | None
    sku: str
    title: str
    quantity: int
    unit_price: Money
    total: Money
    discount: Money
    tax: Money
    tax_included: Money
    shipped_quantity: int = Field(default=0, description="Contained in shipments.")
    cancelled_quantity: int = Field(default=0, description="Cancelled after others were shipped.")
    returned_quantity: int = Field(default=0, description="Came back, or are in a return that was asked for.")


class PaymentAction(Output):
    """What the buyer has to do with the provider's own library, or to write on a transfer.

    The secret is for the buyer's browser alone.
    """

    provider: str
    client_secret: str | None
    transfer_reference: str | None = None


class AwaitedPayment(Output):
    """What an order waits for that is not paid: for `action`, for the retry at `retry_at`, or for another method."""

    decline_code: str | None
    deadline: datetime | None
    retry_at: datetime | None
    action: PaymentAction | None = None


class Order(Output):
    """An order. It is `pending`, without number and time, from the moment its checkout was accepted."""

    id: UUID
    number: str | None
    cart_id: UUID
    status: OrderStatus
    payment_status: PaymentStatus
    needs_operator: bool
    reason: str | None
    currency: str
    lines: list[OrderLine]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    tax_included: Money = Field(description="Contained in the prices: told, not added.")
    total: Money
    adjustments: list[Adjustment] = Field(description="What the total consists of beside the lines.")
    cancelled: Money = Field(description="The part of the total that is not owed: it was cancelled and never shipped.")
    refunded: Money
    shipping_address: dict[str, Any] | None
    awaited_payment: AwaitedPayment | None = Field(default=None, description="Only while a payment is required.")
    created_at: datetime | None
    workflow_id: str = Field(description="Where operators find it in Temporal.")


class AcceptedOrder(Output):
    """What was asked for is under way; `Location` tells where to look."""

    order_id: UUID
    status: OrderStatus


class TimelineEntry(Output):
    """Something that happened to an order; `note` is what somebody wrote about it, for staff."""

    at: datetime
    type: str
    source: str | None = Field(serialization_alias="from")
    target: str = Field(serialization_alias="to")
    actor: str
    reason: str | None
    note: str | None = None


class EventTicket(Output):
    """What opens the events of one order in a browser, as `?ticket=`; `expires_in` is in seconds."""

    ticket: str
    expires_in: int


class Notification(Output):
    """A message to the buyer, and how far it has come."""

    id: UUID
    template: str
    channel: str
    state: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None
