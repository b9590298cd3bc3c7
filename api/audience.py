"""Whom a route is for. Each route declares it once, by a dependency that also enforces it.

`PUBLIC` or `VisitDep` for everybody, `UserId` for whoever is logged in, `Owns(scope)` for whose it is and who has the
scope, `Needs(scope)` for who has the scope. Documents, the OpenAPI document and the matrix of the tests read it from
here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.deps import Needs, Owns, user_id, visit
from api.security import Scope


class Audience(StrEnum):
    """Kinds of callers that a route is for."""

    PUBLIC = "public"
    ACCOUNT = "account"
    OWNER = "owner"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Access:
    """Whom a route is for. `scope` is what staff needs; of an owner's route, what stands for owning."""

    audience: Audience
    scope: Scope | None = None

    def __str__(self) -> str:
        match self.audience:
            case Audience.STAFF:
                return f"{self.scope}"
            case Audience.OWNER:
                return f"owner, {self.scope}"
            case _:
                return self.audience


async def _everybody() -> None:
    """Let everybody in."""


PUBLIC = Depends(_everybody)
"""Declares a route, or all routes of a router, to be for everybody."""


def access(route: APIRoute) -> Access | None:
    """Tell whom a route is for; None when it does not say so, or says it twice. `PUBLIC` gives way to anything else."""
    declared = set(_declared(route.dependant))
    said = declared - {Access(Audience.PUBLIC)} or declared
    return said.pop() if len(said) == 1 else None


def document(router: APIRouter) -> None:
    """Have the OpenAPI document tell whom each route of a router is for (`x-access`)."""
    for route in router.routes:
        if isinstance(route, APIRoute) and (allowed := access(route)):
            route.openapi_extra = {**(route.openapi_extra or {}), "x-access": str(allowed)}


def _declared(dependant: Dependant) -> Iterator[Access]:
    for dependency in dependant.dependencies:
        match dependency.call:
            case Needs(scope=scope):
                yield Access(Audience.STAFF, scope)
            case Owns(scope=scope):
                yield Access(Audience.OWNER, scope)
            case call if call is user_id:
                yield Access(Audience.ACCOUNT)
            case call if call in {_everybody, visit}:
                yield Access(Audience.PUBLIC)
        yield from _declared(dependency)
