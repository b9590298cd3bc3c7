"""Looking a payment up at its provider: because it waits for the buyer, or because somebody says that it has changed.

What is said of a payment is never believed: it is a reason to look, and often not even that, because the order knows.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.failures import refusal_code
from contracts.orders import FlagOrder, NoteDispute, OrderActivities, OrderSnapshot, PaymentEvent
from contracts.payments import LookUpPayment, PaymentActivities, PaymentAnswer, PaymentDecision, PaymentLookedUp
from domain.order_states import ENDED, OrderStatus, PaymentStatus
from domain.payment_events import says_already
from workflows.options import provider_look_up
from workflows.progress import Progress

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=15)
_LOOKS = 8
"""How often it is worth to look in the time that a buyer has left, where that is long: what happens is told as well."""


class LookUps:
    """Knows when it is time to look, and what there is to do about what was seen."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._heard: list[PaymentEvent] = []
        self._pause = _FIRST_PAUSE
        self._next: datetime | None = None
        self._found: set[str] = set()
        self.heard = 0
        """How often something was said of the payment."""

    def hear(self, event: PaymentEvent) -> None:
        """Note that something is said of the payment; whether that is news is seen when it is its turn."""
        self.heard += 1
        if event not in self._heard:
            self._heard.append(event)

    @property
    def news(self) -> bool:
        """Tell whether something was said that the order does not know; what it knows is forgotten."""
        order = self._progress.order
        if order is None or order.status is OrderStatus.PENDING:
            return False
        self._heard = [event for event in self._heard if _is_news(event, order)]
        return bool(self._heard)

    def next_at(self) -> datetime | None:
        """Tell when to look again: while the buyer has to act, ever more seldom; else where a look has failed."""
        if self._next is None and self._progress.known.action_required:
            self._pause = _FIRST_PAUSE
            self._next = workflow.now() + self._pause
        return self._next

    async def look_up(self) -> PaymentAnswer | None:
        """Look once, and record what only a person can settle.

        Returns what has become of the latest attempt; None where that can not be told now.
        """
        order = self._progress.known
        self._heard.clear()
        self._next = None
        try:
            seen = await self._ask(order)
        except FailureError as error:
            workflow.logger.warning("payment_not_looked_up", extra={"code": refusal_code(error)})
            self._look_later()
            return None
        self._progress.give_way()
        await self._note(seen)
        if not order.action_required:
            return seen.answer
        answer = seen.answer or PaymentAnswer(PaymentDecision.DECLINED, "payment_abandoned")
        if answer.decision is PaymentDecision.ACTION_REQUIRED:
            self._look_later()
        return answer

    async def _ask(self, order: OrderSnapshot) -> PaymentLookedUp:
        return await workflow.execute_activity_method(
            PaymentActivities.look_up,
            LookUpPayment(order.order_id, order.payment_attempt),
            **provider_look_up("Look the payment up"),
        )

    def _look_later(self) -> None:
        self._next = workflow.now() + self._pause
        deadline = self._progress.known.payment_deadline
        left = deadline - workflow.now() if deadline else _LONGEST_PAUSE
        self._pause = min(self._pause * 2, max(_LONGEST_PAUSE, left / _LOOKS))

    async def _note(self, seen: PaymentLookedUp) -> None:
        """Record what was paid at delivery and what is disputed, and call an operator about what is not explained."""
        progress, order = self._progress, self._progress.known
        if seen.collected:
            await progress.surely_record(OrderActivities.note_collected, progress.step, "Its money is here")
        known = order.payment_status is PaymentStatus.DISPUTED
        if seen.disputed is not known:
            what = "The payment is disputed" if seen.disputed else "The dispute is over"
            await progress.surely_record(OrderActivities.note_dispute, NoteDispute(order.order_id, seen.disputed), what)
        if seen.finding and seen.finding not in self._found:
            self._found.add(seen.finding)
            await progress.flag(FlagOrder(order.order_id, needs_operator=True, reason=seen.finding, actor="system"))


def _is_news(said: PaymentEvent, order: OrderSnapshot) -> bool:
    """Tell whether the order does not know yet what is said of its payment."""
    if order.status in ENDED:
        return False
    return order.action_required or not says_already(order.payment_status, said.type)
