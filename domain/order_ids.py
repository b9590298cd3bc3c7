"""Names that are computed rather than drawn, so that doing a thing twice names it once."""

from uuid import UUID, uuid5

PAYMENT_OPERATIONS = ("authorise", "capture", "void", "refund")


def order_id(cart_id: UUID, checkout_attempt: int) -> UUID:
    """Name the order that a cart becomes at one attempt: the same attempt always names the same order."""
    return uuid5(cart_id, str(checkout_attempt))


def operation_key(order: UUID, operation: str, attempt: int) -> str:
    """Name one payment operation: `<order_id>:<operation>:<n>`."""
    return f"{order}:{operation}:{attempt}"
