"""A Temporal that says what a test tells it to say, and keeps what it was asked."""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from clients.orders import Accepted, OrderClient
from contracts.orders import Cancel, OrderOutcome, Pay, PaymentEvent, PlaceOrder
from domain.errors import NotFoundError, TemporarilyUnavailableError

Answer = OrderOutcome | Accepted | Exception


@dataclass
class OrdersDouble(OrderClient):
    """Stands where `OrderClient` stands, and reaches nothing."""

    is_reachable: bool = True
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    request_ids: list[UUID | None] = field(default_factory=list)
    """Under which names payments and cancellations were sent."""
    accepted: dict[UUID, UUID] = field(default_factory=dict)
    """The carts of orders that were accepted and have no row."""
    alive: set[UUID] = field(default_factory=set)
    """The orders whose workflow takes signals."""
    told: list[tuple[UUID, object]] = field(default_factory=list)
    resumed: list[PlaceOrder] = field(default_factory=list)

    async def reachable(self) -> bool:
        return self.is_reachable

    def hurry(self) -> None:
        """Nobody waits here."""

    async def place(self, order: PlaceOrder, *, wait: timedelta) -> OrderOutcome | Accepted:
        return self._answer(order, wait)

    async def pay(
        self, order_id: UUID, pay: Pay, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        self.request_ids.append(request_id)
        return self._answer(order_id, pay, wait)

    async def cancel(
        self, order_id: UUID, cancel: Cancel, *, wait: timedelta, request_id: UUID | None = None
    ) -> OrderOutcome | Accepted:
        self.request_ids.append(request_id)
        return self._answer(order_id, cancel, wait)

    async def claimed(self, order_id: UUID, customer_id: UUID) -> None:
        self.told.append((order_id, customer_id))

    async def accepted_cart(self, order_id: UUID) -> UUID | None:
        return self.accepted.get(order_id)

    async def payment_event(self, order_id: UUID, event: PaymentEvent) -> None:
        if not self.is_reachable:
            raise TemporarilyUnavailableError("nobody answers")
        if order_id not in self.alive:
            raise NotFoundError("no workflow")
        self.told.append((order_id, event))

    async def resume(self, order: PlaceOrder, *, told: PaymentEvent | Cancel | None = None) -> None:
        if not self.is_reachable:
            raise TemporarilyUnavailableError("nobody answers")
        self.resumed.append(order)
        if told is not None:
            self.told.append((order.order_id, told))

    def forget(self) -> None:
        self.is_reachable = True
        self.alive.clear()
        self.told.clear()
        self.resumed.clear()
        self.answers.clear()
        self.asked.clear()
        self.request_ids.clear()
        self.accepted.clear()

    def _answer(self, *question: object) -> OrderOutcome | Accepted:
        self.asked.append(question)
        answer = self.answers.popleft() if self.answers else TemporarilyUnavailableError("nobody answers")
        if isinstance(answer, Exception):
            raise answer
        return answer
