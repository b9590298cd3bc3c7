"""What happens when a step that has to succeed fails for good: the order stands still until an operator decides."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.failures import refusal_code
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
        self.waiting = False

    async def surely(self, step: Callable[[], Awaitable[Result]]) -> Result | None:
        """Run a step that has to succeed. None is to go on without it, because an operator has said so.

        `retry` runs it again; so does `refund`, after the order was asked to give everything back.
        """
        while True:
            try:
                return await step()
            except FailureError as error:
                if is_cancelled_exception(error):
                    raise
                decision = await self._call_operator(refusal_code(error) or "step_failed")
            if decision.decision is Decision.SKIP:
                return None
            if decision.decision is Decision.REFUND:
                self._give_up(decision)

    def decide(self, decision: Resolve) -> None:
        """Let the order go on."""
        self._decisions.append(decision)

    async def clear(self, decision: Resolve) -> None:
        """Say on the order that no operator is needed any more."""
        await self._flag(FlagOrder(self._order_id, needs_operator=False, reason=decision.reason, actor=decision.actor))

    async def _call_operator(self, reason: str) -> Resolve:
        self._decisions.clear()
        self.waiting = True
        await self._flag(FlagOrder(self._order_id, needs_operator=True, reason=reason, actor="system"))
        try:
            await workflow.wait_condition(lambda: bool(self._decisions))
        finally:
            self.waiting = False
        decision = self._decisions.popleft()
        await self.clear(decision)
        return decision
