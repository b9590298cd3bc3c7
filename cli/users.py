"""`everorder users`: staff, and the first administrator."""

import asyncio
import secrets
from typing import Annotated
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from api.passwords import LONGEST, SHORTEST, Passwords
from api.schemas.fields import Email
from cli.errors import CommandError
from cli.transaction import in_transaction
from db import users
from domain.accounts import email_key
from domain.roles import STAFF, Role
from settings import Settings, get_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Who = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address of the account.")]
_ROLE = typer.Option("--role", help=f"One of {', '.join(STAFF)}; may be given several times.")
Roles = Annotated[list[Role], _ROLE]

_GENERATED_BYTES = 18


@app.callback()
def users_() -> None:
    """Create accounts of staff, and grant and revoke roles."""


@app.command()
def create(
    email: Who,
    role: Annotated[list[Role] | None, _ROLE] = None,
    name: Annotated[str | None, typer.Option(help="What to call the person.")] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Draw a password and print it, this once.")] = False,
) -> None:
    """Create an account, whose address needs no proof. The password is asked for, unless it is to be generated."""
    settings, address, roles = get_settings(), _address(email), _staff(role or [])
    password = secrets.token_urlsafe(_GENERATED_BYTES) if generate else _asked()
    hashed = asyncio.run(_hashed(settings, password, address, name))
    made = in_transaction(settings, lambda session: users.create(session, address, hashed, name=name, roles=roles))
    if made is None:
        raise CommandError(f"{address} has an account already: everorder users grant {address} --role …")
    typer.echo(f"{address}: created, {_told(roles)}")
    if generate:
        typer.echo(f"password: {password}")


@app.command()
def grant(email: Who, role: Roles) -> None:
    """Give roles to a person who has an account."""
    address, roles = _address(email), _staff(role)
    found = in_transaction(get_settings(), lambda session: users.grant(session, address, roles))
    typer.echo(f"{_found(address, found)}: granted {', '.join(roles)}, from the next access token on")


@app.command()
def revoke(email: Who, role: Roles) -> None:
    """Take roles away from a person."""
    address, roles = _address(email), _staff(role)
    found = in_transaction(get_settings(), lambda session: users.revoke(session, address, roles))
    typer.echo(f"{_found(address, found)}: revoked {', '.join(roles)}; access tokens end within ten minutes")


@app.command("list")
def list_() -> None:
    """List everybody who has a role."""
    table = Table("e-mail", "roles", "id")
    for user in in_transaction(get_settings(), users.staff):
        table.add_row(user.email, ", ".join(user.roles), str(user.id))
    Console().print(table)


def _address(email: str) -> str:
    try:
        return email_key(TypeAdapter(Email).validate_python(email))
    except ValidationError:
        raise CommandError(f"{email} is no e-mail address") from None


def _staff(roles: list[Role]) -> list[Role]:
    others = [role for role in roles if role not in STAFF]
    if others:
        raise CommandError(f"{others[0]} is not granted; one of {', '.join(STAFF)} is")
    return roles


def _asked() -> str:
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not SHORTEST <= len(asked) <= LONGEST:
        raise CommandError(f"a password has {SHORTEST} to {LONGEST} characters")
    return asked


async def _hashed(settings: Settings, password: str, *personal: str | None) -> str:
    passwords = Passwords(settings.password_memory_kib, settings.password_passes)
    if await passwords.easy_to_guess(password, *personal):
        raise CommandError("the password is too easy to guess")
    return await passwords.hash(password)


def _found(address: str, user_id: UUID | None) -> str:
    if user_id is None:
        raise CommandError(f"{address} has no account that was confirmed")
    return address


def _told(roles: list[Role]) -> str:
    return ", ".join(roles) or "a customer"
