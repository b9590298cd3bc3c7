"""`everorder api`: the REST API, whole or in parts."""

import os
from typing import Annotated

import typer
import uvicorn

_GRACE_SECONDS = 10
"""How long a stopping server lets open requests finish: waits for outcomes and streams end within a second."""


def api(
    services: Annotated[str, typer.Option(help="Only these, separated by commas, for example catalog,carts.")] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
) -> None:
    """Serve the REST API, or some of its services."""
    if services:
        os.environ["EVERORDER_SERVICES"] = services
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `api.client_address` believes the proxies that the settings trust, and no others
        log_config=None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
