"""`everorder sandbox`: the payment server that stands in for Stripe."""

from typing import Annotated

import typer

from domain.stripe_events import TYPES
from sandbox.server import serve


def sandbox(
    *,
    database_url: Annotated[
        str, typer.Option(envvar="EVERORDER_SANDBOX_DATABASE_URL", help="The sandbox's own PostgreSQL database.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8010,
    webhook_url: Annotated[str, typer.Option(help="Where events go; empty: nowhere.")] = "",
    webhook_secret: Annotated[
        str, typer.Option(envvar="EVERORDER_STRIPE_WEBHOOK_SECRET", help="What events are signed with.")
    ] = "",
    webhook_events: Annotated[
        str,
        typer.Option(help="Types of events that are sent, by commas; empty: all.", show_default="those that are taken"),
    ] = ",".join(TYPES),
) -> None:
    """Serve the payment sandbox, which speaks the used part of Stripe's API."""
    serve(
        database_url=database_url,
        host=host,
        port=port,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        webhook_events=webhook_events.split(",") if webhook_events else None,
    )
