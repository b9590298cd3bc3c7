"""Payment steps: calls to the provider, on their own queue."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from domain.money import Money


@dataclass(frozen=True, slots=True)
class AuthorisePayment:
    """Reserve the buyer's money for attempt `attempt` of an order."""

    order_id: UUID
    attempt: int
    total: Money
    payment_method: str


@dataclass(frozen=True, slots=True)
class CapturePayment:
    """Take the money that an attempt has authorised: from here on, undoing means refunding.

    `n` names the capture where there are several, one for each shipment; all but the `last` leave the rest reserved.
    """

    order_id: UUID
    attempt: int
    total: Money
    n: int | None = None
    last: bool = True


@dataclass(frozen=True, slots=True)
class ReversePayment:
    """Give back whatever an attempt has taken or may still take; of the `whole` order, whatever any attempt has."""

    order_id: UUID
    attempt: int
    whole: bool = False


class PaymentDecision(StrEnum):
    """A provider's final word on one step."""

    APPROVED = "approved"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class PaymentAnswer:
    """The provider's answer to an authorisation or a capture; `code` says why it was declined."""

    decision: PaymentDecision
    code: str | None = None


class Reversal(StrEnum):
    """How money was given back."""

    NOTHING_TAKEN = "nothing_taken"
    VOIDED = "voided"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class PaymentReversed:
    """What a reversal did; nothing of this attempt can take money any more."""

    reversal: Reversal
    amount: int = 0


class PaymentActivities:
    """Money, do and undo. Each is safe to repeat: an unknown outcome is looked up before anything is tried again."""

    @activity.defn(name="payments.authorise")
    async def authorise(self, request: AuthorisePayment) -> PaymentAnswer:
        """Authorise once. A decline is an answer and leaves nothing behind at the provider."""
        raise NotImplementedError

    @activity.defn(name="payments.capture")
    async def capture(self, request: CapturePayment) -> PaymentAnswer:
        """Capture once, and never more than was authorised."""
        raise NotImplementedError

    @activity.defn(name="payments.reverse")
    async def reverse(self, request: ReversePayment) -> PaymentReversed:
        """Fence the attempt first, so that a late authorisation or capture refuses itself; then void or refund."""
        raise NotImplementedError
