"""The tokens in mailed links: computed from the id of their row and the secret of this installation.

No table and no history holds one: the mail computes it when it is rendered, the same at each try, and what comes back
is compared with what the row's id gives.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

_PURPOSE = b"everorder:link:"
_ID_BYTES = 16


def link_token(secret: str, token_id: UUID) -> str:
    """Compute the token of a row: its id, and the HMAC-SHA256 of it, in base64 for addresses."""
    return urlsafe_b64encode(token_id.bytes + _mac(secret, token_id.bytes)).decode().rstrip("=")


def token_id_of(secret: str, token: str) -> UUID | None:
    """Name the row of a token; None when it is none of ours."""
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    id_, mac = content[:_ID_BYTES], content[_ID_BYTES:]
    return UUID(bytes=id_) if hmac.compare_digest(mac, _mac(secret, id_)) else None


def _mac(secret: str, id_: bytes) -> bytes:
    return hmac.digest(secret.encode(), _PURPOSE + id_, "sha256")
