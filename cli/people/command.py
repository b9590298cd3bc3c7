"""`everorder people`: erase what is held of somebody."""

import asyncio
from typing import Annotated

import typer

from cli.failures import database_told
from cli.people.desk import ErasedPerson, PeopleDesk
from clients.connection import connect
from clients.erasures import ErasureClient
from db.engine import create_engine, create_sessions
from providers.maildir import LocalMailbox
from settings import Settings, get_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def people() -> None:
    """Do what people may ask for."""


@app.command()
def erase(
    email: Annotated[str, typer.Option(help="The address that the person has shown to be theirs.")],
) -> None:
    """Erase a person: the account, if there is one, and what was bought as a guest. Orders stay without the person."""
    erased = asyncio.run(_erase(get_settings(), email))
    typer.echo(f"erased: the person in {erased.carts} carts and {erased.orders} orders")
    if erased.account is not None:
        typer.echo(f"account {erased.account}: closed, and being erased")


async def _erase(settings: Settings, email: str) -> ErasedPerson:
    engine = create_engine(settings.database_url, pool_size=1, application="everorder-people")
    try:
        client = ErasureClient(await connect(settings, lazy=True))
        with database_told():
            return await PeopleDesk(create_sessions(engine), client, LocalMailbox(settings.mailbox_dir)).erase(email)
    finally:
        await engine.dispose()
