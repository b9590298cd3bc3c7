"""`everorder check`: what no linter sees.

Every template compiles, no landed migration was edited, and the migrations lead to what the models say.
"""

import asyncio
import io
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from alembic import command
from alembic.util.exc import CommandError as AlembicError
from jinja2 import TemplateError
from rich.console import Console
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from cli.stack import cluster
from cli.stack.ending import kill_group
from cli.stack.errors import StackError
from cli.stack.health import accepts_queries
from cli.stack.process import switch_to
from db import migrations
from migrations import frozen
from providers.rendering import JinjaRenderer

_OWNER = "everorder"
_PATIENCE = 20.0
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "10",
}


class FailedError(Exception):
    """A check has failed; the message is one line that says what is wrong."""


def check() -> None:
    """Compile every template, and compare the migrations with their digests and the models.

    Exit status 1 when something is wrong.
    """
    outcomes = [_made("templates", templates), _made("frozen", unedited), _made("migrations", migrated)]
    raise typer.Exit(0 if all(outcomes) else 1)


def templates() -> str:
    """Compile every template.

    Raises:
        FailedError: one is wrong.
    """
    renderer = JinjaRenderer()
    names = renderer.templates()
    for name in names:
        try:
            renderer.compile(name)
        except TemplateError as error:
            raise FailedError(f"{name}: {error}") from error
    return f"{len(names)} compile"


def unedited() -> str:
    """Compare every migration with what it was when it landed.

    Raises:
        FailedError: one was edited, or is not frozen yet.
    """
    thawed = frozen.thawed()
    if thawed:
        raise FailedError("; ".join(thawed))
    return f"every migration is as it was when it landed, up to {migrations.head()}"


def migrated() -> str:
    """Migrate an empty database and compare it with the models.

    Raises:
        FailedError: a migration fails, or leads to something else than the models say.
    """
    with _temporary_postgres() as url:
        configuration = migrations.config(url)
        configuration.stdout = io.StringIO()
        try:
            migrations.upgrade(url)
            command.check(configuration)
        except (AlembicError, DBAPIError) as error:
            raise FailedError(" ".join(str(error).split())) from error
    return f"lead to what the models say, revision {migrations.head()}"


def _made(name: str, work: Callable[[], str]) -> bool:
    began = time.monotonic()
    try:
        said, ok = work(), True
    except (FailedError, StackError) as error:
        said, ok = str(error), False
    word = ("ok      ", "green") if ok else ("failed  ", "red")
    Console().print(Text.assemble(f"{name:<12}", word, f"{said} ({time.monotonic() - began:.1f} s)"), soft_wrap=True)
    return ok


@contextmanager
def _temporary_postgres() -> Iterator[str]:
    """Run a PostgreSQL that listens on a socket of its own and forgets everything, and give out its address."""
    with tempfile.TemporaryDirectory(prefix="everorder-check-") as parent:
        folder, password = Path(parent, "data"), secrets.token_urlsafe(16)
        cluster.create(folder, _OWNER, password)
        url = f"postgresql://{_OWNER}:{password}@/postgres?host={folder}"
        with Path(parent, "log").open("w+b") as log:
            server = _started(folder, log.fileno())
            try:
                asyncio.run(_until_ready(server, url))
                yield url
            finally:
                _end(server)


def _started(folder: Path, log: int) -> "subprocess.Popen[bytes]":
    settings = {**_SETTINGS, "unix_socket_directories": str(folder)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(cluster.programs() / "postgres"), "-D", str(folder), *options]
    identity = switch_to(cluster.system_user())
    return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True, **identity)


async def _until_ready(server: "subprocess.Popen[bytes]", url: str) -> None:
    ready = accepts_queries(url)
    end = time.monotonic() + _PATIENCE
    while not await ready():
        if server.poll() is not None or time.monotonic() > end:
            raise FailedError("a PostgreSQL to migrate does not start")
        await asyncio.sleep(0.05)


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        kill_group(server.pid)
        server.wait()
