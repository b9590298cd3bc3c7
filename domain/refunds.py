"""How a refund stands."""

from enum import StrEnum


class RefundStatus(StrEnum):
    """How a refund stands. One that has failed waits for an operator, who has it tried again or abandons it."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABANDONED = "abandoned"
