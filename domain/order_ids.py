"""Names that are computed rather than drawn, so that doing a thing twice names it once."""

from uuid import UUID, uuid5

_STUBBORN = 3
"""Tries with one idempotency key."""

PAYMENT_OPERATIONS = ("authorise", "capture", "void", "refund")


def order_id(cart_id: UUID, checkout_attempt: int) -> UUID:
    """Name the order that a cart becomes at one attempt: the same attempt always names the same order."""
    return uuid5(cart_id, str(checkout_attempt))


def operation_key(order: UUID, operation: str, attempt: int) -> str:
    """Name one payment operation: `<order_id>:<operation>:<n>`."""
    return f"{order}:{operation}:{attempt}"


def operation_of(key: str) -> str:
    """Return the name of the operation that a request's key belongs to.

    A fourth part tells the tries of one operation apart for the provider, and is no part of its name.
    """
    return ":".join(key.split(":")[:3])


def provider_key(key: str, tries: int) -> str:
    """Name a request to a provider: the operation's own key, until that has only ever brought failures.

    A provider may save a failure under a key and replay it for ever.
    """
    return key if tries <= _STUBBORN else f"{key}:{tries}"
