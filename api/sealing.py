"""Encryption of what is kept for a while: only this program can read it, and only where it was written."""

import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_PURPOSE = b"everorder: answers kept for an Idempotency-Key"


def seal(content: bytes, *, place: str, secret: str) -> bytes:
    """Encrypt (AES-256-GCM). It opens with the same secret at the same place only."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(secret).encrypt(nonce, content, place.encode())


def unseal(sealed: bytes, *, place: str, secret: str) -> bytes | None:
    """Decrypt; None when it was sealed with another secret, elsewhere, or changed since."""
    try:
        return _cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
    except (InvalidTag, ValueError):
        return None


@lru_cache(maxsize=8)
def _cipher(secret: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode()))
