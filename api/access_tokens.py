"""Access tokens: JSON Web Tokens (RFC 7519, typed as in RFC 9068), signed with Ed25519 and good for ten minutes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt

from api.signing_keys import Keyring
from domain.errors import UnauthenticatedError
from domain.roles import STAFF, Role

ACCESS_LIFE = timedelta(minutes=10)
LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""

KEY_OUTLIVES = ACCESS_LIFE + timedelta(minutes=1)
"""How long a key verifies after its last signature: its tokens' life, and what processes need to know the next key."""

_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"
_CLAIMS = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid", "roles"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in, by which session, and what they are beside a customer."""

    user_id: UUID
    session_id: UUID
    roles: frozenset[Role]


class AccessTokens:
    """Issues access tokens and checks them."""

    def __init__(self, keyring: Keyring, issuer: str, audience: str) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._audience = audience

    async def issue(self, identity: Identity) -> str:
        """Sign a token that says who somebody is."""
        kid, key = await self._keyring.signing()
        now = datetime.now(UTC)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(identity.user_id),
            "sid": str(identity.session_id),
            "roles": sorted(identity.roles),
            "iat": now,
            "nbf": now,
            "exp": now + ACCESS_LIFE,
            "jti": str(uuid4()),
        }
        return jwt.encode(claims, key, _ALGORITHM, headers={"kid": kid, "typ": _TYPE})

    async def check(self, token: str) -> Identity:
        """Tell who somebody is by a token that was shown.

        Raises:
            UnauthenticatedError: it is none of ours, or not valid now. The message does not say why.
        """
        try:
            key = await self._keyring.verifying(_kid(token))
            if key is None:
                raise UnauthenticatedError(_REFUSED)
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": _CLAIMS, "strict_aud": True},
            )
            return _identity(claims)
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            raise UnauthenticatedError(_REFUSED) from None


_REFUSED = "the token is not known"


def _kid(token: str) -> str:
    """Read which key a token claims to be signed with: ours name nothing else, so what else they say is not looked at.

    Raises:
        ValueError: it is no token of our kind.
    """
    header = jwt.get_unverified_header(token)
    kid = header.get("kid")
    if header.get("alg") != _ALGORITHM or header.get("typ") != _TYPE or not isinstance(kid, str):
        raise ValueError
    return kid


def _identity(claims: dict[str, Any]) -> Identity:
    known = {role.value: role for role in STAFF}
    granted = frozenset(known[name] for name in claims["roles"] if name in known)
    return Identity(UUID(claims["sub"]), UUID(claims["sid"]), granted)
