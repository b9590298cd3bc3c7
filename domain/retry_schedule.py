"""When a payment that was declined for a passing reason is tried again, and when that ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=30)
MOST_RETRIES = 15
"""Card schemes fine who asks more often than that within 30 days."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How long to wait after the first decline, after the next one, and so on. Without delays nothing is retried."""

    delays: tuple[timedelta, ...] = (
        timedelta(hours=1),
        timedelta(hours=6),
        timedelta(hours=24),
        timedelta(hours=72),
    )

    def __post_init__(self) -> None:
        if len(self.delays) > MOST_RETRIES:
            raise ValueError(f"a payment is retried {MOST_RETRIES} times at most")
        for delay in self.delays:
            if not SHORTEST <= delay <= LONGEST:
                raise ValueError(f"a retry waits between {SHORTEST} and {LONGEST}, not {delay}")

    @classmethod
    def of_seconds(cls, seconds: Iterable[int]) -> "RetrySchedule":
        """Read a schedule that is kept as seconds."""
        return cls(tuple(timedelta(seconds=delay) for delay in seconds))

    @property
    def seconds(self) -> list[int]:
        """Return the delays as they are kept."""
        return [int(delay.total_seconds()) for delay in self.delays]

    def next_after(self, declined_at: datetime, retries: int) -> datetime | None:
        """Tell when the payment is tried again, after so many retries; None: never."""
        return declined_at + self.delays[retries] if retries < len(self.delays) else None


NO_RETRIES = RetrySchedule(())
