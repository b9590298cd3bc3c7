"""What happens when a step that has to succeed fails for good: the order stands still until an operator decides."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.failures import refusal, refusal_code
from contracts.orders import Decision, FlagOrder, Resolve

Result = TypeVar("Result")


class Standstill:
    """Flags an order, waits for a decision, and goes on as it says."""

    def __init__(
        self, order_id: UUID, *, flag: Callable[[FlagOrder], Awaitable[None]], give_up: Callable[[Resolve], None]
    ) -> None:
        self._order_id = order_id
        self._flag = flag
        self._give_up = give_up
        self._decisions: deque[Resolve] = deque()
        self._skippable = False
        self.waiting = False

    async def surely(self, step: Callable[[], Awaitable[Result]], *, skippable: bool) -> Result | None:
        """Run a step that has to succeed. None is to go on without it, because an operator has said so.

        `retry` runs it again; so does `refund`, after the order was asked to give everything back.
        """
        while True:
            try:
                return await step()
            except FailureError as error:
                if is_cancelled_exception(error):
                    raise
                _give_way()
                self._skippable = skippable
                decision = await self._call_operator(refusal_code(error) or "step_failed")
            if decision.decision is Decision.SKIP:
                return None
            if decision.decision is Decision.REFUND:
                self._give_up(decision)

    def decide(self, decision: Resolve) -> None:
        """Let the order go on.

        Raises:
            ApplicationError: it can not go on without this step.
        """
        if decision.decision is Decision.SKIP and not self._skippable:
            raise refusal("illegal_transition", "The order can not go on without this step.")
        self._decisions.append(decision)

    async def clear(self, decision: Resolve) -> None:
        """Say on the order that no operator is needed any more."""
        await self._flag(
            FlagOrder(
                self._order_id,
                needs_operator=False,
                reason=decision.reason,
                actor=decision.actor,
                note_id=decision.note_id,
            )
        )

    async def _call_operator(self, reason: str) -> Resolve:
        self._decisions.clear()
        await self._flag(FlagOrder(self._order_id, needs_operator=True, reason=reason, actor="system"))
        _give_way()
        self.waiting = True
        try:
            await workflow.wait_condition(lambda: bool(self._decisions))
        finally:
            self.waiting = False
        decision = self._decisions.popleft()
        await self.clear(decision)
        return decision


def _give_way() -> None:
    """Raise an interruption that waiting for a step has swallowed: what is given up needs no operator."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
