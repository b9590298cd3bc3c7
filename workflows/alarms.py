"""What an order does by itself at a certain time, as long as nobody asks for anything before."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something to do at a certain time, where the order still stands as it does now."""

    at: datetime
    summary: str
    """Names its timer for operators."""
    ring: Callable[[], Awaitable[None]]

    def wait(self, now: datetime) -> timedelta:
        """Tell how long it is until then."""
        return max(self.at - now, timedelta(0))


def first_of(alarms: Iterable[Alarm]) -> Alarm | None:
    """Return the alarm that rings first."""
    return min(alarms, key=lambda alarm: alarm.at, default=None)
