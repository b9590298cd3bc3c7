"""What a payment provider says of a payment: its states, its amounts and its two ways of not doing it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.declines import DeclineKind, kind_of
from domain.money import Money


class ProviderPaymentState(StrEnum):
    """What a provider says has become of one payment."""

    PREPARED = "prepared"
    """It exists and nothing has moved: it may still be authorised."""
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    """The buyer has to confirm it with the bank (3-D Secure), or to pay in another way that is waited for."""
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    """Money is reserved, and a part of it may have been captured: `capturable` is what is left to capture."""
    CAPTURED = "captured"
    """What was captured is final, and nothing is reserved any more."""
    CANCELLED = "cancelled"
    """It will never move money any more."""


class RefundState(StrEnum):
    """What has become of a refund."""

    PENDING = "pending"
    """Accepted and under way: it may still fail."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The money came back to us: the buyer has not got it."""


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """One refund, in the currency of its payment. `key` is the operation's; None: nobody of ours asked for it."""

    reference: str
    key: str | None
    amount: int
    state: RefundState


@dataclass(frozen=True, slots=True)
class ProviderCapture:
    """One capture that has happened, in the currency of its payment, by the operation's key."""

    key: str
    amount: int


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A payment method that a buyer has left with the provider; `label` is fit to be shown, such as `visa 4242`."""

    reference: str
    label: str


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """A provider's whole account of one payment; amounts are in the currency of `amount`.

    `refunded` is what was given back or is on its way; a refund that failed is no part of it. The refunds themselves,
    and what is disputed, are told by a look-up (`find`, `ledger`) only.
    """

    reference: str
    order_id: UUID | None
    state: ProviderPaymentState
    amount: Money
    captured: int
    refunded: int
    decline_code: str | None = None
    key: str | None = None
    """The key of the operation that it was prepared for."""
    capturable: int = 0
    """What is still reserved."""
    authorised_until: datetime | None = None
    """When the reservation ends by itself, where the provider says so."""
    action_until: datetime | None = None
    """Until when the buyer may act, only while `ACTION_REQUIRED` and where the provider gives more time than usual."""
    disputed: bool = False
    """The buyer's bank has taken the money back, or asks to: the dispute is open, or lost."""
    dispute_lost: bool = False
    captures: tuple[ProviderCapture, ...] = ()
    refunds: tuple[ProviderRefund, ...] = ()
    buyer: str | None = None
    """The provider's reference of the saved customer."""
    method: str | None = None
    """The provider's reference of the payment method that was used last."""
    client_secret: str | None = field(default=None, repr=False)
    """What the buyer's browser needs to act, only while `ACTION_REQUIRED`. It belongs in no history and no log."""

    @property
    def decline(self) -> DeclineKind | None:
        """Tell whether a declined payment is worth another try with the same method."""
        return kind_of(self.decline_code) if self.state is ProviderPaymentState.DECLINED else None


def has_taken(payment: ProviderPayment, key: str) -> bool:
    """Tell whether a capture has happened. Where a provider does not tell captures apart, there is only one."""
    if payment.captures:
        return any(capture.key == key for capture in payment.captures)
    return payment.state is ProviderPaymentState.CAPTURED


class ProviderUnavailableError(Exception):
    """The outcome is unknown: no answer, or a 5xx. Look the payment up before trying again."""


class ProviderRepeatedError(ProviderUnavailableError):
    """The provider has failed before, and repeats under the same key what it said then: nothing is under way there.

    Look the payment up. Where that shows no effect, and only then, another key can have none beside this one's.
    """


class ProviderRefusedError(Exception):
    """The provider answered, and the answer is no. `code` is its own word for why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)
