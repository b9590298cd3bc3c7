"""The `everorder` command: one table of commands, each imported only when it is called."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from cli.errors import CommandError
from cli.stack.discovery import join_running_stack
from domain.errors import EverorderError


class Entry(NamedTuple):
    """Where a command lives (`module:attribute`, a function or a `typer.Typer`), and its line in the help."""

    target: str
    help: str


COMMANDS = {
    "dev": Entry("cli.dev:dev", "Start the whole stack here, place one real order, stay up until Ctrl-C."),
    "api": Entry("cli.serve.api:api", "Serve the REST API, or some of its services."),
    "worker": Entry("cli.serve.worker:worker", "Work on one or more Temporal task queues."),
    "sandbox": Entry("cli.serve.sandbox:sandbox", "Serve the payment sandbox, which speaks Stripe's API."),
    "mail": Entry("cli.mail:mail", "Serve a local mail server that keeps every message."),
    "migrate": Entry("cli.database:migrate", "Bring PostgreSQL and Temporal to what this release needs."),
    "seed": Entry("cli.database:seed", "Load the demo catalogue."),
    "import": Entry("cli.importing:app", "Make catalogue and stock out of another system's files."),
    "export": Entry("cli.exporting:app", "Write the catalogue in another system's format."),
    "replay": Entry("cli.replay:replay", "Place a retailer's invoices as real orders over the REST API."),
    "orders": Entry("cli.orders.command:app", "Find, show, cancel, resolve and resume orders."),
    "payments": Entry("cli.payments:app", "Compare the books with the payment provider and with the workflows."),
    "users": Entry("cli.users:app", "Create staff, the first administrator among them, and grant and revoke roles."),
    "keys": Entry("cli.keys:app", "List and rotate the keys that access tokens are signed with."),
    "people": Entry("cli.people.command:app", "Erase what is held of a person who asks for it."),
    "audit": Entry("cli.audit.command:audit", "Check every invariant, and show the rows that break one."),
    "check": Entry("cli.check:check", "Compile the templates, and compare the migrations with digests and models."),
    "docs": Entry("cli.docs:docs", "Print the tables of the documentation anew, from the code they describe."),
    "bench": Entry("benchmarks.command:bench", "Measure orders a second, against what they are made of."),
    "bench-catalog": Entry("benchmarks.catalogue.command:bench_catalog", "Measure reads of the catalogue at any size."),
    "bench-migrations": Entry(
        "benchmarks.migrating.command:bench_migrations", "Measure how long an open shop waits for its migrations."
    ),
    "bench-stock": Entry("benchmarks.stock.command:bench_stock", "Measure holds of stock by many at once."),
    "gateway": Entry("cli.gateway.command:gateway", "Print the nginx configuration that joins the services."),
    "doctor": Entry("cli.doctor:doctor", "Check everything that Everorder needs, and say what to do."),
}
"""A new command is one line here: nothing else has to know of it."""


class LazyCommands(TyperGroup):
    """Knows each command by its line in the table, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Exchange the line of the table for the command itself (Typer's own types for this are private)."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name and listed else listed, rest


def _load(name: str) -> Any:
    module, attribute = COMMANDS[name].target.split(":")
    found: typer.Typer | Callable[..., object] = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    return typer.main.get_command(found)


app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A commerce backend in which an order can not be lost, paid twice, oversold or left half done.",
)


for _name, _entry in COMMANDS.items():
    app.command(_name, help=_entry.help)(lambda: None)


def run() -> None:
    """Run the command line. What is the user's to solve is one line and exit status 1 or 2, never a trace."""
    join_running_stack()
    try:
        app()
    except SystemExit as end:
        _leave(end.code)
    except Exception as error:
        if not _is_for_the_user(error):
            raise
        print(f"everorder: {error}", file=sys.stderr)
        _leave(getattr(error, "exit_code", 2))


def _leave(status: str | int | None) -> NoReturn:
    """End the process; without Python's own clean-up where Temporal's threads could crash in it (sdk-python#300)."""
    if "temporalio.bridge" in sys.modules and not isinstance(status, str):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status or 0)
    raise SystemExit(status)


def _is_for_the_user(error: Exception) -> bool:
    from settings import SettingsError  # noqa: PLC0415 - `everorder --help` answers at once without it

    return isinstance(error, CommandError | EverorderError | SettingsError)


if __name__ == "__main__":
    run()
