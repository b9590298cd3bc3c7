"""A worker process: opens what its queues need, works until it is told to stop, and drains before it ends."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
import uvloop
from temporalio.client import Client
from temporalio.runtime import Runtime

from clients.connection import connect
from contracts.queues import TaskQueue
from db.engine import create_engine, create_sessions
from providers.links import StorefrontLinks
from providers.maildir import LocalMailbox
from providers.rendering import JinjaRenderer
from providers.shopify.products import ProductFile
from providers.smtp import SmtpMailer
from settings import Settings, get_settings
from settings.logs import configure_logs
from workers.metrics import open_runtime
from workers.providers import open_providers, open_sms
from workers.signs_of_life import Vitals
from workers.watch import give_up, watching, watching_loop
from workers.wiring import WORK, QueueWork, Resources, WorkOf, create_worker

log = structlog.get_logger(__name__)

_RECONNECT = 0.25


def run(queues: Sequence[TaskQueue]) -> None:
    """Work on these queues (none named: on all that have work) until SIGTERM or SIGINT."""
    run_work({queue: WORK[queue] for queue in queues or WORK})


def run_work(work: Mapping[str, WorkOf]) -> None:
    """Do any work, by the name of its queue, until SIGTERM or SIGINT."""
    settings = get_settings()
    configure_logs(settings)
    uvloop.run(_run(work, settings))


async def _run(work: Mapping[str, WorkOf], settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await _connect(settings, stop, open_runtime(settings))
    if client is None:
        return
    async with open_resources(settings, client) as resources, AsyncExitStack() as stack:
        patience = settings.worker_patience
        await stack.enter_async_context(watching_loop(patience))
        for queue, work_of in work.items():
            await stack.enter_async_context(_working(client, queue, work_of(resources), patience))
            log.info("worker_started", queue=queue)
        await stop.wait()
        log.info("worker_draining")
    log.info("worker_stopped")


@asynccontextmanager
async def _working(client: Client, queue: str, work: QueueWork, patience: float) -> AsyncIterator[None]:
    """Work on a queue, and have somebody watch."""
    vitals = Vitals()

    async def failed(error: BaseException) -> None:
        give_up(queue, "failed", error=type(error.__cause__ or error).__name__)

    async with create_worker(client, queue, work, vitals, failed), watching(client, queue, work, vitals, patience):
        yield


async def _connect(settings: Settings, stop: asyncio.Event, runtime: Runtime | None) -> Client | None:
    """Wait for Temporal as long as it takes; None when told to stop meanwhile."""
    identity = f"everorder@{socket.gethostname()}:{os.getpid()}"
    while not stop.is_set():
        try:
            return await connect(settings, identity=identity, runtime=runtime)
        except RuntimeError:
            log.warning("temporal_unreachable", address=settings.temporal_address)
            await asyncio.sleep(_RECONNECT)
    return None


@asynccontextmanager
async def open_resources(settings: Settings, client: Client) -> AsyncIterator[Resources]:
    """Open what activities need, and close it again."""
    engine = create_engine(settings.database_url, pool_size=settings.database_pool_size, application="everorder-worker")
    sessions = create_sessions(engine)
    mailer = SmtpMailer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.mail_from,
        timeout=settings.smtp_timeout,
        username=settings.smtp_username,
        password=settings.smtp_password,
        starttls=settings.smtp_starttls,
    )
    try:
        async with open_providers(settings, sessions) as providers, open_sms(settings) as sms:
            yield Resources(
                sessions,
                providers,
                mailer,
                JinjaRenderer(),
                client,
                StorefrontLinks(settings.storefront_url, settings.secret),
                LocalMailbox(settings.mailbox_dir),
                ProductFile,
                sms=sms,
                hold=settings.hold,
                close_after=settings.close_after,
                transfer_details=settings.bank_transfer_details,
                stock_alerts_to=settings.stock_alerts_to,
                reconciliation_grace=timedelta(seconds=settings.reconciliation_grace),
                cart_kept=timedelta(days=settings.cart_days),
                cart_retention=timedelta(days=settings.cart_retention_days),
                import_retention=timedelta(days=settings.import_retention_days),
            )
    finally:
        await engine.dispose()
