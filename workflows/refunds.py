"""Giving money back while the order stands: beside the story, which goes on meanwhile."""

import asyncio
from collections import deque
from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.failures import refusal_code
from contracts.orders import ReceiveReturn, Refund
from contracts.refunds import BeginRefund, RefundActivities, RefundStep
from contracts.returns import ReturnActivities, TakeBack
from domain.money import Money
from domain.refunds import RefundStatus
from workflows.options import provider_call
from workflows.progress import Progress

_FIRST_LOOK = timedelta(minutes=1)
_LAST_LOOK = timedelta(days=1)


class Refunds:
    """Follows each refund until the provider has confirmed it. The story records what it came to, in its turn."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._followed: dict[UUID, asyncio.Task[None]] = {}
        self._waiting: set[UUID] = set()
        self._ended: deque[UUID] = deque()
        self._failed: set[UUID] = set()
        self._looks = 0

    async def begin(self, refund: Refund, refund_id: UUID) -> None:
        """Reserve the money of a refund, and begin to give it back.

        Raises:
            ApplicationError: it is not possible; nothing was reserved.
        """
        amount = refund.amount
        request = BeginRefund(
            order_id=self._progress.start.order_id,
            refund_id=refund_id,
            amount=amount.amount if isinstance(amount, Money) else amount,
            currency=amount.currency if isinstance(amount, Money) else None,
            reason=refund.reason,
            actor=refund.actor,
            note_id=refund.note_id,
            limit=refund.limit,
        )
        await self._progress.record(RefundActivities.begin, request, f"Refund {amount or 'all that is left'}")
        self.follow()

    async def take_back(self, arrived: ReceiveReturn) -> None:
        """Note goods that have come back, and begin to give back what was paid for them.

        Raises:
            ApplicationError: it is not possible; nothing was noted.
        """
        request = TakeBack(
            order_id=self._progress.start.order_id,
            return_id=arrived.return_id,
            actor=arrived.actor,
            lines=arrived.lines,
            location=arrived.location,
            refund=arrived.refund,
        )
        await self._progress.record(ReturnActivities.take_back, request, "Take goods back that have arrived")
        self.follow()

    def follow(self) -> None:
        """Follow every refund that was begun and is not over, also those of an earlier run."""
        for refund_id in self._progress.known.refunding:
            if refund_id not in self._followed:
                self._failed.discard(refund_id)
                self._followed[refund_id] = asyncio.create_task(self._give_back(refund_id))

    def look_again(self) -> None:
        """Look up at once what is under way: the provider has reported something."""
        self._looks += 1

    async def try_again(self) -> None:
        """Begin the refunds anew that have failed: an operator has decided."""
        await self._progress.record(RefundActivities.begin_again, self._progress.step, "Try the refund again")
        self.follow()

    async def abandon(self) -> None:
        """Give up the refunds that have failed: an operator has decided."""
        await self._progress.record(RefundActivities.abandon, self._progress.step, "Go on without the refund")

    @property
    def ended(self) -> bool:
        """Tell whether a refund has ended and is not recorded yet."""
        return bool(self._ended)

    @property
    def idle(self) -> bool:
        """Tell whether nothing is under way."""
        return not self._followed

    @property
    def resting(self) -> bool:
        """Tell whether the provider is not being asked anything right now."""
        return self._waiting >= self._followed.keys()

    def answered(self, refund_id: UUID) -> bool:
        """Tell whether the provider has said what it makes of a refund."""
        return refund_id not in self._followed or refund_id in self._waiting

    def refused(self, refund_id: UUID) -> bool:
        """Tell whether a refund has failed."""
        return refund_id in self._failed

    async def settle(self) -> None:
        """Record what the refund has come to that ended first: the buyer is told, or an operator is called."""
        refund_id = self._ended[0]
        step = RefundStep(self._progress.start.order_id, refund_id)
        await self._progress.surely_record(RefundActivities.settle, step, "Note what the refund has come to")
        self._progress.messages.send(self._progress.known.messages)
        self._ended.popleft()
        del self._followed[refund_id]

    async def _give_back(self, refund_id: UUID) -> None:
        """Ask the provider until it has confirmed: once, then ever more seldom while the refund is under way there."""
        pause = _FIRST_LOOK
        while (state := await self._ask(refund_id)) is RefundStatus.STARTED:
            await self._wait(refund_id, pause)
            pause = min(pause * 2, _LAST_LOOK)
        if state is RefundStatus.FAILED:
            self._failed.add(refund_id)
        self._ended.append(refund_id)

    async def _ask(self, refund_id: UUID) -> RefundStatus:
        """Ask once. What fails here for good is asked again later: it is not known to have been given back or not."""
        step = RefundStep(self._progress.start.order_id, refund_id)
        try:
            answer = await workflow.execute_activity_method(
                RefundActivities.give_back, step, **provider_call("Give the money back")
            )
        except FailureError as error:
            workflow.logger.warning("refund_not_asked", extra={"code": refusal_code(error)})
            return RefundStatus.STARTED
        return answer.state

    async def _wait(self, refund_id: UUID, pause: timedelta) -> None:
        looks = self._looks
        self._waiting.add(refund_id)
        try:
            await workflow.wait_condition(
                lambda: self._looks > looks, timeout=pause, timeout_summary="Look whether the refund has arrived"
            )
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(refund_id)
