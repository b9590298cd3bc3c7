"""`everorder gateway`: the nginx configuration that joins the services on one port."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated

import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.middleware.body_limit import UPLOADS
from api.problems import PROBLEMS
from api.services import Service
from cli.gateway.routing import places
from settings import Settings

DOCUMENT = "document"
"""Whoever has every service: the whole OpenAPI document, health, and a problem document for what is nowhere."""

OWN_PROBLEMS: Mapping[str, str] = {
    "unreadable": "validation_error",
    "hidden": "not_found",
    "late": "request_timeout",
    "large": "payload_too_large",
    "away": "temporarily_unavailable",
}
"""What the gateway itself may have to say, by its name in the template."""

_SERVER = re.compile(r"(?P<service>[a-z]+)=(?P<address>[A-Za-z0-9._\[\]:-]+:[0-9]+)")
_TEMPLATES = Environment(
    loader=FileSystemLoader(str(files("templates"))),
    autoescape=False,  # noqa: S701 - nginx reads it, and nothing in it comes from outside
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)


def gateway(
    listen: Annotated[str, typer.Option(help="Port, or address and port, of the gateway.")] = "8000",
    server: Annotated[
        list[str] | None,
        typer.Option(
            help="service=host:port of one process (`document`: of one that has all services); repeated, every service "
            "has to be named. None: the containers of docker-compose.yml."
        ),
    ] = None,
) -> None:
    """Print the configuration of nginx that joins the services on one port."""
    typer.echo(render(listen=listen, servers=_servers(server or ())), nl=False)


def render(*, listen: str = "8000", servers: Mapping[str, Sequence[str]] | None = None) -> str:
    """Write the configuration: for processes at these addresses, or for the containers of `docker-compose.yml`."""
    template = _TEMPLATES.get_template("gateway/nginx.conf.j2")
    return template.render(
        listen=listen,
        max_body_bytes=Settings.model_fields["max_body_bytes"].default,
        max_import_bytes=Settings.model_fields["max_import_bytes"].default,
        uploads=UPLOADS,
        servers=servers or {},
        places=places(),
        document=DOCUMENT,
        problems=PROBLEMS,
        own_problems=OWN_PROBLEMS,
    )


def _servers(named: Sequence[str]) -> dict[str, list[str]]:
    servers: dict[str, list[str]] = {}
    for one in named:
        parsed = _SERVER.fullmatch(one)
        if parsed is None or parsed["service"] not in {DOCUMENT, *Service}:
            raise typer.BadParameter(f"service=host:port expected in {one!r}", param_hint="--server")
        servers.setdefault(parsed["service"], []).append(parsed["address"])
    missing = {DOCUMENT, *(place.service for place in places())} - set(servers)
    if servers and missing:
        raise typer.BadParameter(f"no server for {', '.join(sorted(missing))}", param_hint="--server")
    return servers
