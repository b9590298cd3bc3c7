"""Signatures over a moment and a raw body, as https://docs.stripe.com/webhooks#verify-manually describes them."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from domain.errors import SignatureInvalidError, SignatureStaleError

TOLERANCE = timedelta(seconds=300)
"""How far the clocks may differ. Within it a copy is harmless: an event is stored once."""

_MOST_SIGNATURES = 20


def verify(header: str, body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Check a header `t=<seconds>,v1=<hexadecimal HMAC-SHA-256>[,v1=…]` against any of the secrets.

    While a secret is being changed the sender signs with the old one and the new one, and both may be known here.

    Raises:
        SignatureInvalidError: none of the signatures was made with one of the secrets.
        SignatureStaleError: it was made too long ago, or by a clock that is ahead.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"][:_MOST_SIGNATURES]
    if len(moments) != 1 or not (moments[0].isascii() and moments[0].isdecimal() and len(moments[0]) <= 11):
        raise SignatureInvalidError("the signature says no moment")
    if not any(_made_with(secret, moments[0], body, signatures) for secret in secrets):
        raise SignatureInvalidError("the signature was not made with a secret that is known here")
    if abs(now - datetime.fromtimestamp(int(moments[0]), UTC)) > TOLERANCE:
        raise SignatureStaleError("the signature is too old, or the clocks differ")


def _made_with(secret: str, moment: str, body: bytes, signatures: Sequence[str]) -> bool:
    expected = hmac.new(secret.encode(), moment.encode() + b"." + body, sha256).hexdigest().encode()
    found = [hmac.compare_digest(expected, signature.encode()) for signature in signatures]
    return any(found)
