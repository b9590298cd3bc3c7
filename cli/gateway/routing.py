"""Which service answers which path: the places of the gateway, derived from the table of routes."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.services import Service

_PREFIX_SEGMENTS = 2
_PARAMETER = re.compile(r"\{[^}:]+(?P<whole>:path)?\}")


@dataclass(frozen=True, slots=True)
class Place:
    """Paths that lead to one service: those with a prefix, or, said more exactly, those of one route."""

    match: str
    service: Service


def places() -> list[Place]:
    """Give each prefix to the service that has most routes under it, and its other routes to their own.

    nginx takes the first regular expression that matches before any prefix, so the exceptions come first.
    """
    owners = _owners()
    exceptions = {
        Place(f"~ {_expression(path)}", service) for service, path in _paths() if owners[_prefix(path)] is not service
    }
    ordered = sorted(exceptions, key=lambda place: place.match)
    return [*ordered, *(Place(prefix, owner) for prefix, owner in sorted(owners.items()))]


def _owners() -> dict[str, Service]:
    counted: dict[str, Counter[Service]] = {}
    for service, path in _paths():
        counted.setdefault(_prefix(path), Counter())[service] += 1
    return {prefix: services.most_common(1)[0][0] for prefix, services in counted.items()}


def _paths() -> Iterator[tuple[Service, str]]:
    for service, routers in ROUTERS.items():
        for router in routers:
            yield from ((service, route.path) for route in router.routes if isinstance(route, APIRoute))


def _prefix(path: str) -> str:
    return "/".join(path.split("/")[: _PREFIX_SEGMENTS + 1])


def _expression(path: str) -> str:
    """Write a route's path as a regular expression: a parameter is one segment, or whatever is left."""
    parts = []
    end = 0
    for parameter in _PARAMETER.finditer(path):
        parts += [re.escape(path[end : parameter.start()]), ".+" if parameter["whole"] else "[^/]+"]
        end = parameter.end()
    return f"^{''.join(parts)}{re.escape(path[end:])}$"
