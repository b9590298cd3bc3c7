"""One-time tokens: what a mail hands to its reader, and what neither a table nor a history holds.

A token is computed from the id of its row and the secret of this installation when the mail is rendered, so that a
message that is tried again carries the same one. The row keeps the digest only.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from uuid import UUID

_PURPOSE = b"everorder:one-time-token:"


def one_time_token(secret: str, token_id: UUID) -> str:
    """Compute the token of a row: HMAC-SHA256 of its id, in base64 for addresses."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), _PURPOSE + token_id.bytes, "sha256")).decode().rstrip("=")


def token_digest(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal: what its row keeps, and is found by."""
    return sha256(token.encode()).hexdigest()
