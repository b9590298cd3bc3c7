"""A Temporal that says what a test tells it to say, and keeps what it was asked."""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from clients.orders import Accepted, OrderClient
from contracts.orders import Cancel, OrderOutcome, Pay, PlaceOrder
from domain.errors import TemporarilyUnavailableError

Answer = OrderOutcome | Accepted | Exception


@dataclass
class OrdersDouble(OrderClient):
    """Stands where `OrderClient` stands, and reaches nothing."""

    is_reachable: bool = True
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    accepted: dict[UUID, UUID] = field(default_factory=dict)
    """The carts of orders that were accepted and have no row."""

    async def reachable(self) -> bool:
        return self.is_reachable

    async def place(self, order: PlaceOrder, *, wait: timedelta) -> OrderOutcome | Accepted:
        return self._answer(order, wait)

    async def pay(self, order_id: UUID, pay: Pay, *, wait: timedelta) -> OrderOutcome | Accepted:
        return self._answer(order_id, pay, wait)

    async def cancel(self, order_id: UUID, cancel: Cancel, *, wait: timedelta) -> OrderOutcome | Accepted:
        return self._answer(order_id, cancel, wait)

    async def accepted_cart(self, order_id: UUID) -> UUID | None:
        return self.accepted.get(order_id)

    def forget(self) -> None:
        self.answers.clear()
        self.asked.clear()
        self.accepted.clear()

    def _answer(self, *question: object) -> OrderOutcome | Accepted:
        self.asked.append(question)
        answer = self.answers.popleft() if self.answers else TemporarilyUnavailableError("nobody answers")
        if isinstance(answer, Exception):
            raise answer
        return answer
