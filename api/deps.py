"""What endpoints are given: sessions, settings, and who calls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.requests import Request

from api.security import Caller, Scope, identify
from clients.orders import OrderClient
from domain.errors import UnauthenticatedError
from domain.roles import Role
from settings import Settings


class ReadSession(AsyncSession):
    """Sees the database as it was at one moment. PostgreSQL refuses every write and every lock in it."""


class WriteSession(AsyncSession):
    """One transaction. It is committed after the endpoint returned and before its answer is sent."""


class Resources:
    """What a process keeps open for its requests."""

    def __init__(self, settings: Settings, engine: AsyncEngine, orders: OrderClient) -> None:
        self.settings = settings
        self.engine = engine
        self.orders = orders
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.reads = async_sessionmaker(reading, class_=ReadSession, expire_on_commit=False, autoflush=False)
        self.writes = async_sessionmaker(engine, class_=WriteSession, expire_on_commit=False, autoflush=False)


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(_resources)]


async def _settings(resources: ResourcesDep) -> Settings:
    return resources.settings


async def _read(resources: ResourcesDep) -> AsyncIterator[ReadSession]:
    async with resources.reads() as session:
        yield session


async def _write(resources: ResourcesDep) -> AsyncIterator[WriteSession]:
    async with resources.writes.begin() as session:
        yield session


# Scope "function": what follows the yield runs before the answer is sent, which so never claims what was not committed.
Read = Annotated[ReadSession, Depends(_read, scope="function")]
Write = Annotated[WriteSession, Depends(_write, scope="function")]
SettingsDep = Annotated[Settings, Depends(_settings)]

_BEARER = HTTPBearer(auto_error=False, scheme_name="service", description="The service token.")
_CART_TOKEN = APIKeyHeader(
    name="X-Cart-Token", auto_error=False, scheme_name="cart", description="The secret that opens one guest's cart."
)


async def _identified(request: Request, settings: SettingsDep) -> Caller:
    return identify(_bearer(request), request.headers.get("x-cart-token"), settings.service_token)


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
class Needs:
    """Lets only callers with a scope in: a dependency of staff endpoints."""

    scope: Scope

    async def __call__(self, caller: _Identified, _bearer: _ShowsBearer) -> Caller:
        """Refuse whoever may not.

        Raises:
            UnauthenticatedError: nobody has said who they are.
            ForbiddenError: they have, and may not.
        """
        if Role.GUEST in caller.roles:
            raise UnauthenticatedError("this needs a bearer token")
        caller.require(self.scope)
        return caller
