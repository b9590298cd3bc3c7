"""Ports: those that the user named must be free, those that nobody cares about are chosen once and remembered."""

import random
import socket

from cli.stack import json_file
from cli.stack.errors import StackError
from cli.stack.folder import DataFolder

HOST = "127.0.0.1"
_CHOICE = range(20_000, 30_000)
"""Below every system's range of outgoing ports, so that no connection takes one while its server restarts."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
            candidate.listen(1)
        except OSError:
            return False
    return True


def require_free(**ports: int) -> None:
    """Make sure that the ports which the user named, by their option, can be used.

    Raises:
        StackError: one is taken.
    """
    for option, port in ports.items():
        if port and not is_free(port):
            flag = f"--{option.replace('_', '-')}"
            raise StackError(f"port {port} is taken: stop what listens there, or name another with {flag}")


def remembered(folder: DataFolder, *names: str) -> dict[str, int]:
    """Return a port for each name: last time's while it is free, else a new one."""
    known = json_file.read(folder.ports)
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name)
        chosen[name] = port if isinstance(port, int) and is_free(port) else _any_free(set(chosen.values()))
    json_file.write(folder.ports, known | chosen)
    return chosen


def _any_free(taken: set[int]) -> int:
    for port in random.sample(_CHOICE, k=200):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port between {_CHOICE.start} and {_CHOICE.stop - 1}")


def unused(count: int) -> list[int]:
    """Return different ports that are free at the moment, for servers that end with their caller."""
    chosen: set[int] = set()
    while len(chosen) < count:
        chosen.add(_any_free(chosen))
    return list(chosen)
