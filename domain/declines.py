"""Why a payment was declined, and whether the same method is worth another try later."""

from enum import StrEnum


class DeclineKind(StrEnum):
    """What helps after a decline."""

    SOFT = "soft"
    """Time: the same method may pass later."""
    HARD = "hard"
    """The buyer: another method, or an answer to the bank. Trying again on our own does not help."""


SOFT_CODES = frozenset(
    {
        "approve_with_id",
        "card_velocity_exceeded",
        "insufficient_funds",
        "issuer_not_available",
        "processing_error",
        "reenter_transaction",
        "try_again_later",
        "withdrawal_count_limit_exceeded",
    }
)
"""Stripe's codes that pass with time: those for which https://docs.stripe.com/declines/codes advises to attempt the
payment again, and those that name a balance or a limit, which recover by themselves."""


def kind_of(code: str | None) -> DeclineKind:
    """Tell whether a decline passes with time. What is not known to is hard: asking the buyer does no harm."""
    return DeclineKind.SOFT if code in SOFT_CODES else DeclineKind.HARD
