"""What a payment provider says of a payment: its states, its amounts and its two ways of not doing it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.money import Money


class ProviderPaymentState(StrEnum):
    """What a provider says has become of one payment."""

    PREPARED = "prepared"
    """It exists and nothing has moved: it may still be authorised."""
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    """The buyer has to confirm it with the bank (3-D Secure)."""
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    CANCELLED = "cancelled"
    """It will never move money any more."""


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """A provider's whole account of one payment. `captured` and `refunded` are in the currency of `amount`."""

    reference: str
    order_id: UUID | None
    state: ProviderPaymentState
    amount: Money
    captured: int
    refunded: int
    decline_code: str | None = None


class ProviderUnavailableError(Exception):
    """The outcome is unknown: no answer, or a 5xx. Look the payment up before trying again."""


class ProviderRefusedError(Exception):
    """The provider answered, and the answer is no. `code` is its own word for why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)
