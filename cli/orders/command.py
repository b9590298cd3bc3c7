"""`everorder orders`: list, show, cancel, resolve and resume."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from cli.errors import CommandError
from cli.failures import database_told
from cli.orders import pages
from cli.orders.desk import OrderDesk
from cli.stack import json_file
from cli.stack.discovery import DEFAULT_FOLDER
from cli.stack.folder import DataFolder
from clients.connection import connect
from clients.orders import Accepted, OrderClient
from contracts.orders import Decision, OrderOutcome
from db.engine import create_engine, create_sessions
from domain.order_states import OrderStatus
from settings import Settings, get_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

T = TypeVar("T")

Which = Annotated[str, typer.Argument(metavar="ORDER", help="Number or id of the order.")]
Reason = Annotated[str, typer.Option(help="Why: a code for the timeline; free text is kept in PostgreSQL as a note.")]
Actor = Annotated[str, typer.Option(help="Who does it: an id, never a name.")]
Wait = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the outcome.")]

_OPERATOR = "operator:cli"
_CONNECTIONS = 5


@app.callback()
def orders() -> None:
    """Find, show, cancel, resolve and resume orders."""


@app.command("list")
def list_(
    status: Annotated[OrderStatus | None, typer.Option(help="Only orders in this state.")] = None,
    needs_operator: Annotated[bool, typer.Option("--needs-operator", help="Only orders a person must see.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
) -> None:
    """List orders, newest first."""
    found = _at_desk(lambda desk: desk.list(limit=limit, status=status, needs_operator=needs_operator), temporal=False)
    pages.print_list(found, Console())


@app.command()
def show(order: Which) -> None:
    """Show an order: its lines, its timeline, its payments and its workflow."""
    pages.print_order(_at_desk(lambda desk: desk.file(order), temporal=False), _ui_url(), Console())


@app.command()
def cancel(
    order: Which,
    reason: Reason,
    actor: Actor = _OPERATOR,
    wait: Wait = 30,
    rest_only: Annotated[bool, typer.Option("--rest-only", help="Only what was not shipped.")] = False,
) -> None:
    """Cancel an order: compensated before shipment, recorded for an operator after it."""
    patience = timedelta(seconds=wait)
    cancelling = _at_desk(lambda desk: desk.cancel(order, reason, actor, wait=patience, rest_only=rest_only))
    typer.echo(_told(order, cancelling))


@app.command()
def resolve(
    order: Which,
    decision: Annotated[Decision, typer.Option(help="Try the step again, go on without it, or cancel and give back.")],
    reason: Reason,
    actor: Actor = _OPERATOR,
    wait: Wait = 30,
) -> None:
    """Decide about an order that needs an operator."""
    patience = timedelta(seconds=wait)
    typer.echo(_told(order, _at_desk(lambda desk: desk.resolve(order, decision, reason, actor, wait=patience))))


@app.command()
def resume(
    order: Annotated[str | None, typer.Argument(metavar="ORDER", help="Number or id of the order.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every order that needs a workflow and has none.")] = False,
) -> None:
    """Give an order a workflow again, which goes on from its row; not where one is running or the order is over."""
    if order is None and everyone:
        typer.echo(f"resumed: {_at_desk(lambda desk: desk.resume_all())}")
    elif order is not None and not everyone:
        resumed = _at_desk(lambda desk: desk.resume(order))
        typer.echo(f"{order}: resumed" if resumed else f"{order}: its workflow is running already")
    else:
        raise typer.BadParameter("name one order, or --all")


def _told(order: str, outcome: OrderOutcome | Accepted) -> str:
    if isinstance(outcome, Accepted):
        return f"{order}: accepted, and still under way"
    flag = ", needs an operator" if outcome.needs_operator else ""
    return f"{order}: {outcome.status}{flag}"


def _at_desk(work: Callable[[OrderDesk], Awaitable[T]], *, temporal: bool = True) -> T:
    """Do one thing at the desk; `temporal` says that it can not be done without Temporal."""

    async def done() -> T:
        async with _desk(get_settings(), temporal=temporal) as desk:
            return await work(desk)

    return asyncio.run(done())


@asynccontextmanager
async def _desk(settings: Settings, *, temporal: bool) -> AsyncIterator[OrderDesk]:
    client = OrderClient(await connect(settings, lazy=True))
    if temporal and not await client.reachable():
        raise CommandError(f"Temporal at {settings.temporal_address} does not answer")
    engine = create_engine(settings.database_url, pool_size=_CONNECTIONS, application="everorder-orders")
    try:
        with database_told():
            yield OrderDesk(create_sessions(engine), client, settings.hold)
    finally:
        await engine.dispose()


def _ui_url() -> str:
    """Name the Web UI of the stack that runs here, if there is one."""
    return str(json_file.read(DataFolder(DEFAULT_FOLDER).description).get("ui_url", ""))
