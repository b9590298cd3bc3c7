"""`everorder keys`: the keys that access tokens are signed with."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.access_tokens import KEY_OUTLIVES
from api.signing_keys import STALE, draw
from cli.errors import CommandError
from cli.transaction import in_transaction
from db import signing_keys
from db.signing_keys import SigningKeyRow
from settings import get_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_MOMENT = "%Y-%m-%d %H:%M:%S"
_SHORTEST = 4 * int(STALE)


@app.callback()
def keys() -> None:
    """List and rotate the keys that access tokens are signed with."""


@app.command("list")
def list_() -> None:
    """List the keys that verify, in the order in which they sign."""
    found = in_transaction(get_settings(), signing_keys.live)
    table = Table("kid", "state", "signs from (UTC)", "ends (UTC)")
    for key in found:
        table.add_row(key.kid, _state(key, found), f"{key.signs_from:{_MOMENT}}", _moment(key.ends_at))
    Console().print(table)


@app.command()
def rotate(
    overlap: Annotated[
        int, typer.Option(min=_SHORTEST, help="Seconds for which the next key is published before it signs.")
    ] = 300,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Somebody has seen a key: end all of them now, and begin anew.")
    ] = False,
) -> None:
    """Publish the next key. It signs after the overlap; the one before it goes until its last token has ended."""
    settings = get_settings()
    key = draw(settings.secret)
    if compromised:
        in_transaction(settings, lambda session: signing_keys.replace_all(session, key))
        typer.echo(f"{key.kid}: signs from now on; every access token is void within {STALE:.0f} seconds")
        return
    times = {"overlap": timedelta(seconds=overlap), "outlives": KEY_OUTLIVES}
    added = in_transaction(settings, lambda session: signing_keys.add_next(session, key, **times))
    if added is None:
        raise CommandError("the next key is published already, and does not sign yet (everorder keys list)")
    typer.echo(f"{added.kid}: published; signs from {added.signs_from:{_MOMENT}} UTC")


def _state(key: SigningKeyRow, found: list[SigningKeyRow]) -> str:
    now = datetime.now(UTC)
    if key.signs_from > now:
        return "published"
    signing = max(one.signs_from for one in found if one.signs_from <= now)
    return "signs" if key.signs_from == signing else "verifies"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:{_MOMENT}}"
