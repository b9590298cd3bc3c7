"""The order: its workflow's messages, and the steps that only touch PostgreSQL.

All amounts are minor units. Actors are ids (`guest`, `customer:<id>`, `operator:<id>`), reasons are codes; free text
stays in PostgreSQL and is named by `note_id`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from domain.captures import CapturePolicy
from domain.money import Money
from domain.order_states import EventType, OrderStatus, PaymentStatus
from domain.payment_events import PaymentEventType

PLACE_UPDATE_ID = "place"
"""One id for every caller of `place`: fifty callers share one update, as Temporal allows ten in flight."""


def order_workflow_id(order_id: UUID) -> str:
    """Name the workflow of an order."""
    return f"order-{order_id}"


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Start an order's workflow: place a cart, or, when the order's row exists already, go on from that row.

    `retry_delays` are empty for a buyer who did not ask for retries of a payment that may pass later.
    """

    order_id: UUID
    cart_id: UUID
    checkout_attempt: int
    payment_method: str | None = None
    expected_total: Money | None = None
    hold: timedelta = timedelta(minutes=30)
    capture: CapturePolicy = CapturePolicy.PLACEMENT
    retry_delays: tuple[timedelta, ...] = ()
    retry_holds_stock: bool = True


@dataclass(frozen=True, slots=True)
class Shortage:
    """A SKU of which less can be sold than was asked for."""

    sku: str
    requested: int
    available: int


@dataclass(frozen=True, slots=True)
class PendingShipment:
    """Goods that are set aside until their share of the money is captured; after the last one nothing is left."""

    shipment_id: UUID
    n: int
    attempt: int
    share: Money
    last: bool


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """An order as its row says. `messages` are the notifications that are still to be delivered.

    `refunding` are the refunds and `shipping` the shipments that were begun and are not over. `sent`: a part of it has
    left the house. `cancelled` is the part of the total that is not owed, since its goods were cancelled after that;
    `letting_go`: what was reserved for them is still to be let go. `authorised_until` is when what is reserved ends by
    itself, as long as something is. `action_required`: the latest attempt waits for the buyer's bank. `retry_at`: when
    it is made again by itself.
    """

    order_id: UUID
    number: str
    status: OrderStatus
    payment_status: PaymentStatus
    total: Money
    customer_id: UUID | None = None
    reason: str | None = None
    needs_operator: bool = False
    operator_reason: str | None = None
    payment_method: str | None = None
    payment_attempt: int = 1
    payment_deadline: datetime | None = None
    decline_code: str | None = None
    shortages: tuple[Shortage, ...] = ()
    messages: tuple[UUID, ...] = ()
    capture: CapturePolicy = CapturePolicy.PLACEMENT
    refunding: tuple[UUID, ...] = ()
    refund_failed: bool = False
    shipping: tuple[PendingShipment, ...] = ()
    sent: bool = False
    authorised_until: datetime | None = None
    close_at: datetime | None = None
    action_required: bool = False
    retry_at: datetime | None = None
    retries: int = 0
    retries_asked_for: bool = False
    cancelled: int = 0
    letting_go: bool = False

    @property
    def owed(self) -> Money:
        """What its buyer pays for all that was, or will be, shipped."""
        return Money(self.total.amount - self.cancelled, self.total.currency)


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What a caller of `place`, `pay` or `cancel` is told."""

    order_id: UUID
    status: OrderStatus
    reason: str | None = None
    decline_code: str | None = None
    total: Money | None = None
    shortages: tuple[Shortage, ...] = ()
    needs_operator: bool = False


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step of an order, as its workflow took it."""

    at: datetime
    status: OrderStatus
    what: str


@dataclass(frozen=True, slots=True)
class Pay:
    """Offer another payment method; `payment_method` is the provider's token, never card data."""

    payment_method: str
    actor: str = "guest"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel an order: compensated before shipment, recorded for an operator afterwards.

    `rest_only`: of an order that was shipped in part, cancel what was not; of any other, all or nothing.
    """

    reason: str = "requested"
    actor: str = "operator"
    note_id: UUID | None = None
    rest_only: bool = False


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """How many of an order's line a shipment holds."""

    line_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Ship:
    """Say that goods of an order leave the house. No lines means all that is left.

    `shipment_id` names the shipment, so that it is sent once however often it is asked for.
    """

    actor: str = "operator"
    carrier: str = ""
    tracking_number: str = ""
    lines: tuple[ShippedLine, ...] = ()
    shipment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class MarkDelivered:
    """Say that a shipment has arrived. No shipment means all that were sent."""

    actor: str = "operator"
    shipment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """Give money back while the order stands. No amount means all that is left; a bare one is in its currency.

    `refund_id` names the refund, so that it is made once however often it is asked for. `limit` bounds what may be
    refunded of the order in all, in minor units.
    """

    amount: Money | int | None = None
    reason: str = "requested"
    actor: str = "operator"
    refund_id: UUID | None = None
    note_id: UUID | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class ArrivedLine:
    """How many of an order's line have come back, and how many of these can be sold again: without a number, all."""

    line_id: UUID
    quantity: int
    restock: int | None = None


@dataclass(frozen=True, slots=True)
class ReceiveReturn:
    """Say that the goods of a return have arrived. No lines means all of it; what is not named is still the buyer's.

    No location means that each goes back to where it came from. Without `refund` no money is given back.
    """

    return_id: UUID
    actor: str = "operator"
    lines: tuple[ArrivedLine, ...] = ()
    location: str | None = None
    refund: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """Say that the buyer has an account now: the guest's cart that the order came out of was claimed."""

    customer_id: UUID


class Decision(StrEnum):
    """How an operator ends a standstill."""

    RETRY = "retry"
    SKIP = "skip"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Resolve:
    """Decide about an order that needs an operator: try the step again, go on without it, or cancel and give back."""

    decision: Decision
    reason: str = "resolved"
    actor: str = "operator"
    note_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """Say that something has happened to a payment: a reason to look it up, and never believed by itself.

    `reference` is the provider's id of the payment, `event_id` that of what it reported (empty: a person asks).
    """

    reference: str
    type: PaymentEventType = PaymentEventType.CHANGED
    provider: str = "stripe"
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderStep:
    """Name the order that a step is about."""

    order_id: UUID


@dataclass(frozen=True, slots=True)
class RequirePayment:
    """Wait for the buyer, or for the next retry of a decline that `passes`; until the deadline, and no longer.

    Stock stays held, unless the order is one that lets it go between retries. `now` is when it was declined, `hold`
    how long the buyer has after the last retry. `action_required`: the attempt itself still waits for the buyer.
    """

    order_id: UUID
    attempt: int
    decline_code: str
    deadline: datetime
    passes: bool = False
    now: datetime | None = None
    hold: timedelta = timedelta(minutes=30)
    action_required: bool = False


@dataclass(frozen=True, slots=True)
class RetryPayment:
    """Begin the next attempt with another payment method."""

    order_id: UUID
    attempt: int
    payment_method: str
    actor: str


@dataclass(frozen=True, slots=True)
class AnswerPayment:
    """Say that the buyer's bank has answered an attempt that waited for it."""

    order_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class NoteDispute:
    """Say that the buyer's bank disputes an order's payment, or does no longer."""

    order_id: UUID
    disputed: bool


@dataclass(frozen=True, slots=True)
class CancelStep:
    """Fence an order against every step that is still under way, and say who asked."""

    order_id: UUID
    cart_id: UUID
    checkout_attempt: int
    actor: str
    reason: str
    note_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AdvanceOrder:
    """Take one step of fulfilment along the table of transitions."""

    order_id: UUID
    event: EventType
    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FlagOrder:
    """Set or clear `needs_operator`; a code says why."""

    order_id: UUID
    needs_operator: bool
    reason: str
    actor: str
    note_id: UUID | None = None


class OrderActivities:
    """Steps of an order that only touch PostgreSQL. Each is one transaction and may be repeated at any time."""

    @activity.defn(name="orders.open")
    async def open(self, request: PlaceOrder) -> OrderSnapshot:
        """Freeze and price the cart, write the order and hold the stock; or load the order that exists already."""
        raise NotImplementedError

    @activity.defn(name="orders.look")
    async def look(self, request: OrderStep) -> OrderSnapshot:
        """Load the order as its row stands."""
        raise NotImplementedError

    @activity.defn(name="orders.require_payment")
    async def require_payment(self, request: RequirePayment) -> OrderSnapshot:
        """Record a decline and keep the stock held until the deadline."""
        raise NotImplementedError

    @activity.defn(name="orders.retry_payment")
    async def retry_payment(self, request: RetryPayment) -> OrderSnapshot:
        """Begin the next payment attempt; where the stock was let go and is sold by now, the order has failed."""
        raise NotImplementedError

    @activity.defn(name="orders.answer_payment")
    async def answer_payment(self, request: AnswerPayment) -> OrderSnapshot:
        """Go on with an attempt that has waited for the buyer's bank."""
        raise NotImplementedError

    @activity.defn(name="orders.note_collected")
    async def note_collected(self, request: OrderStep) -> OrderSnapshot:
        """Record that money which is paid at delivery is here."""
        raise NotImplementedError

    @activity.defn(name="orders.let_go")
    async def let_go(self, request: OrderStep) -> OrderSnapshot:
        """Release the stock of an order that is being undone, while its money is still on its way back."""
        raise NotImplementedError

    @activity.defn(name="orders.note_dispute")
    async def note_dispute(self, request: NoteDispute) -> OrderSnapshot:
        """Record a dispute and call an operator; or that it is over, and that none is needed for it any more."""
        raise NotImplementedError

    @activity.defn(name="orders.place")
    async def place(self, request: OrderStep) -> OrderSnapshot:
        """Commit the stock, place the order and write down the message that the buyer is owed."""
        raise NotImplementedError

    @activity.defn(name="orders.begin_cancel")
    async def begin_cancel(self, request: CancelStep) -> OrderSnapshot:
        """Mark the order as being undone, so that a late step refuses itself, even one that has not begun yet."""
        raise NotImplementedError

    @activity.defn(name="orders.finish_cancel")
    async def finish_cancel(self, request: OrderStep) -> OrderSnapshot:
        """Release the stock, end the order as cancelled and reopen its cart if it was never placed."""
        raise NotImplementedError

    @activity.defn(name="orders.expire")
    async def expire(self, request: OrderStep) -> OrderSnapshot:
        """Release the stock of an order that nobody paid, and reopen its cart."""
        raise NotImplementedError

    @activity.defn(name="orders.advance")
    async def advance(self, request: AdvanceOrder) -> OrderSnapshot:
        """Record a step of fulfilment."""
        raise NotImplementedError

    @activity.defn(name="orders.flag")
    async def flag(self, request: FlagOrder) -> OrderSnapshot:
        """Call an operator, or record that one has decided."""
        raise NotImplementedError
