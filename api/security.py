"""Who calls, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

from domain.errors import ForbiddenError, UnauthenticatedError

_TOKEN_BYTES = 32


class Scope(StrEnum):
    """One thing that not everybody may do."""

    CARTS_ANY = "carts:any"
    ORDERS_ANY = "orders:any"
    ORDERS_IMPORT = "orders:import"
    STOCK_READ = "stock:read"
    STOCK_WRITE = "stock:write"


class Role(StrEnum):
    """What a caller is."""

    GUEST = "guest"
    SERVICE = "service"


SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.GUEST: frozenset(),
    Role.SERVICE: frozenset(Scope),
}
"""Who may do what."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `actor` is the id that events and movements keep, `cart_token` the secret that was shown."""

    role: Role
    actor: str
    cart_token: str | None = None

    def may(self, scope: Scope) -> bool:
        """Tell whether something is allowed."""
        return scope in SCOPES[self.role]

    def require(self, scope: Scope) -> None:
        """Refuse what is not allowed.

        Raises:
            ForbiddenError: the caller may not do this.
        """
        if not self.may(scope):
            raise ForbiddenError(f"this needs the scope {scope}")

    def opens(self, token_digest: str | None, anyway: Scope) -> bool:
        """Tell whether the caller has shown the secret of a cart, or has the scope that needs none."""
        if self.may(anyway):
            return True
        if self.cart_token is None or token_digest is None:
            return False
        return compare_digest(digest(self.cart_token), token_digest)


def identify(bearer: str | None, cart_token: str | None, service_token: str) -> Caller:
    """Tell who calls by what was shown: a bearer token, a cart's secret, or nothing.

    Raises:
        UnauthenticatedError: the bearer token is not known.
    """
    if bearer is None:
        return Caller(Role.GUEST, "guest", cart_token)
    if service_token and compare_digest(bearer.encode(), service_token.encode()):
        return Caller(Role.SERVICE, "service", cart_token)
    raise UnauthenticatedError("the token is not known")


def new_secret() -> str:
    """Draw the secret of a cart; only its digest is stored."""
    return token_urlsafe(_TOKEN_BYTES)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hexadecimal. Secrets are long and random, so they need no salt."""
    return sha256(secret.encode()).hexdigest()
