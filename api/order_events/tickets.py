"""Tickets: what opens the stream of one order for five minutes. A browser's `EventSource` can send no header.

A ticket names nobody and is kept nowhere: it is the moment at which it ends, with a signature over that and the order.
"""

import hmac
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LIFETIME = 300
"""Seconds that a ticket is valid."""

_PURPOSE = b"everorder: tickets for the events of an order"


def issue(order_id: UUID, *, secret: str, now: float) -> str:
    """Make a ticket for an order."""
    expires = int(now) + LIFETIME
    return f"{expires}.{_signature(order_id, expires, secret)}"


def expiry(ticket: str, order_id: UUID, *, secret: str, now: float) -> int | None:
    """Tell when a ticket ends; None when it has ended, is for another order, or was made by nobody here."""
    written, _, signature = ticket.partition(".")
    if not (written.isascii() and written.isdigit() and len(written) < 12):
        return None
    expires = int(written)
    known = hmac.compare_digest(signature.encode(), _signature(order_id, expires, secret).encode())
    return expires if known and expires > now else None


def _signature(order_id: UUID, expires: int, secret: str) -> str:
    return hmac.digest(_key(secret), b"%b %d" % (order_id.bytes, expires), sha256).hex()


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
