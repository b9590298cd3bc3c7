"""Giving an order up: interrupt what is under way, fence it, undo it."""

import asyncio
from collections.abc import Awaitable

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.orders import Cancel, CancelStep, OrderActivities
from domain.order_states import OrderStatus
from workflows.progress import Progress


class CancelRequestedError(Exception):
    """The checkout gives way to a request to cancel."""


class Cancelling:
    """Ends an order as somebody has asked: compensated before shipment, recorded after it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def interruptibly(self, part: Awaitable[None]) -> None:
        """Run a part of the checkout that gives way to a request to cancel.

        Raises:
            CancelRequestedError: it was interrupted, and may have taken effect all the same.
        """
        task = asyncio.ensure_future(part)
        await workflow.wait_condition(lambda: task.done() or self._progress.cancel is not None)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            raise CancelRequestedError from None
        except FailureError as error:
            if is_cancelled_exception(error):
                raise CancelRequestedError from None
            raise

    async def unless_cancelled(self, part: Awaitable[None]) -> None:
        """Run a part of the checkout; where it has to give way, undo everything."""
        try:
            await self.interruptibly(part)
        except CancelRequestedError:
            await self.unwind()

    async def unwind(self) -> None:
        """Fence the order against every step that is still under way, then undo what was done, last first.

        After shipment nothing is undone: the request is recorded and an operator is called.
        """
        progress, start = self._progress, self._progress.start
        cancel = progress.cancel or Cancel()
        request = CancelStep(
            start.order_id, start.cart_id, start.checkout_attempt, cancel.actor, cancel.reason, cancel.note_id
        )
        await progress.surely_record(OrderActivities.begin_cancel, request, "Cancel: nothing late may take effect now")
        if progress.stands(OrderStatus.CANCELLING):
            await progress.saga.unwind()
        progress.cancel = None

    async def finish(self) -> None:
        """Undo the opening of the order, and its placement where it came to that."""
        progress = self._progress
        await progress.surely_record(
            OrderActivities.finish_cancel, progress.step, "Release the stock and end the order"
        )
