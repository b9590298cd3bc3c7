"""Names that are computed rather than drawn, so that doing a thing twice names it once."""

from collections.abc import Iterator
from uuid import UUID, uuid5

_STUBBORN = 3
"""Tries with one idempotency key."""

_MOST_KEYS = 20

_REST = "rest"

PAYMENT_OPERATIONS = ("authorise", "capture", "void", "refund")


def order_id(cart_id: UUID, checkout_attempt: int) -> UUID:
    """Name the order that a cart becomes at one attempt: the same attempt always names the same order."""
    return uuid5(cart_id, str(checkout_attempt))


def operation_key(order: UUID, operation: str, attempt: int) -> str:
    """Name one payment operation: `<order_id>:<operation>:<n>`."""
    return f"{order}:{operation}:{attempt}"


def operation_of(key: str) -> str:
    """Return the name of the operation that a request's key belongs to.

    What follows tells refunds, and the tries of one operation, apart for the provider, and is no part of its name.
    """
    return ":".join(key.split(":")[:3])


def provider_key(key: str, tries: int) -> str:
    """Name a request to a provider: the operation's own key, until that has only ever brought failures.

    A provider may save a failure under a key and replay it for ever. Only for what a payment does once under any key:
    an earlier request may still be under way.
    """
    return key if tries <= _STUBBORN else f"{key}:{tries}"


def provider_keys(key: str) -> Iterator[str]:
    """Name the requests of an operation that a payment would carry out as often as it is asked.

    The next name is for when the provider only repeats a failure under the one before, and has done nothing.
    """
    yield key
    yield from (f"{key}:{number}" for number in range(2, _MOST_KEYS + 1))


def refund_key(key: str, refund: UUID | None) -> str:
    """Name a refund to a provider: its operation's key, and which refund it is.

    A database that was restored from an older copy numbers its next operation as one that it has lost: the provider
    must not take the one for the other. None: the rest of a payment, which is given back once whoever begins it.
    """
    return f"{key}:{refund or _REST}"


def same_refund(mine: str, known: str) -> bool:
    """Tell whether two requests are about one refund, but for their tries; a key may not say which refund it is of."""
    return operation_of(mine) == operation_of(known) and _refund_of(known) in {None, _refund_of(mine)}


def refund_name(key: str) -> str:
    """Return what a provider keeps of a refund's key: all but the try."""
    refund = _refund_of(key)
    return f"{operation_of(key)}:{refund}" if refund else operation_of(key)


def refund_id_of(name: str) -> UUID | None:
    """Return which refund a provider's name is of; None: the rest of a payment, or it does not say."""
    try:
        return UUID(_refund_of(name) or "")
    except ValueError:
        return None


def _refund_of(key: str) -> str | None:
    fourth = key.split(":")[3:4]
    return fourth[0] if fourth and not fourth[0].isdecimal() else None
