"""Ports for the servers that tests start: each is given once, so that no two of them wait at one door."""

import os
import random
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_CHOICE = range(30_000 + _WORKER, 32_768, _WORKERS)
"""Above what the embedded stack takes, below every system's range of outgoing ports, so that no connection takes one
between the choice and the server's start. Each process of a run has a share of its own."""

_order = iter(random.sample(_CHOICE, k=len(_CHOICE)))


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that was not given before."""
    return next(port for port in _order if _is_free(port))


def _is_free(port: int) -> bool:
    both = socket.has_dualstack_ipv6()
    try:
        socket.create_server(
            ("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both, reuse_port=False
        ).close()
    except OSError:
        return False
    return True
