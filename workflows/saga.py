"""The undos of what an order has done, last first."""

from collections.abc import Awaitable, Callable

Undo = Callable[[], Awaitable[None]]


class Saga:
    """Remembers how to undo each step. An undo is registered *before* its step, since a step may take effect late.

    Every undo fences its step: what it undoes can not happen any more afterwards, so nothing has to know how far a
    step had come when it was interrupted.
    """

    def __init__(self) -> None:
        self._undos: list[Undo] = []

    def undo(self, undo: Undo) -> None:
        """Register an undo."""
        self._undos.append(undo)

    async def undo_last(self) -> None:
        """Run the newest undo. One that is interrupted or fails stays registered."""
        await self._undos[-1]()
        self._undos.pop()

    def forget(self) -> None:
        """Forget every undo: what has to be undone is told by the order's row again."""
        self._undos.clear()

    async def unwind(self) -> None:
        """Run all undos, last first."""
        while self._undos:
            await self.undo_last()
