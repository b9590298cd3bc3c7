"""What endpoints are given: sessions, settings, and who calls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.requests import Request

from api.access_tokens import AccessTokens
from api.login_limits import LoginLimits
from api.logins import Logins
from api.metrics.registry import Metrics
from api.order_events.feed import OrderFeed
from api.outbox import Begins, Outbox, Post
from api.passwords import Passwords
from api.security import Caller, Scope, guest, is_service, person, service
from api.signing_keys import Keyring
from clients.chores import ChoreClient
from clients.orders import OrderClient
from clients.payment_events import PaymentEventDesk
from db.engine import create_sessions, single_statements
from db.reads import Reads
from domain.errors import ForbiddenError, UnauthenticatedError
from domain.roles import Role
from settings import Settings


class ReadSession(AsyncSession):
    """Sees the database as it was at one moment. PostgreSQL refuses every write and every lock in it."""


class WriteSession(AsyncSession):
    """One transaction. It is committed after the endpoint returned and before its answer is sent."""


class Resources:
    """What a process keeps open for its requests."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        orders: OrderClient,
        *,
        messages: Begins | None = None,
        erasures: Begins | None = None,
        chores: ChoreClient | None = None,
        imports: Begins | None = None,
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.orders = orders
        self.messages = messages
        self.erasures = erasures
        self.chores = chores
        self.imports = imports
        self.post = Post()
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.reads = async_sessionmaker(reading, class_=ReadSession, expire_on_commit=False, autoflush=False)
        self.writes = async_sessionmaker(engine, class_=WriteSession, expire_on_commit=False, autoflush=False)
        self.sessions = create_sessions(engine)
        self.statements = single_statements(self.sessions)
        self.feed = OrderFeed(self.statements, settings.event_streams)
        self.single_reads = Reads(engine, settings.database_pool_size)
        self.payment_events = PaymentEventDesk(self.sessions, orders, settings.hold)
        self.keyring = Keyring(self.sessions, settings.secret)
        self.draining = False
        self.access_tokens = AccessTokens(self.keyring, settings.token_issuer, settings.token_audience)
        self.passwords = Passwords(settings.password_memory_kib, settings.password_passes)
        self.login_limits = LoginLimits(
            self.statements,
            settings.secret,
            account=settings.login_tries_account,
            address=settings.login_tries_address,
        )
        self.logins = Logins(self.sessions, self.passwords, self.access_tokens, self.login_limits, settings.secret)

    def drain(self) -> None:
        """Begin to stop: say so where it is asked, answer whoever waits for an outcome soon, and end every stream."""
        self.draining = True
        self.orders.hurry()
        self.feed.drain()


def resources_of(request: Request) -> Resources:
    """Return what this process keeps open."""
    resources: Resources = request.app.state.resources
    return resources


async def _resources(request: Request) -> Resources:
    return resources_of(request)


ResourcesDep = Annotated[Resources, Depends(_resources)]


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


async def _settings(resources: ResourcesDep) -> Settings:
    return resources.settings


async def _read(resources: ResourcesDep) -> AsyncIterator[ReadSession]:
    async with resources.reads() as session:
        yield session


async def _single(request: Request) -> Reads:
    return resources_of(request).single_reads


async def _write(request: Request, resources: ResourcesDep) -> AsyncIterator[WriteSession]:
    async with resources.writes.begin() as session:
        request.state.write = session
        yield session


def write_of(request: Request) -> WriteSession | None:
    """Return the transaction that the endpoint of a request was given; None when it asked for none."""
    session: WriteSession | None = getattr(request.state, "write", None)
    return session


async def _outbox(resources: ResourcesDep) -> AsyncIterator[Outbox]:
    outbox = Outbox(resources.messages, resources.erasures)
    yield outbox
    outbox.hand_to(resources.post)


# Scope "function": what follows the yield runs before the answer is sent, which so never claims what was not committed.
Read = Annotated[ReadSession, Depends(_read, scope="function")]
# Each statement by itself, in one round trip: for what is read in one statement, and often.
Single = Annotated[Reads, Depends(_single)]
Write = Annotated[WriteSession, Depends(_write, scope="function")]
# Scope "request": what follows the yield runs after the answer was sent, so after the commit; an error skips it.
OutboxDep = Annotated[Outbox, Depends(_outbox, scope="request")]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]

_BEARER = HTTPBearer(auto_error=False, scheme_name="service", description="An access token, or the service token.")
_CART_TOKEN = APIKeyHeader(
    name="X-Cart-Token", auto_error=False, scheme_name="cart", description="The secret that opens one guest's cart."
)


async def _identified(request: Request, resources: ResourcesDep) -> Caller:
    bearer, cart_token = _bearer(request), request.headers.get("x-cart-token")
    if bearer is None:
        return guest(cart_token)
    if is_service(bearer, resources.settings.service_token):
        return service(cart_token)
    return person(await resources.access_tokens.check(bearer), cart_token)


async def caller_of(request: Request) -> Caller:
    """Tell who calls, before an endpoint asks.

    Raises:
        UnauthenticatedError: the token that was shown is not known.
    """
    return await _identified(request, resources_of(request))


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("only bearer tokens are known")
    return token.strip()


_Identified = Annotated[Caller, Depends(_identified)]
_ShowsBearer = Annotated[object, Security(_BEARER)]
_ShowsCartToken = Annotated[object, Security(_CART_TOKEN)]


async def _caller(caller: _Identified, _token: _ShowsCartToken, _bearer: _ShowsBearer) -> Caller:
    return caller


CallerDep = Annotated[Caller, Depends(_caller)]
"""Whoever calls: a guest, perhaps with the secret of a cart, or a service."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks round: who, and what their page is read with."""

    caller: Caller
    reads: Reads


async def visit(request: Request) -> Visit:
    """Let everybody in. One dependency for what is asked for most: each costs about as much as a middleware does."""
    return Visit(await caller_of(request), resources_of(request).single_reads)


VisitDep = Annotated[Visit, Depends(visit)]
"""Declares a route to be for everybody. One that shows more to those who are known says so by `SHOWS_BEARER`."""

SHOWS_BEARER: dict[str, Any] = {"security": [{_BEARER.scheme_name: []}]}
"""For `openapi_extra`."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Lets only callers with a scope in: a dependency of staff endpoints."""

    scope: Scope

    async def __call__(self, caller: _Identified, _bearer: _ShowsBearer) -> Caller:
        """Refuse whoever may not, as `admit` does."""
        return self.admit(caller)

    def admit(self, caller: Caller) -> Caller:
        """Refuse whoever may not.

        Raises:
            UnauthenticatedError: nobody has said who they are.
            ForbiddenError: they have, and may not.
        """
        if Role.GUEST in caller.roles:
            raise UnauthenticatedError("this needs a bearer token")
        caller.require(self.scope)
        return caller


@dataclass(frozen=True, slots=True)
class Owns:
    """Lets everybody in, and nobody see what is not theirs, but for who has the scope: it stands for owning.

    Whether it is theirs is for `api.access` to tell, once the thing is found. What is somebody else's is not there.
    """

    scope: Scope

    async def __call__(self, caller: _Identified, _token: _ShowsCartToken, _bearer: _ShowsBearer) -> Caller:
        """Say what stands for owning."""
        return replace(caller, instead=self.scope)


@dataclass(frozen=True, slots=True)
class OwnsByAccount(Owns):
    """As `Owns`, where no cart's secret opens anything: only what belongs to an account is the caller's own."""

    async def __call__(self, caller: _Identified, _bearer: _ShowsBearer) -> Caller:  # type: ignore[override]  # FastAPI reads it
        """Say what stands for owning."""
        return replace(caller, instead=self.scope)


async def user_id(caller: _Identified, _bearer: _ShowsBearer) -> UUID:
    """Name who is logged in.

    Raises:
        UnauthenticatedError: nobody has said who they are.
        ForbiddenError: it is no person.
    """
    if caller.user_id is not None:
        return caller.user_id
    if Role.GUEST in caller.roles:
        raise UnauthenticatedError("this needs an access token")
    raise ForbiddenError("this is for people with an account")


UserId = Annotated[UUID, Depends(user_id)]
"""The person who is logged in: a dependency of what belongs to an account."""
