"""Payment steps: calls to the provider, on their own queue."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from domain.money import Money


@dataclass(frozen=True, slots=True)
class AuthorisePayment:
    """Reserve the buyer's money for attempt `attempt` of an order.

    `keep` leaves the method with the provider, to be used again without the buyer, who is not there `off_session`.
    """

    order_id: UUID
    attempt: int
    total: Money
    payment_method: str
    keep: bool = False
    off_session: bool = False


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


@dataclass(frozen=True, slots=True)
class LetGoRest:
    """Let go what the attempt of an order still reserves that nothing else is shipped of."""

    order_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class LookUpPayment:
    """Ask the provider what has become of the latest attempt to pay an order."""

    order_id: UUID
    attempt: int


class PaymentDecision(StrEnum):
    """A provider's word on one step; final, but for `ACTION_REQUIRED`."""

    APPROVED = "approved"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    """The buyer has to do something first: what it comes to has to be looked up."""


@dataclass(frozen=True, slots=True)
class PaymentAnswer:
    """The provider's answer to an authorisation or a capture; `code` says why it was declined.

    A decline that `passes` may be none later, with the same payment method. `until` is how long the buyer may take who
    has to act, where that is not for the shop to say.
    """

    decision: PaymentDecision
    code: str | None = None
    passes: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentLookedUp:
    """What a provider says of an attempt. The books agree with `answer` by now.

    `answer` is None where the attempt came to nothing, or was undone since. `finding` is a code for what the books can
    not explain, and a person has to look at. `collected`: money that is paid at delivery is here.
    """

    answer: PaymentAnswer | None = None
    disputed: bool = False
    finding: str | None = None
    collected: bool = False


class Reversal(StrEnum):
    """How money was given back."""

    NOTHING_TAKEN = "nothing_taken"
    VOIDED = "voided"
    REFUNDED = "refunded"
    UNDER_WAY = "under_way"
    """Money is being given back: what it comes to has to be looked up."""


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

    @activity.defn(name="payments.look_up")
    async def look_up(self, request: LookUpPayment) -> PaymentLookedUp:
        """Look an attempt up at its provider, and write down what its buyer has brought it to meanwhile."""
        raise NotImplementedError

    @activity.defn(name="payments.capture")
    async def capture(self, request: CapturePayment) -> PaymentAnswer:
        """Capture once, and never more than was authorised."""
        raise NotImplementedError

    @activity.defn(name="payments.reverse")
    async def reverse(self, request: ReversePayment) -> PaymentReversed:
        """Fence the attempt first, so that a late authorisation or capture refuses itself; then void or refund."""
        raise NotImplementedError

    @activity.defn(name="payments.let_go_rest")
    async def let_go_rest(self, request: LetGoRest) -> PaymentReversed:
        """Let go what no shipment will capture any more, and keep what others have captured."""
        raise NotImplementedError
