"""The keys of access tokens, as a process knows them: Ed25519, private halves encrypted wherever they are kept."""

import asyncio
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from db import signing_keys
from db.signing_keys import NewSigningKey, SigningKeyRow
from settings import SettingsError

_NONCE_BYTES = 12
_KID_BYTES = 12

_PATIENCE = 1.0
"""Seconds between two looks for a key that is not known: whoever invents kids must not make us ask each time."""

STALE = 15.0
"""Seconds after which the keys are read again, so that a new one is known long before it signs."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key that verifies. `jwk` is its public half as RFC 8037 writes it."""

    kid: str
    public_key: Ed25519PublicKey
    jwk: dict[str, str]


def draw(secret: str) -> NewSigningKey:
    """Draw a key; its private half is encrypted with the installation's secret."""
    private, kid = Ed25519PrivateKey.generate(), urlsafe_b64encode(token_bytes(_KID_BYTES)).decode()
    nonce = token_bytes(_NONCE_BYTES)
    sealed = nonce + _cipher(secret).encrypt(nonce, private.private_bytes_raw(), kid.encode())
    return NewSigningKey(kid, private.public_key().public_bytes_raw(), sealed)


def opened(key: SigningKeyRow, secret: str) -> Ed25519PrivateKey:
    """Decrypt a private key.

    Raises:
        SettingsError: it was encrypted with another secret.
    """
    nonce, sealed = key.private_key[:_NONCE_BYTES], key.private_key[_NONCE_BYTES:]
    try:
        return Ed25519PrivateKey.from_private_bytes(_cipher(secret).decrypt(nonce, sealed, key.kid.encode()))
    except InvalidTag:
        raise SettingsError(
            f"EVERORDER_SECRET: is not the one that the signing key {key.kid} was encrypted with;"
            " `everorder keys rotate --compromised` begins anew"
        ) from None


class Keyring:
    """The keys of this installation. It reads them again by itself, and draws the first one where there is none."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], secret: str) -> None:
        self._sessions = sessions
        self._secret = secret
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._rows: dict[str, SigningKeyRow] = {}
        self._public: dict[str, PublishedKey] = {}
        self._private: tuple[str, Ed25519PrivateKey] | None = None

    async def signing(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the kid and the key that sign at this moment.

        Raises:
            SettingsError: the key was encrypted with another secret.
        """
        await self._refresh(STALE)
        current = self._current()
        if current is None:
            async with self._sessions.begin() as session:
                await signing_keys.add_first(session, draw(self._secret))
            await self._refresh(0)
            current = self._current()
        if current is None:
            raise LookupError("no signing key signs at this moment")
        if self._private is None or self._private[0] != current.kid:
            self._private = current.kid, opened(current, self._secret)
        return self._private

    async def verifying(self, kid: str) -> Ed25519PublicKey | None:
        """Return the key of this kid; None when there is none, or no more."""
        await self._refresh(STALE)
        if kid not in self._public:
            await self._refresh(_PATIENCE)
        row = self._rows.get(kid)
        if row is None or (row.ends_at is not None and row.ends_at <= datetime.now(UTC)):
            return None
        return self._public[kid].public_key

    async def published(self) -> list[PublishedKey]:
        """List the keys that verify, those that do not sign yet included."""
        await self._refresh(STALE)
        return list(self._public.values())

    def _current(self) -> SigningKeyRow | None:
        now = datetime.now(UTC)
        signing = [row for row in self._rows.values() if row.signs_from <= now]
        return max(signing, key=lambda row: row.signs_from, default=None)

    async def _refresh(self, age: float) -> None:
        """Read the keys unless they were read within the last `age` seconds."""
        if time.monotonic() - self._read_at < age:
            return
        async with self._reading:
            if time.monotonic() - self._read_at < age:
                return
            async with self._sessions.begin() as session:
                rows = await signing_keys.live(session)
            self._rows = {row.kid: row for row in rows}
            self._public = {row.kid: _published(row) for row in rows}
            self._read_at = time.monotonic()


def _published(row: SigningKeyRow) -> PublishedKey:
    x = urlsafe_b64encode(row.public_key).decode().rstrip("=")
    jwk = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": row.kid, "x": x}
    return PublishedKey(row.kid, Ed25519PublicKey.from_public_bytes(row.public_key), jwk)


def _cipher(secret: str) -> AESGCM:
    key = HKDF(SHA256(), length=32, salt=None, info=b"everorder:signing-keys").derive(secret.encode())
    return AESGCM(key)
