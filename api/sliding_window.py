"""Counters of this process: how often each caller came within a window that slides.

What was counted in the last whole window weighs as much as the window still covers of it. All counters of a window
are dropped at once, so that counting costs the same for one caller and for a million of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Counted:
    """Where a caller stands: what is left, after how many seconds it is more, and whether this time was too often."""

    remaining: int
    reset: float
    refused: bool


class SlidingWindow:
    """Counts in the memory of one process."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._number = 0.0
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def count(self, caller: str, limit: int) -> Counted:
        """Count a caller once, unless that is more than the limit: what is refused does not keep others waiting."""
        number, passed = divmod(self._clock(), self._seconds)
        self._turn(number)
        covered = self._seconds - passed
        current, previous = self._current.get(caller, 0), self._previous.get(caller, 0)
        counted = current + previous * covered / self._seconds
        refused = math.floor(counted) >= limit
        if not refused:
            self._current[caller] = current + 1
            counted += 1
        whole = min(math.floor(counted), limit)
        # What weighs less with every moment is the last window; what was counted in this one does so after its end.
        reset = (counted - whole) * self._seconds / previous if previous else covered
        return Counted(limit - whole, reset, refused)

    def _turn(self, number: float) -> None:
        """Begin the window of this number; nothing is left of one that ended before the last one did."""
        if number != self._number:
            self._previous = self._current if number == self._number + 1 else {}
            self._current = {}
            self._number = number
