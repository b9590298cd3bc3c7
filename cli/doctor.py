"""`everorder doctor`: is everything there that Everorder needs, and if not, what is to be done."""

import asyncio
import json
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import aiosmtplib
import asyncpg
import httpx2
import typer
from rich.console import Console
from temporalio.service import RPCError

from clients import search_attributes
from clients.connection import connect
from db import migrations
from db.schema import differences, named
from providers.sms import TWILIO
from settings import Settings, SettingsError, get_settings

_OLDEST_PYTHON = (3, 11)
_OLDEST_POSTGRES = 18
_PATIENCE = 5.0
_STRIPE = "https://api.stripe.com"


class UnwellError(Exception):
    """Something is missing: what was found, and what to do about it."""

    def __init__(self, found: str, advice: str) -> None:
        self.found = found
        self.advice = advice
        super().__init__(found)


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; `advice` is empty when all is well."""

    name: str
    ok: bool
    found: str
    advice: str = ""


Check = Callable[[Settings], Awaitable[str]]


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of findings.")] = False) -> None:
    """Check everything that Everorder needs, and say what to do. Exit status 1 when something is missing."""
    findings = asyncio.run(examine())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


async def examine() -> list[Finding]:
    """Make every check; those that need settings are left out where there are none."""
    try:
        settings = get_settings()
    except SettingsError as error:
        return [_python(), Finding("settings", ok=False, found=str(error), advice="set it in the environment or .env")]
    checks: dict[str, Check] = {
        "postgresql": _postgres,
        "temporal": _temporal,
        "payments": _payments,
        "mail": _mail,
        "sms": _sms,
    }
    found = await asyncio.gather(*(_made(name, check, settings) for name, check in checks.items()))
    return [_python(), Finding("settings", ok=True, found="complete"), *found]


async def _made(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name, ok=True, found=await check(settings))
    except UnwellError as unwell:
        return Finding(name, ok=False, found=unwell.found, advice=unwell.advice)


def _python() -> Finding:
    fits = sys.version_info >= _OLDEST_PYTHON
    return Finding("python", ok=fits, found=platform.python_version(), advice="" if fits else "install 3.11 or newer")


async def _postgres(settings: Settings) -> str:
    try:
        connection = await asyncpg.connect(settings.database_url, timeout=_PATIENCE)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnwellError(f"not reachable: {error}", "start PostgreSQL, or correct DATABASE_URL") from None
    try:
        version = await _migrated(connection)
    finally:
        await connection.close()
    different = await differences(settings.database_url)
    if different:
        raise UnwellError(
            f"schema is at {migrations.head()}, but is not what its migrations make: {named(different)}",
            "put right what was changed by hand, or begin with an empty database (a local stack: another --data-dir)",
        )
    return version


async def _migrated(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    major = connection.get_server_version().major
    if major < _OLDEST_POSTGRES:
        raise UnwellError(f"version {major}", f"use PostgreSQL {_OLDEST_POSTGRES} or newer")
    try:
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        revision = None
    if revision and not migrations.known(revision):
        raise UnwellError(
            f"schema is at {revision}", "run the release that it is at: this one does not know its schema"
        )
    if revision != migrations.head():
        raise UnwellError(f"schema is at {revision or 'nothing'}, not {migrations.head()}", "run: everorder migrate")
    return f"version {major}, schema {revision}"


async def _temporal(settings: Settings) -> str:
    address = settings.temporal_address
    try:
        async with asyncio.timeout(_PATIENCE):
            client = await connect(settings)
            absent = await search_attributes.missing(client)
    except (RuntimeError, RPCError, TimeoutError):
        raise UnwellError(
            f"namespace {settings.temporal_namespace} at {address} does not answer",
            "start Temporal, or correct TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE",
        ) from None
    if absent:
        raise UnwellError(f"search attributes missing: {', '.join(sorted(absent))}", "run: everorder migrate")
    return f"{address}, namespace {settings.temporal_namespace}"


async def _payments(settings: Settings) -> str:
    return await _answers(settings.stripe_api_base or _STRIPE, "EVERORDER_STRIPE_API_BASE")


async def _sms(settings: Settings) -> str:
    if not settings.sms_account:
        return "switched off"
    return await _answers(settings.sms_api_base or TWILIO, "EVERORDER_SMS_API_BASE")


async def _answers(address: str, setting: str) -> str:
    try:
        async with httpx2.AsyncClient(timeout=_PATIENCE) as client:
            await client.get(address)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UnwellError(f"{address} does not answer ({type(error).__name__})", f"correct {setting}") from None
    return address


async def _mail(settings: Settings) -> str:
    address = f"{settings.smtp_host}:{settings.smtp_port}"
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host, port=settings.smtp_port, timeout=_PATIENCE, start_tls=settings.smtp_starttls
    )
    try:
        async with client:
            await client.noop()
    except (aiosmtplib.SMTPException, OSError) as error:
        raise UnwellError(
            f"{address} does not answer ({type(error).__name__})", "correct EVERORDER_SMTP_HOST and EVERORDER_SMTP_PORT"
        ) from None
    return address


def _print(findings: list[Finding]) -> None:
    console = Console()
    for finding in findings:
        word = "[green]ok[/]    " if finding.ok else "[red]failed[/]"
        console.print(f"{finding.name:<12}{word}  {finding.found}", highlight=False, soft_wrap=True)
        if finding.advice:
            console.print(f"{'':<20}{finding.advice}", highlight=False, soft_wrap=True)
