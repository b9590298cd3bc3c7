"""Ports for the servers that tests start: each is given once, so that no two of them wait at one door."""

import random
import socket

_CHOICE = range(30_000, 32_768)
"""Above what the embedded stack takes, below every system's range of outgoing ports, so that no connection takes one
between the choice and the server's start."""

_order = iter(random.sample(_CHOICE, k=len(_CHOICE)))


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that was not given before."""
    return next(port for port in _order if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET6) as candidate:
        candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("::", port))
            candidate.listen(1)
        except OSError:
            return False
    return True
