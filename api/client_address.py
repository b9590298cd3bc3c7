"""The address that a request comes from, by way of proxies that are trusted and no others."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from api.deps import SettingsDep

Network = IPv4Network | IPv6Network

_NOBODY = "unknown"
_HOUSEHOLD = 64
"""Whoever has one IPv6 address usually has these many leading bits of it to themselves."""


@lru_cache
def networks(listed: str) -> tuple[Network, ...]:
    """Read a comma list of networks or addresses, as `EVERORDER_TRUSTED_PROXIES` has them."""
    return tuple(ip_network(one.strip(), strict=False) for one in listed.split(",") if one.strip())


def client_address(scope: Scope, trusted: Iterable[Network]) -> str:
    """Tell where a request comes from.

    Each proxy adds whom it was asked by at the end of `X-Forwarded-For`, and a client may send one of its own: so it is
    read from the end, for as long as who wrote it is trusted. IPv4 written as IPv6 is IPv4.
    """
    trusted = tuple(trusted)
    peer = scope.get("client")
    address = _normal(peer[0]) if peer else None
    if address is None:
        return _NOBODY
    for earlier in _forwarded(scope) if trusted else ():
        if not _within(address, trusted) or earlier is None:
            break
        address = earlier
    return address


def household(address: str) -> str:
    """Name what one subscriber has: an IPv4 address, or the network of an IPv6 address. Limits count by it."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/{_HOUSEHOLD}", strict=False).network_address)


def _forwarded(scope: Scope) -> Iterator[str | None]:
    """List the addresses of `X-Forwarded-For` from the last to the first; None is one that can not be read."""
    named = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    return (_normal(one.strip()) for one in reversed(named.split(",")) if named)


@lru_cache(maxsize=4096)
def _normal(written: str) -> str | None:
    try:
        address = ip_address(written)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(address).partition("%")[0]
    return str(address)


def _within(address: str, trusted: tuple[Network, ...]) -> bool:
    found = ip_address(address)
    return any(found in network for network in trusted)


async def _client_address(request: Request, settings: SettingsDep) -> str:
    return client_address(request.scope, networks(settings.trusted_proxies))


ClientAddress = Annotated[str, Depends(_client_address)]
"""Where the request comes from. Logs do not keep it."""
