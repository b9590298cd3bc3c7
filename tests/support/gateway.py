"""The deployment before which nginx stands: every service in processes of its own, joined on one port."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from pydantic import AliasChoices

from cli.gateway.command import DOCUMENT, render
from cli.gateway.routing import places
from settings import Settings
from tests.support.api_process import ApiProcess, ended, started_api, wait_until_it_answers
from tests.support.ports import free_port

_STARTS_WITHIN = 20.0


@dataclass(frozen=True)
class Gateway:
    """nginx, and the processes behind it by service."""

    url: str
    processes: Mapping[str, Sequence[ApiProcess]]


def nginx_program() -> str:
    """Find nginx, or have the test that needs it say why it is skipped."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light); .ci/run installs it")
    return program


def environment_of(settings: Settings) -> dict[str, str]:
    """Write settings as the environment that gives a process the same ones."""
    changed = settings.model_dump(exclude_defaults=True)
    return {_variable(name): str(value) for name, value in changed.items()}


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"EVERORDER_{name}".upper()


@contextmanager
def running_gateway(environment: Mapping[str, str], folder: Path, processes: Mapping[str, int]) -> Iterator[Gateway]:
    """Start so many processes of each service, and nginx before them.

    `document` names processes that have all services; they also answer for services that have none of their own.
    """
    nginx_program()
    trusting = {**environment, "EVERORDER_TRUSTED_PROXIES": "127.0.0.1"}
    with ExitStack() as stack:
        running: dict[str, list[ApiProcess]] = {}
        for service, count in processes.items():
            names = "" if service == DOCUMENT else service
            for number in range(count):
                api = started_api(trusting, folder / f"{service}-{number}.log", services=names)
                stack.callback(_end, api)
                running.setdefault(service, []).append(api)
        for api in (api for apis in running.values() for api in apis):
            wait_until_it_answers(api)
        port = free_port()
        ports = {service: [api.port for api in apis] for service, apis in running.items()}
        with running_nginx(port, ports, folder):
            yield Gateway(f"http://127.0.0.1:{port}", running)


def _end(api: ApiProcess) -> None:
    if api.process.poll() is None:
        api.process.terminate()
    ended(api)


@contextmanager
def running_nginx(port: int, ports: Mapping[str, Sequence[int]], folder: Path) -> Iterator[None]:
    """Run nginx with the configuration that a deployment gets; only its temporary files lie elsewhere.

    `ports` are those of each service's processes; a service without any is with those of `document`.
    """
    names = {DOCUMENT, *(str(place.service) for place in places())}
    servers = {name: [f"127.0.0.1:{one}" for one in ports.get(name, ports[DOCUMENT])] for name in names}
    temporary = "".join(
        f"    {kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # What nginx knows of a process, each of its workers knows for itself: with one of them, a test knows what it knows.
    configuration = render(listen=f"127.0.0.1:{port}", servers=servers).replace("processes auto;", "processes 1;", 1)
    file = folder / "nginx.conf"
    file.write_text(configuration.replace("http {\n", f"http {{\n{temporary}", 1), encoding="utf-8")
    command = [nginx_program(), "-p", str(folder), "-c", str(file), "-e", str(folder / "nginx.log")]
    own = "user root; " if os.geteuid() == 0 else ""  # the folder of the tests is open to who runs them alone
    command += ["-g", f"{own}daemon off; pid {folder / 'nginx.pid'};"]
    with subprocess.Popen(command) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz", process)
            yield
        finally:
            process.terminate()
            process.wait(10)


async def answer_well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be the least process behind a gateway: one that answers each request with 200 and nothing else."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + _STARTS_WITHIN
    while True:
        assert process.poll() is None, "nginx has ended"
        assert time.monotonic() < limit, "nginx does not answer"
        try:
            if httpx2.get(url, trust_env=False, verify=False, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
