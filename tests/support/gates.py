"""Steps that stand still where a test wants them to, so that something can happen exactly there."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.refusals import refusals
from workers.wiring import QueueWork

Step = Callable[[Any], Awaitable[Any]]


@dataclass
class Gate:
    """Stops one step, once: before its effect, after it, or so that its effect comes late.

    `late` models a worker that is cut off: the step fails, and what it was about to do happens when the test says so.
    """

    step: str
    where: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    late: asyncio.Task[Any] | None = None

    def apply(self, work: QueueWork) -> QueueWork:
        """Put the gate into the work of a queue."""
        gated = [self._gated(step) if _name(step) == self.step else step for step in work.activities]
        return QueueWork(activities=gated, workflows=work.workflows, slots=work.slots)

    def _gated(self, step: Step) -> Step:
        @functools.wraps(step)
        async def gated(request: Any) -> Any:
            if self.reached.is_set():
                return await step(request)
            async with heartbeats():
                if self.where == "late":
                    return await self._cut_off(step, request)
                result = await step(request) if self.where == "after" else None
                self.reached.set()
                await self.opened.wait()
                return result if self.where == "after" else await step(request)

        gated.__dict__.pop("__temporal_activity_definition")
        return activity.defn(name=self.step)(gated)

    async def _cut_off(self, step: Step, request: Any) -> Any:
        async def later() -> Any:
            await self.opened.wait()
            return await step(request)

        self.late = asyncio.create_task(later())
        self.reached.set()
        await asyncio.Event().wait()


def _name(step: Callable[..., Any]) -> str:
    definition: Any = getattr(step, "__temporal_activity_definition")
    return str(definition.name)


@dataclass
class Replacement:
    """Puts something else in the place of a step for the first few times."""

    step: str
    instead: Step
    times: int
    through_refusals: bool = False

    def apply(self, work: QueueWork) -> QueueWork:
        """Put the replacement into the work of a queue."""
        replaced = [self._replaced(step) if _name(step) == self.step else step for step in work.activities]
        return QueueWork(activities=replaced, workflows=work.workflows, slots=work.slots)

    def _replaced(self, step: Step) -> Step:
        @functools.wraps(step)
        async def replaced(request: Any) -> Any:
            if self.times == 0:
                return await step(request)
            self.times -= 1
            with refusals() if self.through_refusals else contextlib.nullcontext():
                return await self.instead(request)

        replaced.__dict__.pop("__temporal_activity_definition")
        return activity.defn(name=self.step)(replaced)
