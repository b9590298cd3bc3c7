"""What was asked of an order and waits for its turn."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from contracts.failures import refusal, refusal_in
from workflows.progress import OvertakenError

Command = TypeVar("Command")


@dataclass(slots=True)
class _Queued(Generic[Command]):
    """A command that waits for its turn; `refused` is why it could not be carried out."""

    command: Command
    done: bool = False
    refused: ApplicationError | None = None


class Commands(Generic[Command]):
    """Commands, carried out one at a time in the order in which they came."""

    def __init__(self) -> None:
        self._queue: deque[_Queued[Command]] = deque()

    def __bool__(self) -> bool:
        """Tell whether there is one that is not done."""
        return bool(self._queue)

    def has(self, kind: type[Command]) -> bool:
        """Tell whether a command of this kind waits or is being carried out."""
        return any(isinstance(queued.command, kind) for queued in self._queue)

    def add(self, command: Command) -> _Queued[Command]:
        """Queue a command."""
        queued = _Queued(command)
        self._queue.append(queued)
        return queued

    async def in_turn(self, command: Command, over: Callable[[], bool]) -> ApplicationError | None:
        """Queue a command and wait until it was carried out; return the refusal when it was not."""
        queued = self.add(command)
        await workflow.wait_condition(lambda: queued.done or over())
        return queued.refused if queued.done else refusal("illegal_transition", "The order is over.")

    async def carry_out_next(self, carry_out: Callable[[Command], Awaitable[None]]) -> None:
        """Carry the oldest one out. A refusal is for who has asked; the order goes on.

        Raises:
            OvertakenError: the order has gone on without this run; nothing is carried out a second time.
        """
        queued = self._queue[0]
        try:
            await carry_out(queued.command)
        except FailureError as error:
            queued.refused = refusal_in(error) or refusal("illegal_transition", "The order's state does not allow it.")
        except OvertakenError:
            queued.refused = refusal("illegal_transition", "The order has gone on meanwhile: look at it and ask again.")
            raise
        finally:
            queued.done = True
            self._queue.popleft()
