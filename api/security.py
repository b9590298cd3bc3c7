"""Who calls, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from uuid import UUID

from api.access_tokens import Identity
from domain.errors import ForbiddenError
from domain.roles import Role

_TOKEN_BYTES = 32


class Scope(StrEnum):
    """One thing that not everybody may do. `any` is to look at what is somebody else's."""

    CARTS_ANY = "carts:any"
    CARTS_WRITE = "carts:write"
    CATALOG_WRITE = "catalog:write"
    ORDERS_ANY = "orders:any"
    ORDERS_CANCEL = "orders:cancel"
    ORDERS_IMPORT = "orders:import"
    ORDERS_PAY = "orders:pay"
    PAYMENTS_CONFIRM = "payments:confirm"
    PAYMENTS_RECONCILE = "payments:reconcile"
    PRICES_WRITE = "prices:write"
    REFUNDS_LIMITED = "refunds:limited"
    REFUNDS_ANY = "refunds:any"
    NOTIFICATIONS_RESEND = "notifications:resend"
    RETURNS_REQUEST = "returns:request"
    RETURNS_WRITE = "returns:write"
    SHIPMENTS_WRITE = "shipments:write"
    STOCK_READ = "stock:read"
    STOCK_WRITE = "stock:write"
    USERS_ANY = "users:any"


SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.GUEST: frozenset(),
    Role.CUSTOMER: frozenset(),
    Role.SUPPORT: frozenset(
        {
            Scope.CARTS_ANY,
            Scope.ORDERS_ANY,
            Scope.ORDERS_CANCEL,
            Scope.REFUNDS_LIMITED,
            Scope.RETURNS_REQUEST,
            Scope.NOTIFICATIONS_RESEND,
            Scope.STOCK_READ,
        }
    ),
    Role.CATALOG_MANAGER: frozenset({Scope.CATALOG_WRITE, Scope.PRICES_WRITE, Scope.STOCK_READ}),
    Role.WAREHOUSE: frozenset(
        {
            Scope.ORDERS_ANY,
            Scope.SHIPMENTS_WRITE,
            Scope.RETURNS_REQUEST,
            Scope.RETURNS_WRITE,
            Scope.STOCK_READ,
            Scope.STOCK_WRITE,
        }
    ),
    Role.ADMIN: frozenset(Scope),
    Role.SERVICE: frozenset(Scope),
}
"""Who may do what: the one table of permissions. Routes name the scope that they need (`api.deps.Needs`)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `actor` is the id that events and movements keep, `cart_token` the secret that was shown.

    `instead` is the scope that stands for owning what the route is about (`api.deps.Owns`).
    """

    roles: frozenset[Role]
    actor: str
    user_id: UUID | None = None
    cart_token: str | None = None
    session_id: UUID | None = None
    instead: Scope | None = None

    def may(self, scope: Scope) -> bool:
        """Tell whether something is allowed."""
        return any(scope in SCOPES[role] for role in self.roles)

    def require(self, scope: Scope) -> None:
        """Refuse what is not allowed.

        Raises:
            ForbiddenError: the caller may not do this.
        """
        if not self.may(scope):
            raise ForbiddenError(f"this needs the scope {scope}")

    def opens(self, token_digest: str | None, owner: UUID | None) -> bool:
        """Tell whether something is the caller's own, by account or by a cart's secret, or need not be for them."""
        if self.instead is not None and self.may(self.instead):
            return True
        return (owner is not None and owner == self.user_id) or self.shows(token_digest)

    def shows(self, token_digest: str | None) -> bool:
        """Tell whether the caller has shown a cart's secret."""
        if self.cart_token is None or token_digest is None:
            return False
        return compare_digest(digest(self.cart_token), token_digest)


def guest(cart_token: str | None = None) -> Caller:
    """Describe somebody who has not said who they are."""
    return Caller(frozenset({Role.GUEST}), "guest", cart_token=cart_token)


def is_service(bearer: str, service_token: str) -> bool:
    """Tell whether a bearer token is the service token. Without one nothing is."""
    return bool(service_token) and compare_digest(bearer.encode(), service_token.encode())


def service(cart_token: str | None = None) -> Caller:
    """Describe a program that has shown the service token."""
    return Caller(frozenset({Role.SERVICE}), "service", cart_token=cart_token)


def person(identity: Identity, cart_token: str | None = None) -> Caller:
    """Describe somebody who is logged in. Events name staff and customers differently."""
    kind = "operator" if identity.roles else "customer"
    return Caller(
        roles=identity.roles | {Role.CUSTOMER},
        actor=f"{kind}:{identity.user_id}",
        user_id=identity.user_id,
        cart_token=cart_token,
        session_id=identity.session_id,
    )


def new_secret() -> str:
    """Draw the secret of a cart; only its digest is stored."""
    return token_urlsafe(_TOKEN_BYTES)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hexadecimal. Secrets are long and random, so they need no salt."""
    return sha256(secret.encode()).hexdigest()
